# Two targets do everything on a fresh machine with Go, a C++ compiler, a JDK with
# Maven, and Python with pip: `make quickstart` and `make test`. Each can be repeated at
# any time and is quick the second time.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

GO ?= go
PYTHON ?= python3
BIN := bin/saspart
VENV := .venv

# Training needs libtorch, which make setup installs on Linux x86_64 or LIBTORCH points
# at; TORCH runs a command with it. Elsewhere everything but training is built.
CAN_TRAIN := $(shell [ "$$(uname -sm)" = "Linux x86_64" ] || [ -n "$${LIBTORCH:-}" ] && echo yes)
TORCH := scripts/libtorch.sh exec
# The packages that differ with the build tag torch are checked with and without it.
TRAINING := ./train/... ./cmd/...

# Packages whose tests compare rates on the wall clock; they run one at a time, the others
# side by side.
TIMED := ./engine ./engine/local
# Packages with goroutines of their own; their tests run under the race detector.
CONCURRENT := ./cmd/... ./collect ./engine ./engine/local ./engine/flink/... ./eval/study ./meter ./serve/... ./train/online ./train/setup

.PHONY: help setup libtorch build test test-long fuzz attack vet staticcheck format-check unit quickstart bench-route bench-train bench-learn bench-offline bench-flink bench-flink-state results results-paper laws builtin proto flink flink-test flink2-test release-snapshot deploy-check clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

setup: libtorch $(VENV)/installed ## fetch the Go modules, libtorch, and the Python packages that check the formats
	@$(GO) mod download

# Only one test needs Python; it is skipped with a message if it cannot run.
$(VENV)/installed: scripts/requirements.txt
	@echo "setup: installing Python packages into $(VENV)"
	@if $(PYTHON) -m venv $(VENV) && $(VENV)/bin/pip install --quiet --requirement $<; then touch $@; \
	else echo "setup: pandas, polars and duckdb are missing; the test that they read traces will be skipped" >&2; fi

libtorch:
ifdef CAN_TRAIN
	@./scripts/libtorch.sh
else
	@echo "setup: no libtorch, which is prebuilt for Linux x86_64 only; set LIBTORCH for training" >&2
endif

build: ## build bin/saspart; the first build compiles the binding to libtorch, in 4 minutes
	@mkdir -p $(dir $(BIN))
ifdef CAN_TRAIN
	$(TORCH) $(GO) build -tags torch -o $(BIN) ./cmd/saspart
else
	$(GO) build -o $(BIN) ./cmd/saspart
	@echo "build: $(BIN) cannot train: that needs libtorch on Linux x86_64, or LIBTORCH" >&2
endif

test: setup format-check vet staticcheck deploy-check unit flink-test ## set up, then run every check and test

format-check:
	@bad=$$(find . -name '*.go' -not -path './$(VENV)/*' -exec gofmt -l {} +); \
	if [ -n "$$bad" ]; then echo "not formatted by gofmt:"; echo "$$bad"; exit 1; fi

vet:
	$(GO) vet ./...
	$(GO) vet -tags flink ./engine/flink
ifdef CAN_TRAIN
	$(TORCH) $(GO) vet -tags torch $(TRAINING)
endif

staticcheck:
	$(GO) tool staticcheck ./...
	$(GO) tool staticcheck -tags flink ./engine/flink
ifdef CAN_TRAIN
	$(TORCH) $(GO) tool staticcheck -tags torch $(TRAINING)
endif

# All tests; then the short tests of concurrent packages, which measure no times, under the
# race detector, which is ten times slower. Where libtorch is available, all tests of
# training and of the command run with it.
unit:
	$(GO) test -p 1 -timeout 20m $(TIMED)
ifdef CAN_TRAIN
	$(GO) test -p 2 -timeout 20m $$($(GO) list ./... | grep -vE '/saspart/(cmd|train)(/|$$)' | grep -vxF "$$($(GO) list $(TIMED))")
	$(TORCH) $(GO) test -p 2 -tags torch -timeout 30m $(TRAINING)
else
	$(GO) test -p 2 -timeout 20m $$($(GO) list ./... | grep -vxF "$$($(GO) list $(TIMED))")
endif
	$(GO) test -p 2 -race -short -timeout 20m $(CONCURRENT)

# Maven downloads its dependencies the first time.
MVN := mvn -q -B -ntp -f flink/pom.xml
flink: ## build the connector and the jobs for Apache Flink, flink/*/target/*.jar
	$(MVN) package -DskipTests

# The last two tests mostly wait, each for a cluster of its own: they run side by side.
FAULTS := $(GO) test -tags flink -run '^TestFaults$$' -timeout 40m ./engine/flink
flink-test: build ## test the connector and the jobs, then everything on two clusters, in short
	$(MVN) verify
	@echo "$(FAULTS) -short"; $(FAULTS) -short >$(dir $(BIN))faults.txt 2>&1 & faults=$$!; \
	code=0; ./scripts/flink-e2e.sh $(BIN) short || code=$$?; \
	wait $$faults || code=$$?; cat $(dir $(BIN))faults.txt; exit $$code

flink2-test: ## test the connector and the jobs with Flink 2, four minutes
	$(MVN) -P flink2 verify

test-long: test flink2-test ## also fuzz every parser for a minute, kill commands 30 times each, and all failures and commands on a Flink cluster; half an hour
	./scripts/fuzz.sh 60s
ifdef CAN_TRAIN
	TEST_KILLS=30 $(TORCH) $(GO) test -tags torch ./cmd/saspart -run '^TestKills' -timeout 40m
else
	TEST_KILLS=30 $(GO) test ./cmd/saspart -run '^TestKills' -timeout 40m
