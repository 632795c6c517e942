#!/usr/bin/env bash
# Copies the results of a run of the full comparison into docs: the whole report as
# docs/results-paper.md, and marked sections of it into docs/results.md,
#
#   <!-- section HEADING -->
#   replaced by the section without its heading
#   <!-- end -->
#
# Arguments: the saspart binary, the run's folder.
set -euo pipefail
saspart=$1 run=$2
"$saspart" report "$run" >/dev/null
cp "$run/report.md" docs/results-paper.md
awk -v report=docs/results-paper.md '
	BEGIN {
		while ((getline line <report) > 0) {
			if (line ~ /^## /) heading = substr(line, 4)
			else if (heading != "") text[heading] = text[heading] line "\n"
		}
	}
	/^<!-- end -->$/ { inside = 0 }
	!inside { print }
	/^<!-- section .* -->$/ {
		name = substr($0, 14, length($0) - 17)
		if (!(name in text)) {
			print "results.sh: the report has no section " name >"/dev/stderr"
			exit 1
		}
		printf "%s", text[name]
		inside = 1
	}
	END { if (inside) { print "results.sh: a section in docs/results.md has no end" >"/dev/stderr"; exit 1 } }
' docs/results.md >docs/results.md.new || { rm docs/results.md.new; exit 1; }
mv docs/results.md.new docs/results.md
