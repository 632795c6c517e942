# Two targets do everything on a fresh machine that has Go, a C++ compiler, a JDK
# with Maven, and Python with pip: `make quickstart` and `make test`. Each can be run
# again at any time and is quick the second time.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

GO ?= go
PYTHON ?= python3
BIN := bin/saspart
VENV := .venv

# Packages with goroutines of their own; their tests run under the race detector.
CONCURRENT := ./cmd/... ./collect/... ./config/... ./engine/... ./experiment/...

.PHONY: help setup build test vet staticcheck format-check unit quickstart bench-route clean

help: ## say what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

setup: $(VENV)/installed ## fetch the Go modules, and the Python packages that check the trace format
	@$(GO) mod download

# Python is needed by one test only, which says so when it cannot run.
$(VENV)/installed: scripts/requirements.txt
	@echo "setup: installing Python packages into $(VENV)"
	@if $(PYTHON) -m venv $(VENV) && $(VENV)/bin/pip install --quiet --requirement $<; then touch $@; \
	else echo "setup: without pandas, polars and duckdb; that they read traces will not be checked" >&2; fi

build: ## build bin/saspart
	@mkdir -p $(dir $(BIN))
	$(GO) build -o $(BIN) ./cmd/saspart

test: setup format-check vet staticcheck unit ## set up, then run every check and test

format-check:
	@bad=$$(find . -name '*.go' -not -path './$(VENV)/*' -exec gofmt -l {} +); \
	if [ -n "$$bad" ]; then echo "not formatted by gofmt:"; echo "$$bad"; exit 1; fi

vet:
	$(GO) vet ./...

staticcheck:
	$(GO) tool staticcheck ./...

# What -race does not cover is found by leaving out the packages it does.
unit:
	$(GO) test -race $(CONCURRENT)
	$(GO) test $$(comm -23 <($(GO) list ./... | sort) <($(GO) list $(CONCURRENT) | sort))

quickstart: setup build ## see it work on real data, in a few minutes
	@./scripts/quickstart.sh $(BIN)

bench-route: ## time routing for every partitioner, and its ratio to hash
	$(GO) test ./partition -run '^$$' -bench '^BenchmarkRoute' -benchmem

clean: ## remove what was built; traces and runs stay
	rm -rf bin $(VENV)
