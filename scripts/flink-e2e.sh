#!/usr/bin/env bash
# Tests all of saspart on a real Flink cluster. It starts the cluster, records a job, trains
# a policy on the trace and then on the running job, serves it to a job, and measures
# sustainable rates. The arguments are the saspart binary and, for a quick run, the word
# short.
#
# It writes to a new folder, and ends everything that it starts.
set -euo pipefail
saspart=$(realpath "$1")
size=${2:-full}
work=$(mktemp -d "${TMPDIR:-/tmp}/saspart-flink.XXXXXX")
server=

# Ends everything that was started, however the script ends.
clean() {
	status=$?
	trap - EXIT
	if [ -n "$server" ]; then
		kill "$server" 2>/dev/null || true
		wait "$server" 2>/dev/null || true
	fi
	if [ $status -ne 0 ]; then
		tail -n 40 "$work"/cluster/log/*.log "$work/serve.log" 2>/dev/null || true
	fi
	"$saspart" flink down --dir "$work/cluster" || true
	rm -rf "$work"
	exit $status
}
trap clean EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

say() { printf '\n%s\n' "flink: $*"; }
fail() {
	echo "flink: $*" >&2
	exit 1
}

# A job of half-second windows that leaves the machine idle time: the work is emulated,
# and each of four workers can process 500 records/s.
job=(--config wordcount-zipf --set job.workers=4 --set job.speeds.kind=equal --set job.work_ratio=1 --set job.costs.record=2ms
	--set job.slide=250ms --set job.window=500ms)
windows=60 learn=60 steps=1000 settle=12 measure=12 tolerance=0.05
partitioners=hash,wchoices,dalton-metrics,waterfill
if [ "$size" = short ]; then
	windows=16 learn=8 steps=50 settle=4 measure=4 tolerance=0.3
	partitioners=hash
fi

say "start a cluster"
"$saspart" flink up --dir "$work/cluster" --port 0 --slots 8 -o json >"$work/cluster.json"
address=$(sed -n 's/^ *"address": "\(.*\)",$/\1/p' "$work/cluster.json")
cluster=(--engine flink --flink "$address")
"$saspart" flink status --dir "$work/cluster"

say "a job of a file that ends computes what it does without Flink"
awk 'BEGIN { srand(3); print "key,text"; for (i = 0; i < 2000; i++) printf "k%d,w%d and\n", 40 * rand() ^ 4, 10 * rand() }' >"$work/input.csv"
for engine in sim flink; do
	only=(--engine sim)
	[ $engine = sim ] || only=("${cluster[@]}")
	"$saspart" run "${job[@]}" "${only[@]}" --set source.kind=file --set "source.file.path=$work/input.csv" --set source.file.key=key \
		--set 'source.file.payload=[text]' --set source.file.loop=false --set rate.rate=500 --partitioner wchoices --windows 0 \
		--results "$work/$engine.csv" -o table
	# The ends of windows are not compared: on a busy machine the records may begin late.
	cut -d, -f2- "$work/$engine.csv" >"$work/$engine.txt"
done
cmp "$work/sim.txt" "$work/flink.txt" || fail "the results on Flink are others than on sim"

say "record a job under a bandit"
"$saspart" collect "${job[@]}" "${cluster[@]}" --set rate.rate=800 --partitioner dalton-offline --set collect.episode_windows=16 \
	--windows $windows --out "$work/traces"
"$saspart" inspect "$work"/traces/*.arrow

# Without libtorch (anything but Linux x86_64) a policy can't be trained.
checkpoint=builtin
if "$saspart" version | grep -q "with libtorch"; then
	say "learn from the record"
	"$saspart" train-offline --data "$work/traces/*.arrow" --out "$work/offline" --steps $steps
	say "learn on from the running job"
	"$saspart" train-online "${job[@]}" "${cluster[@]}" --set rate.rate=800 --checkpoint "$work/offline" --out "$work/online" \
		--set learning_starts=4 --set evaluate.every=$learn --set evaluate.windows=4 --max-windows $learn
	checkpoint=$work/online
fi

say "serve what was learned, and have it decide for a job"
"$saspart" serve --checkpoint "$checkpoint" --key-distance 0 --listen 127.0.0.1:0 --http '' -o json >"$work/serve.json" 2>"$work/serve.log" &
server=$!
for _ in $(seq 100); do
	[ -s "$work/serve.json" ] && break
	sleep 0.1
done
serving=$(sed 's/.*"listen":"\([^"]*\)".*/\1/' "$work/serve.json")
[ -n "$serving" ] || fail "the policy server does not listen"
"$saspart" run "${job[@]}" "${cluster[@]}" --set rate.rate=800 --partitioner saspartitioner --server "$serving" --windows $windows \
	--results "$work/results.csv" -o table
[ "$(wc -l <"$work/results.csv")" -gt 100 ] || fail "the job's results are missing"
kill "$server"
wait "$server" || fail "the policy server did not end as it should"
server=

say "what jobs hold"
"$saspart" throughput "${job[@]}" "${cluster[@]}" --partitioner $partitioners --warmup $settle --windows $measure --tolerance $tolerance \
	--latency-at 0.8

say "no job is left"
jobs=$("$saspart" flink status --dir "$work/cluster" -o json | sed -n 's/^ *"jobs": \([0-9]*\).*/\1/p')
[ "$jobs" = 0 ] || fail "$jobs jobs still run"
say "done"
