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
expect 2 "\"walk\" is no problem: it begins with R1" "$WEIR" bench walk
expect 2 "R5-H8\" is no problem" "$WEIR" bench R5-H8
for bad in R2-H0 R2-H R2-H-8 R2-X9 R2-H8-q R1-H8.5 R3-B99999999 R3- "R2-H8-T1 " R2-int4-H8 R2-bf R3-int8x; do
    expect 2 "after the kind come f32, bf16, int8, L, H" "$WEIR" bench "$bad"
done
for form in bf16 int8; do
    expect 2 "\"R4-$form-H8\" is no problem: only float32 weights can be trained" "$WEIR" bench R4-$form-H8
    expect 2 "only float32 weights can be trained" "$WEIR" bench R4-L1-H8-$form
done
expect 2 "it is too long" "$WEIR" bench "R2-$(printf 'L2-%.0s' $(seq 30))H8"
expect 2 "--plot draws problems" "$WEIR" bench activations --plot a.svg
expect 2 "only what runs can be tiny" "$WEIR" bench R4-H8-tiny
expect 0 "GFLOP/s" "$WEIR" bench R2-peep-T3-H9 --repeats 1
expect 0 "x the usual numbers" "$WEIR" bench R2-H9-tiny --repeats 1
check "the ratio of a tiny problem is in the tables" sh -c '"$0" bench R1-H8 R1-H8-tiny --repeats 3 --json | "$1" -c "
import json, sys
usual, tiny = json.load(sys.stdin)
assert usual[\"over_usual\"] == 1 and tiny[\"over_usual\"] > 0 and tiny[\"problem\"] == \"R1-f32-L1-H8-T1-B1-tiny\""' "$WEIR" "$PYTHON"
"$WEIR" bench R1-H8 R2-H20-T5-peep R3-H20-I3-B5-T4 R4-f32-L1-H9-T6-B2-peep --threads 2 --repeats 3 --json --csv problems.csv \
    --plot problems.svg >problems.json 2>/dev/null
check "JSON has each problem under its full name" python3 -c "
import json
rows = json.load(open('problems.json'))
assert [r['problem'] for r in rows] == ['R1-f32-L1-H8-T1-B1', 'R2-f32-L2-H20-T5-B1-peep', 'R3-f32-L2-H20-I3-T4-B5', 'R4-f32-L1-H9-T6-B2-peep']
assert all(r['threads'] == 2 and 0 < r['us_low'] <= r['us_per_step'] <= r['us_high'] for r in rows)
flops = [8 * 8 * 9, 8 * 20 * 80, 8 * 20 * 63 * 5, (3 * 8 * 9 * 18 - 8 * 9 * 9) * 2]
assert all(abs(r['gflops'] * r['us_per_step'] / f - 1e-3) < 1e-7 for r, f in zip(rows, flops))"
check "the CSV has a head and a line for each" test "$(cut -d, -f1 problems.csv | tr '\n' ' ')" = \
    "problem R1-f32-L1-H8-T1-B1 R2-f32-L2-H20-T5-B1-peep R3-f32-L2-H20-I3-T4-B5 R4-f32-L1-H9-T6-B2-peep "
check "the picture's data has a line for each" test "$(grep -c '^R' problems.dat)" = 4
"$WEIR" bench R2-bf16-H20 R3-int8-H20-B3-T4-peep R1-H8-int8 --repeats 1 --json >narrow.json
check "narrow weights have problems of their own" python3 -c "
import json
rows = json.load(open('narrow.json'))
assert [r['problem'] for r in rows] == ['R2-bf16-L2-H20-T1-B1', 'R3-int8-L2-H20-T4-B3-peep', 'R1-int8-L1-H8-T1-B1']
assert all(r['us_per_step'] > 0 and r['gflops'] > 0 for r in rows)"
"$WEIR" bench R1 --repeats 1 --json >standard.json
check "a kind alone is its standard problems" python3 -c "
import json
assert [r['problem'] for r in json.load(open('standard.json'))] == ['R1-f32-L1-H%d-T1-B1-peep' % h for h in (8, 16, 32, 64)]"
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
