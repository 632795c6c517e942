#!/usr/bin/env bash
# Does one shares policy fit speeds and keys that it was not trained on? Trains a policy of
# wordcount-zipf in closed form with each of the given training seeds (default 1 2 3), and runs it on
# `sim` on jobs of other seeds, beside waterfill. Prints a line for each case: mean and largest
# imbalance, and routes per run, in windows 21 to 60. The first argument is the saspart binary.
#
# Output goes to runs/adaptive-learning, which is replaced; it is deterministic but for the seconds.
# A training seed takes about 8 minutes on two cores.
set -euo pipefail
saspart=$1
shift
[ $# -gt 0 ] || set -- 1 2 3
out=runs/adaptive-learning
rm -rf "$out"

# measure LABEL PARTITIONER JOB-SEEDS [FLAG...]
measure() {
	local label=$1 partitioner=$2 seeds=$3 seed
	shift 3
	for seed in $seeds; do
		"$saspart" run --config wordcount-zipf --seed "$seed" --partitioner "$partitioner" --windows 60 --warmup 20 -o json "$@" 2>/dev/null | tail -n 1
	done | python3 -c '
import json, sys
runs = [json.loads(line)["summary"] for line in sys.stdin]
imbalance, routes = [r["imbalance"]["mean"] for r in runs], [r["routes"] for r in runs]
print(f"| {sys.argv[1]} | {sum(imbalance) / len(runs):.3f} | {max(imbalance):.3f} | {min(routes)} to {max(routes)} |")' "$label, $partitioner"
}

cases() {
	local partitioner=$1
	shift
	measure "other speeds and cold keys" "$partitioner" "$(seq -s ' ' 2 21)" "$@"
	measure "the first five of these, routes followed to the letter" "$partitioner" "2 3 4 5 6" --set partitioner.table.bound=0 "$@"
	measure "speeds that walk and jump" "$partitioner" "2 3 4" --set 'job.speeds.change={walk: 0.01, jump: 0.01, low: 0.5, high: 1.3}' "$@"
	measure "a worker at half speed" "$partitioner" "2 3 4" --set 'job.speeds={kind: straggler, worker: 3, factor: 0.5}' "$@"
	measure "noise of 0.1 on the metrics" "$partitioner" "2 3 4" --set job.metrics.noise=0.1 "$@"
	measure "zipf 1.4" "$partitioner" "2 3 4" --set source.exponent=1.4 "$@"
	measure "zipf 1.6" "$partitioner" "2 3 4" --set source.exponent=1.6 "$@"
}

cases waterfill
for seed in "$@"; do
	"$saspart" train-online --config wordcount-zipf --engine fluid --seed "$seed" --out "$out/$seed" 2>/dev/null | head -n 2
	cases saspartitioner --checkpoint "$out/$seed"
done
