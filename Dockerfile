# The policy server in an image without a shell; everything but training works in it.
#
#   docker build --build-arg VERSION=0.1.0 -t saspart .
#   docker run --rm -p 127.0.0.1:7071:7071 saspart serve --http 0.0.0.0:7071 --insecure
#
# deploy/kubernetes runs it with TLS and a token.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.release=${VERSION}" -o /saspart ./cmd/saspart

FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /saspart /saspart
EXPOSE 7070 7071
ENTRYPOINT ["/saspart"]
CMD ["serve"]
