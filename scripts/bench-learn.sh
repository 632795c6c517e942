#!/usr/bin/env bash
# Measures how fast a shares policy is learned from scratch on SaSPartitioner's simulated
# environment: windows, updates and seconds until no window of an evaluation is above a
# given imbalance. It prints the median and the worst of the seeds. There is an evaluation every 50 windows, from
# the 100th on, and its time counts.
#
#   scripts/bench-learn.sh SASPART learn [SEEDS]      our settings; 5 seeds
#   scripts/bench-learn.sh SASPART ablation [SEEDS]   each of ours undone in turn; 3 seeds
#   scripts/bench-learn.sh SASPART reference [SEEDS]  the published settings, 8 minutes each; 1 seed
#
# THREADS=2 learns on two threads, WORKERS=8 measures 8 workers alone. Runs are
# sequential. Times need a machine without other load.
set -euo pipefail
saspart=$1
what=${2:-learn}
levels="0.1 0.05 0.04 0.02 0.01"
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

# run WORKERS SEED ARGUMENTS...: a line per level reached: level windows updates seconds
run() {
	local workers=$1 seed=$2
	shift 2
	rm -rf "$out/run"
	"$saspart" train-online --config "reference-$workers" --engine fluid --seed "$seed" --out "$out/run" \
		--set "learner.threads=${THREADS:-1}" --set evaluate.every=50 "$@" 2>"$out/log" >"$out/text" || { cat "$out/log" >&2; exit 1; }
	awk '/^never above/ { print $3, $5, $7, $9 }' "$out/text"
}

# table NAME WORKERS SEEDS LEVELS ARGUMENTS...: rows of the table, one per level
table() {
	local name=$1 workers=$2 seeds=$3 wanted=$4 seed
	shift 4
	for seed in $(seq "$seeds"); do run "$workers" "$seed" "$@"; done >"$out/all"
	for level in $wanted; do
		awk -v level="$level" '$1 == level { print $2, $3, $4 }' "$out/all" | sort -k3,3g |
			awk -v name="$name" -v workers="$workers" -v level="$level" -v seeds="$seeds" '
				{ w[NR] = $1; u[NR] = $2; s[NR] = $3 }
				function row(i) { return i <= NR ? sprintf("%7d %7d %8.1f", w[i], u[i], s[i]) : sprintf("%7s %7s %8s", "-", "-", "-") }
				END { printf "%-28s %4d %6s  %d/%d  %s   %s\n", name, workers, level, NR, seeds, row(int((seeds + 1) / 2)), row(seeds) }'
	done
}

heading() {
	printf '%-28s %4s %6s  %3s  %24s   %24s\n' '' '' never seeds 'median of the seeds' 'worst of the seeds'
	printf '%-28s %4s %6s  %3s  %7s %7s %8s   %7s %7s %8s\n' settings P above reached windows updates seconds windows updates seconds
}

case $what in
learn)
	heading
	for workers in ${WORKERS:-8 64}; do table online "$workers" "${3:-5}" "$levels"; done
	;;
ablation)
	heading
	for workers in ${WORKERS:-8 64}; do
		row() { table "$1" "$workers" "$seeds" "0.05 0.02 0.01" --max-windows 3000 "${@:2}"; }
		seeds=${3:-3}
		row "online"
		row "plain critics" --set learner.loads_rate=0
		row "plain, 4 of [256,256]" --set learner.loads_rate=0 --set learner.critics=4 --set 'learner.hidden=[256,256]'
		row "loads at a fifth of the rate" --set learner.loads_rate=1e-3
		row "gamma 0.99" --set learner.gamma=0.99
		row "alpha from 1e-2" --set learner.initial_alpha=1e-2
		row "entropy -1 each" --set learner.entropy_each=-1
		row "policy at 1e-4" --set learner.actor_rate=1e-4
		row "critics at 1e-4" --set learner.critic_rate=1e-4
		row "hidden [256,256]" --set 'learner.hidden=[256,256]'
		row "four critics" --set learner.critics=4
		row "one critic" --set learner.critics=1
		row "uniform replay" --set replay.alpha=0
		row "replay of 100,000" --set replay.capacity=100_000
		row "4 updates per window" --set updates_per_window=4
		row "batch 32" --set learner.batch=32
		row "no gradient clipping" --set learner.grad_clip=0
	done
	;;
reference)
	heading
	for workers in ${WORKERS:-8 64}; do
		table reference-online "$workers" "${3:-1}" "$levels" --train-config reference-online --max-time 8m
	done
	;;
*)
	echo "bench-learn: $what is not one of learn, ablation and reference" >&2
	exit 2
	;;
esac
