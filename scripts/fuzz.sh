#!/usr/bin/env bash
# Runs every fuzz test of the Go module, one after the other. The argument is how long each
# one runs (default 60s). A failing input is kept in the package's testdata/fuzz.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
time=${1:-60s}
grep -rlE '^func Fuzz' --include='*_test.go' . | while read -r file; do
	grep -oE '^func Fuzz[A-Za-z0-9_]+' "$file" | while read -r _ name; do
		echo "fuzz: $(dirname "$file") $name, $time"
		"${GO:-go}" test "$(dirname "$file")" -run '^$' -fuzz "^$name\$" -fuzztime "$time" -fuzzminimizetime 1s -timeout 20m
	done
done
echo "fuzz: done"
