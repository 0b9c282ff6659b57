#!/bin/sh
# SPDX-License-Identifier: MIT
# weir bench runs, and its tables can be read; no time is judged. ctest: quick
. "$(dirname "$0")/lib.sh"

expect 0 "sigmoid" "$WEIR" bench activations sigmoid "elu(0.5)" --size 1000 --repeats 3
expect 0 "exact" "$WEIR" bench activations tanh --form exact --size 100 --repeats 1 --threads 2
"$WEIR" bench activations --size 500 --repeats 1 --json --csv table.csv >table.json
check "JSON has each function, derivative and form" python3 -c "
import json
rows = json.load(open('table.json'))
assert len(rows) == 84 and len({(r['function'], r['of'], r['form']) for r in rows}) == 84
assert all(r['ns'] > 0 and r['copies'] > 0 and r['floats'] == 500 for r in rows)"
check "the CSV has a head and as many rows" test "$(wc -l <table.csv)" = 85
expect 2 "name the problem" "$WEIR" bench
expect 2 "there is no problem \"walk\"" "$WEIR" bench walk
expect 1 "there is no activation \"magic\"" "$WEIR" bench activations magic --size 10
expect 2 "--size takes a whole number" "$WEIR" bench activations --size 0
expect 2 "--size takes a whole number" "$WEIR" bench activations --size 1K,
expect 2 "--size takes a whole number" "$WEIR" bench activations --size 2KB
expect 2 "--size takes a whole number" "$WEIR" bench activations --size 65M
expect 2 "--size takes 8 sizes at most" "$WEIR" bench activations --size 1,2,3,4,5,6,7,8,9
"$WEIR" bench activations relu --form fast --size 7,1K --repeats 1 --csv sizes.csv >/dev/null
check "each size has its rows" test "$(cut -d, -f4 sizes.csv | tr '\n' ' ')" = "floats 7 7 1024 1024 "
expect 2 "--form takes one of exact, fast, both" "$WEIR" bench activations --form best
finish
