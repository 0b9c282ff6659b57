#!/bin/sh
# SPDX-License-Identifier: MIT
# What docs/classification.md claims of Beijing's days: the next day's air and the season, in a year that training did not see.
. "$(dirname "$0")/lib.sh"
data=$WEIR_SOURCE_DIR/../shared/data/pollution.csv
[ -r "$data" ] || { echo "SKIPPED: there is no ../shared/data beside the checkout"; exit 77; }
"$PYTHON" "$WEIR_SOURCE_DIR/examples/classification/days.py" <"$data" >days.csv
grep -v ^2014 days.csv >before.csv
grep -e ^id -e ^2014 days.csv >after.csv

# claim LABEL HEAD ACCURACY AUC
claim() {
    expect 0 "head: $2" "$WEIR" train before.csv -o "$1.weir" --label "$1"
    "$WEIR" eval "$1.weir" after.csv --json >scores.json
    check "$1: accuracy above $3, AUC above $4" "$PYTHON" -c '
import json, sys
d = json.load(open("scores.json"))
print(d["accuracy"], d["auc"])
assert d["sequences"] == 364 and d["accuracy"] > float(sys.argv[1]) and d["auc"] > float(sys.argv[2])' "$3" "$4"
    cat check.txt
}

claim tomorrow binary 0.76 0.84 # today's air again: 0.681 and 0.742
claim season softmax 0.81 0.94
finish
