#!/usr/bin/env bash
# Does offline learning pay? Records wordcount-zipf under its exploring bandits. Trains a
# policy with published observations from the trace and, as the control, clones the recorded behaviour, with three
# seeds each. Runs both on the same job for 10 episodes of 64 windows, beside the bandit
# and the partitioners without training. The first argument is the saspart binary, the
# others are seeds of the job (default 1): its keys, its speeds and its records.
#
# Output goes to runs/offline-learning-SEED, which is replaced each time; it is
# deterministic. A seed takes about 8 minutes on two cores.
set -euo pipefail
saspart=$1
shift
[ $# -gt 0 ] || set -- 1

episodes() { "$saspart" run --config wordcount-zipf --windows 640 -o table "$@" 2>/dev/null; }

for job in "$@"; do
	out=runs/offline-learning-$job
	rm -rf "$out"
	echo "job $job: the data"
	"$saspart" collect --config wordcount-zipf --seed "$job" --out "$out" 2>/dev/null
	for algo in cql bc; do
		for seed in 1 2 3; do
			"$saspart" train-offline --data "$out/*.arrow" --config wordcount-zipf --out "$out/$algo-$seed" \
				--algo "$algo" --seed "$seed" --set data.observation=published >/dev/null 2>&1
			echo "job $job: $algo, seed $seed"
			episodes --seed "$job" --partitioner saspartitioner --checkpoint "$out/$algo-$seed"
		done
	done
	echo "job $job: the behaviour that explores least, and rivals"
	episodes --seed "$job" --partitioner dalton-offline,dalton-metrics,hash,wchoices,waterfill --set partitioner.dalton_offline.epsilon=0.1
done
