#!/usr/bin/env bash
# Copies the results of studies into docs: the whole report of runs/paper as
# docs/results-paper.md, and sections of all of them into docs/results.md,
#
#   <!-- section STUDY: HEADING -->
#   replaced by the section of runs/STUDY/report.md, without its heading
#   <!-- end -->
#
# "Facts" is what stands before a report's first heading. A study that is not there keeps
# its sections. Arguments: the saspart binary, the folder of the studies.
set -euo pipefail
saspart=$1 runs=$2
have=()
for study in "$runs"/*/study.yaml; do
	name=$(basename "$(dirname "$study")")
	grep -q "<!-- section $name: " docs/results.md || continue
	"$saspart" report "$runs/$name" >/dev/null
	have+=("$name")
done
if [ ${#have[@]} = 0 ]; then
	echo "results.sh: no study of docs/results.md is in $runs" >&2
	exit 1
fi
awk -v runs="$runs" -v have="${have[*]}" '
	function read(study,   line, heading, file) {
		file = runs "/" study "/report.md"
		heading = "Facts"
		while ((getline line <file) > 0) {
			if (line ~ /^# /) continue
			if (line ~ /^## /) heading = substr(line, 4)
			else text[study ": " heading] = text[study ": " heading] line "\n"
		}
	}
	BEGIN {
		n = split(have, names, " ")
		for (i = 1; i <= n; i++) { known[names[i]] = 1; read(names[i]) }
	}
	/^<!-- end -->$/ { inside = 0; kept = 0 }
	!inside || kept { print }
	/^<!-- section .*: .* -->$/ {
		name = substr($0, 14, length($0) - 17)
		study = substr(name, 1, index(name, ":") - 1)
		inside = 1
		kept = !(study in known)
		if (!kept && !(name in text)) {
			print "results.sh: there is no section " name >"/dev/stderr"
			exit 1
		}
		if (!kept) printf "%s", text[name]
	}
	END { if (inside) { print "results.sh: a section in docs/results.md has no end" >"/dev/stderr"; exit 1 } }
' docs/results.md >docs/results.md.new || { rm docs/results.md.new; exit 1; }
mv docs/results.md.new docs/results.md
if [ -e "$runs/paper/report.md" ]; then cp "$runs/paper/report.md" docs/results-paper.md; fi
