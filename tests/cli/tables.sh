#!/bin/sh
# SPDX-License-Identifier: MIT
# Series and labelled sequences from end to end.
. "$(dirname "$0")/lib.sh"

make_series >flow.csv
expect 0 "series: 240 rows" "$WEIR" train flow.csv -o flow.weir --epochs 30 --target flow
expect 0 "which training did not see" "$WEIR" eval flow.weir flow.csv
check "eval --json gives scores for each horizon" sh -c '"$0" eval flow.weir flow.csv --json | "$1" -c "
import json, sys
d = json.load(sys.stdin)
s = d[\"targets\"][0][\"scores\"]
assert d[\"held_out\"] and d[\"first\"] == 192 and d[\"period\"] == 12 and [x[\"horizon\"] for x in s] == list(range(1, 25))
assert all(x[\"rmse\"] < x[\"last_rmse\"] for x in s[2:9]), s"' "$WEIR" "$PYTHON"
expect 0 "plot:" "$WEIR" forecast flow.weir flow.csv --horizon 6 -o next.csv --plot next.svg
check "the forecast has a header and six rows" test "$(wc -l <next.csv)" = 7
check "dates go on" grep -q "^2010-06," next.csv
check "lower <= mean <= upper" awk -F, 'NR > 1 && !($3 <= $2 && $2 <= $4) { exit 1 }' next.csv
"$WEIR" forecast flow.weir flow.csv --horizon 6 --interval 0.5 >narrow.csv
check "a narrower interval is narrower" sh -c 'paste -d, next.csv narrow.csv | awk -F, "NR > 1 && !(\$8 - \$7 < \$4 - \$3) { exit 1 }"'
check "data and script of the plot are kept" test -s next.dat -a -s next.gp
"$WEIR" train flow.csv -o again.weir --epochs 30 --target flow --threads 1 --quiet
check "the same bytes with one thread" cmp flow.weir again.weir

# The future never leaks: rows after the held-out border do not change the model
head -n 193 flow.csv >cut.csv
awk -F, -v OFS=, 'NR > 193 { $2 = 1000; $3 = -5 } { print }' flow.csv >spoiled.csv
"$WEIR" train spoiled.csv -o spoiled.weir --epochs 30 --target flow --quiet
check "held-out rows have no influence on the model" cmp flow.weir spoiled.weir

# 0 is a wish like any other
expect 0 "" "$WEIR" train flow.csv -o plain.weir --epochs 2 --target flow --quiet --dropout 0 --weight-decay 0 --schedule constant
expect 0 "weight_decay   0.0" "$WEIR" info plain.weir
expect 0 "schedule       constant" "$WEIR" info plain.weir

# Several targets, missing values, text, CRLF, byte order mark
awk -F, -v OFS=, 'NR == 1 { printf "\357\273\277"; print $0, "wind\r"; next } NR % 17 == 0 { $3 = "NA" } { print $0, (NR % 3 ? "north" : "south") "\r" }' flow.csv >odd.csv
expect 0 "wind (one-hot)" "$WEIR" train odd.csv -o odd.weir --epochs 2 --target flow,rain
expect 0 "rain_upper" "$WEIR" forecast odd.weir odd.csv

make_labels >classes.csv
expect 0 "labels: 60 sequences of up to 15 steps, 2 classes" "$WEIR" train classes.csv -o classes.weir --epochs 25 --hidden 16
expect 0 "accuracy" "$WEIR" eval classes.weir classes.csv --from 0.8
check "it has learned to tell rising from falling" sh -c '"$0" eval classes.weir classes.csv --from 0.8 --json | "$1" -c "
import json, sys
d = json.load(sys.stdin)
assert d[\"accuracy\"] >= 0.9 and d[\"sequences\"] == 12 and sum(map(sum, d[\"confusion\"])) == 12, d"' "$WEIR" "$PYTHON"
cut -d, -f1,2 classes.csv >unlabelled.csv
expect 0 "id,label,p_down,p_up" "$WEIR" classify classes.weir unlabelled.csv
check "a row for each sequence, probabilities that add up" awk -F, 'NR > 1 && ($3 + $4 < 0.999 || $3 + $4 > 1.001) { exit 1 } END { exit NR != 61 }' out.txt
expect 1 "has the label" sh -c 'sed "3s/,[a-z]*\$/,other/" classes.csv >mixed.csv; "$0" train mixed.csv -o x.weir' "$WEIR"
finish
