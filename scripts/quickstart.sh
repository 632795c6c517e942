#!/usr/bin/env bash
# Shows on real flights what skew costs and how partitioners differ. The argument is
# the saspart binary; what it writes goes to runs/quickstart, anew each time.
set -euo pipefail
saspart=$1
out=runs/quickstart
rm -rf "$out"

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
[ -t 1 ] || say() { printf '\n%s\n' "$*"; }

say "1. Delays per destination on 8 workers, one minute of the job under each partitioner"
for partitioner in hash wchoices; do
	printf '\n%s\n' "$partitioner"
	"$saspart" collect --config flights-tdigest --partitioner "$partitioner" --windows 60 --out "$out"
done

say "2. A closer look at what hash does to the workers"
"$saspart" inspect "$out/flights-tdigest-hash-1.arrow"

say "Done. Next: $saspart config list; $saspart --help"