endif
	$(FAULTS)
	./scripts/flink-e2e.sh $(BIN)

fuzz: ## fuzz every parser for ten minutes each
	./scripts/fuzz.sh 10m

# The tests that attack the server, under the race detector; then an attack that lasts.
ATTACKS := TestSlow|TestSmallJobs|TestPairs|TestAJumped|TestStrangers|TestIdle|TestJobsThat|TestOneHost|TestHTTP|TestLogIs|TestPoison|TestHuge|TestMemoryIs|TestTokens|TestWrong|TestGarbage|TestConnections|TestHalfOpen
attack: ## attack the policy server for about ten minutes
	$(GO) test -race ./serve -run '$(ATTACKS)' -timeout 30m
	TEST_ATTACK=10m $(GO) test ./serve -run '^TestAttack$$' -v -timeout 30m

quickstart: setup build ## run jobs on real data, in a few minutes
	@./scripts/quickstart.sh $(BIN)

bench-route: ## time routing for every partitioner, and its ratio to hash
	$(GO) test ./partition/registry -run '^$$' -bench '^Benchmark(Route|Bounded)$$' -benchmem

bench-train: libtorch ## time updates, and their ratio to the matrix products in them
	$(TORCH) $(GO) test -tags torch ./train/shares -run '^$$' -bench '^BenchmarkUpdate' -benchtime 50x

bench-learn: build ## time learning from scratch, on SaSPartitioner's simulated environment
	@./scripts/bench-learn.sh $(BIN) learn

bench-offline: build ## learn offline with three seeds, against behaviour cloning and rivals; some minutes
	@./scripts/offline-learning.sh $(BIN)

# Flink's serialization of user functions needs the opened packages.
CONNECTOR := flink/connector/target
define JAVA_TEST_CLASS
	$(MVN) -pl connector test-compile dependency:build-classpath \
	    -Dmdep.includeScope=test -Dmdep.outputFile=$(CURDIR)/$(CONNECTOR)/test.classpath
	java --add-opens=java.base/java.util=ALL-UNNAMED --add-opens=java.base/java.lang=ALL-UNNAMED \
	    -cp $(CONNECTOR)/classes:$(CONNECTOR)/test-classes:$$(cat $(CONNECTOR)/test.classpath)
endef
bench-flink: ## time the Flink connector with next to no work, against partitionCustom and keyBy; some minutes
	$(JAVA_TEST_CLASS) -Xmx1g io.github.saspart.flink.Throughput $(BENCH)

bench-flink-state: ## measure checkpoints of 1.5 million keys, and of 25,000 keys in 60 slides, against Flink's windows; ten minutes
	$(JAVA_TEST_CLASS) -Xmx4g io.github.saspart.flink.StateCost 1500000 1 1
	$(JAVA_TEST_CLASS) -Xmx4g io.github.saspart.flink.StateCost 25000 60 1

# Both resume what is in runs/; remove a folder there to repeat its measurements, as after
# every change of the program.
STUDIES := noise bound ablation
results: results-paper ## run the full comparison and the studies beside it, and rewrite docs/results.md; an hour on two quiet processors
	@for s in $(STUDIES); do $(BIN) matrix --file $$s --out runs/$$s --resume >/dev/null; done
	@./scripts/results.sh $(BIN) runs

results-paper: build ## run the full comparison alone, half an hour, and rewrite its part of docs/results.md
	@time $(BIN) matrix --file paper --out runs/paper --resume >/dev/null
	@./scripts/results.sh $(BIN) runs

laws: build ## measure the built-in policy under laws of noise and change, in some minutes, into docs/laws.md
	@{ sed '/^<!-- tables -->/q' docs/laws.md; echo; $(BIN) laws -o markdown; } >docs/laws.md.new && mv docs/laws.md.new docs/laws.md

builtin: libtorch ## train the capacity checkpoint policy/checkpoint/builtin from scratch, in an hour
	$(TORCH) $(GO) run -tags torch ./train/builtin -out policy/checkpoint/builtin

# The generated Go is committed: this target is only for changes of the protocol. protoc
# comes with grpcio-tools, its plugins are tools of the Go module.
GRPCIO_TOOLS := grpcio-tools==1.85.1
proto: ## regenerate the Go code of proto/
	@$(PYTHON) -m venv $(VENV) && $(VENV)/bin/pip install --quiet $(GRPCIO_TOOLS)
	$(VENV)/bin/python -m grpc_tools.protoc --proto_path=proto \
	    --plugin=protoc-gen-go=$$($(GO) tool -n protoc-gen-go) --plugin=protoc-gen-go-grpc=$$($(GO) tool -n protoc-gen-go-grpc) \
	    --go_out=. --go_opt=module=github.com/saspart/saspart \
	    --go-grpc_out=. --go-grpc_opt=module=github.com/saspart/saspart \
	    saspart/v1/policy.proto

GORELEASER := github.com/goreleaser/goreleaser/v2@v2.15.1
release-snapshot: ## build the binaries of a release for six platforms, with checksums and bills of materials, into dist/
	$(GO) run $(GORELEASER) release --snapshot --clean --parallelism 2

deploy-check: $(VENV)/installed ## check the files in deploy/ against the schemas of what reads them
	@if [ ! -e $(VENV)/installed ]; then echo "deploy-check: skipped without the Python packages" >&2; exit; fi; \
	$(VENV)/bin/kubernetes-validate --strict --no-warn $(filter-out %/kustomization.yaml,$(wildcard deploy/kubernetes/*.yaml))

clean: ## remove build products; traces and runs stay
	rm -rf bin dist $(VENV) flink/*/target
