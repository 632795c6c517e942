#!/usr/bin/env bash
# Shows the cost of skew on real flights, and the effect of partitioners. The argument is
# the saspart binary. Output goes to runs/quickstart, which is replaced each time.
set -euo pipefail
saspart=$1
out=runs/quickstart
rm -rf "$out"

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
[ -t 1 ] || say() { printf '\n%s\n' "$*"; }

# The same job under each partitioner. The first 10 windows do not count: partitioners that
# learn need them.
compare() {
	"$saspart" run --config flights-tdigest --partitioner hash,wchoices,waterfill --windows 30 --warmup 10 -o table "$@"
}

say "1. Record the job: arrival delays per destination, 8 workers, partitioned by hash"
"$saspart" collect --config flights-tdigest --partitioner hash --windows 60 --out "$out"

say "2. The trace: no destination has more than 6 % of the flights, but hash spreads them unevenly"
"$saspart" inspect "$out/flights-tdigest-hash-1.arrow"

say "3. The same job under partitioners that observe the load"
compare

say "4. One and a half times the rate, which 8 workers can sustain: under hash the busiest worker blocks the source"
compare --set rate.rate=30_000

say "5. By airline at the first rate: 16 keys, the top one 17 %, and hash has several of the heavy ones on one worker"
compare --set source.file.key=carrier

# Without libtorch (anything but Linux x86_64) a policy can't be trained.
if "$saspart" version | grep -q "with libtorch"; then
	say "6. Learn from a bandit's trace of the same job, by airline, and compare the policy with hash"
	carriers="--set source.file.key=carrier"
	"$saspart" collect --config flights-tdigest $carriers --set name=carriers --partitioner dalton-offline \
		--set partitioner.dalton_offline.epsilon=0.3 --set partitioner.dalton_offline.learning_rate=0.0006 \
		--set collect.episode_windows=64 --windows 512 --out "$out"
	"$saspart" train-offline --data "$out/carriers-*.arrow" --out "$out/policy" --steps 2000
	"$saspart" run --config flights-tdigest $carriers --partitioner hash,dalton-offline,saspartitioner \
		--checkpoint "$out/policy" --windows 30 --warmup 10 -o table
	echo "the training's report: $out/policy/report.html"
fi

say "7. The highest rate that each partitioner holds, as a part of what all workers together could do"
"$saspart" matrix --file smoke --out "$out/smoke"
"$saspart" report "$out/smoke"

say "Done. due/s is what arrived and sent/s what the job took in; blocked is the time the source had
to wait for a busy worker; p99 counts from when a record was due. fan-out is workers per key:
what balance costs in memory and merging. Next: $saspart config list; $saspart --help"
