package serve_test

import (
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"

	pb "github.com/saspart/saspart/proto/saspart/v1"
	"github.com/saspart/saspart/serve"
)

// Secrets that others can read, and pipes, are refused; a token is read again when its file
// changes, and stays while the file has none.
func TestTokenFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	put := func(text string, mode os.FileMode, at int) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		when := time.Unix(1000+int64(at), 0)
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(file, when, when); err != nil {
			t.Fatal(err)
		}
	}
	put("0123456789abcdef", 0o644, 0)
	if _, err := serve.TokenFile(file); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a token that others can read: %v", err)
	}
	put("0123456789abcdef", 0o600, 1)
	tokens, err := serve.TokenFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range []struct{ why, text, want string }{
		{"it is read", "0123456789abcdef", "0123456789abcdef"},
		{"it changes", "fedcba9876543210", "fedcba9876543210"},
		{"it is being written", "", "fedcba9876543210"},
	} {
		put(c.text, 0o600, 2+i)
		if got := tokens(); len(got) != 1 || got[0].Secret != c.want || len(got[0].Jobs) > 0 {
			t.Errorf("%s: %q, want %q", c.why, got, c.want)
		}
	}
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Skip(err)
	}
	if _, err := serve.ReadToken(pipe); err == nil || !strings.Contains(err.Error(), "regular") {
		t.Errorf("a pipe: %v", err)
	}
}

// A token file is refused where it says something impossible, without telling the token.
func TestTokenFilesThatAreWrong(t *testing.T) {
	const secret = "0123456789abcdef"
	for _, c := range []struct{ why, text, want string }{
		{"no token", "# none\n\n", "no token"},
		{"a short token", secret + "\nshort a*\n", ":2: a token has at least 16"},
		{"a token twice", secret + " a*\n" + secret + " b*\n", ":2: the token was there before"},
		{"no pattern", secret + " a[\n", `"a[" is no pattern`},
	} {
		file := filepath.Join(t.TempDir(), "token")
		if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := serve.TokenFile(file)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", c.why, err)
		}
		if _, err := serve.ReadToken(file); err == nil {
			t.Errorf("%s: a client takes it", c.why)
		}
	}
}

// A token is for the jobs that its line names, and for the pages only if it names none.
func TestTokensAreForJobs(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("# team, jobs\nfor-one-team-only team-a.* shared\nfor-all-the-jobs\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tokens, err := serve.TokenFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, "", serve.Default(), serve.Options{Tokens: tokens})
	for _, c := range []struct {
		token, job string
		want       codes.Code
	}{
		{"for-one-team-only", "team-a.clicks", codes.OK},
		{"for-one-team-only", "shared", codes.OK},
		{"for-one-team-only", "shared2", codes.PermissionDenied},
		{"for-one-team-only", "team-b.clicks", codes.PermissionDenied},
		{"for-all-the-jobs", "team-b.clicks", codes.OK},
		{"for-no-job-at-all", "shared3", codes.Unauthenticated},
	} {
		conn, err := grpc.NewClient(s.address, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+c.token)
		st, err := pb.NewPolicyServiceClient(conn).Attach(ctx)
		if err != nil {
			t.Fatal(err)
		}
		say(t, st, hello(newToy(2), c.job), nil)
		if _, err := st.Recv(); status.Code(err) != c.want {
			t.Errorf("%s with %s: %v", c.job, c.token, err)
		}
	}
	counted(t, s, `saspart_refused_total{reason="name"} 2`)
	h, err := s.Handler(tokens, false)
	if err != nil {
		t.Fatal(err)
	}
	for token, want := range map[string]int{"for-one-team-only": http.StatusUnauthorized, "for-all-the-jobs": http.StatusOK} {
		r := httptest.NewRequest(http.MethodGet, "/jobs.json", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, r); w.Code != want {
			t.Errorf("the pages with %s: %d", token, w.Code)
		}
	}
}

// A certificate that is replaced is shown to the next client.
func TestCertificatesAreReloaded(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert"), filepath.Join(dir, "key")
	put := func(name string, at int64) {
		t.Helper()
		template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{name}}
		c, k := sign(t, template, template, nil)
		der, err := x509.MarshalECPrivateKey(k)
		if err != nil {
			t.Fatal(err)
		}
		write(t, cert, "CERTIFICATE", c.Raw)
		write(t, key, "EC PRIVATE KEY", der)
		when := time.Unix(1000+at, 0)
		for _, f := range []string{cert, key} {
			if err := os.Chtimes(f, when, when); err != nil {
				t.Fatal(err)
			}
		}
	}
	put("first", 0)
	config, err := serve.TLSConfig(cert, key, "")
	if err != nil {
		t.Fatal(err)
	}
	shown := func() string {
		a, b := net.Pipe()
		server := tls.Server(a, config)
		go server.Handshake()
		client := tls.Client(b, &tls.Config{InsecureSkipVerify: true})
		defer a.Close()
		defer b.Close()
		if err := client.Handshake(); err != nil {
			t.Fatal(err)
		}
		return client.ConnectionState().PeerCertificates[0].DNSNames[0]
	}
	if got := shown(); got != "first" {
		t.Errorf("%s is shown first", got)
	}
	put("second", 1)
	if got := shown(); got != "second" {
		t.Errorf("%s is shown after it was replaced", got)
	}
	if err := os.Chmod(key, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := serve.TLSConfig(cert, key, ""); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a key that others can read: %v", err)
	}
}

// Reflection is off unless it is asked for.
func TestReflection(t *testing.T) {
	for _, on := range []bool{false, true} {
		s := start(t, "", serve.Default(), serve.Options{Reflect: on})
		conn, err := grpc.NewClient(s.address, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		st, err := reflectionpb.NewServerReflectionClient(conn).ServerReflectionInfo(t.Context())
		if err == nil {
			err = st.Send(&reflectionpb.ServerReflectionRequest{MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{}})
		}
		if err == nil {
			_, err = st.Recv()
		}
		if (status.Code(err) == codes.OK) != on {
			t.Errorf("reflection %v: %v", on, err)
		}
	}
}
