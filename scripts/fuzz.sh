#!/usr/bin/env bash
# Runs every fuzz test of the Go module, one after the other, and fails if one of them did.
# The arguments are how long each one runs (default 60s), and a pattern of their names
# (default all). A failing input is kept in the package's testdata/fuzz, where it becomes a
# case of the ordinary tests.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
time=${1:-60s}
failed=()
while read -r dir name; do
	echo "fuzz: $dir $name, $time"
	"${GO:-go}" test "$dir" -run '^$' -fuzz "^$name\$" -fuzztime "$time" -fuzzminimizetime 1s -timeout 20m </dev/null || failed+=("$dir $name")
done < <(grep -roE '^func Fuzz[A-Za-z0-9_]+' --include='*_test.go' . | sed -E 's|^(.*)/[^/]*:func |\1 |' | grep -E " ${2:-Fuzz}")
for f in "${failed[@]}"; do echo "fuzz: failed: $f"; done
[ ${#failed[@]} = 0 ] && echo "fuzz: done"
