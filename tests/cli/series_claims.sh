#!/bin/sh
# SPDX-License-Identifier: MIT
# What docs/forecasting.md claims of four real series.
. "$(dirname "$0")/lib.sh"
data=$WEIR_SOURCE_DIR/../shared/data
[ -d "$data" ] || { echo "SKIPPED: there is no ../shared/data beside the checkout"; exit 77; }

# claim FILE PERSISTENCE-HORIZONS COVERAGE(yes or no) OPTION...: beats last value and season in RMSE there; the interval covers 84 to 96 %
claim() {
    file=$1 horizons=$2 coverage=$3
    shift 3
    expect 0 "" "$WEIR" train "$data/$file" -o m.weir --quiet "$@"
    "$WEIR" eval m.weir "$data/$file" --json >scores.json
    check "$file" "$PYTHON" - "$horizons" "$coverage" <<'END'
import json, sys
d = json.load(open("scores.json"))
assert d["held_out"]
for h in map(int, sys.argv[1].split(",")):
    s = d["targets"][0]["scores"][h - 1]
    print(h, s)
    assert s["rmse"] < s["last_rmse"], "last value"
    assert s["seasonal_rmse"] is None or s["rmse"] < s["seasonal_rmse"], "seasonal naive"
    assert sys.argv[2] == "no" or 0.84 <= s["coverage"] <= 0.96, "coverage"
END
}
claim monthly-sunspots.csv 1,12 yes
claim airline-passengers.csv 1,12 yes --holdout 24 --seed 3
claim daily-min-temperatures.csv 1,12 yes
claim pollution.csv 24 no
finish
