#!/usr/bin/env bash
# Measures the sustainable rates of eight emulated workers of wordcount-zipf on a real Flink
# cluster, on goroutines and in simulation, as a table. The arguments are the saspart
# binary, a folder for the results and, optionally, the training run of a policy for the
# last row.
#
# Flink and goroutines take some ten minutes each and need a machine without other load.
# Measurements stay in the folder: after an interruption, the next call resumes. The
# script starts and ends its own cluster.
set -euo pipefail
saspart=$(realpath "$1")
out=$2
trained=${3:-}
mkdir -p "$out"

clean() {
	status=$?
	trap - EXIT
	"$saspart" flink down --dir "$out/cluster" || true
	exit $status
}
trap clean EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

"$saspart" flink up --dir "$out/cluster" --port 0 --slots 8 -o json >"$out/cluster.json"
address=$(sed -n 's/^ *"address": "\(.*\)",$/\1/p' "$out/cluster.json")

job=(--config wordcount-zipf --set job.work_ratio=1 --set job.costs.record=1ms --set job.slide=250ms --set job.window=500ms)
partitioners=hash,wchoices,dalton-metrics,waterfill,saspartitioner${trained:+,saspartitioner:$trained}
for engine in sim flink local; do
	# On sim the search can end at 1 %; elsewhere a finer search would measure the
	# machine.
	where=(--engine $engine --tolerance 0.06)
	[ $engine != sim ] || where=(--engine sim --tolerance 0.01)
	[ $engine != flink ] || where+=(--flink "$address")
	resume=()
	[ ! -e "$out/$engine/study.yaml" ] || resume=(--resume)
	"$saspart" throughput "${job[@]}" "${where[@]}" --partitioner "$partitioners" --warmup 40 --windows 10 --parallel 1 \
		--out "$out/$engine" "${resume[@]}" -o csv >"$out/$engine.csv"
done

# A row per partitioner: the rate on each engine, Flink against sim, and latencies.
awk -F, '
	FNR == 1 { file++; for (i = 1; i <= NF; i++) column[$i] = i; next }
	{
		name = $column["partitioner"]
		if (!(name in seen)) { seen[name] = 1; order[++n] = name }
		held[file, name] = $column["held"]; late[file, name] = $column["p99"]
	}
	function ms(s) { return s == "" ? "" : sprintf(s < 0.01 ? "%.1f" : "%.0f", 1000 * s) }
	END {
		print "| records/s | sim | local | flink | flink/sim | p99 at 0.8 of it, ms: sim | local | flink |"
		print "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
		for (i = 1; i <= n; i++) {
			p = order[i]; name = p
			sub(/^saspartitioner$/, "the built-in policy", name); sub(/^saspartitioner:.*/, "a policy trained on Flink", name)
			printf "| %s | %.0f | %.0f | %.0f | %.2f | %s | %s | %s |\n", name, held[1, p], held[3, p], held[2, p],
				held[1, p] ? held[2, p] / held[1, p] : 0, ms(late[1, p]), ms(late[3, p]), ms(late[2, p])
		}
	}' "$out/sim.csv" "$out/flink.csv" "$out/local.csv" | tee "$out/table.md"
