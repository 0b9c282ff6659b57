#!/bin/sh
# SPDX-License-Identifier: MIT
# weir info --memory: the numbers of the library, as a table and as JSON. ctest: quick
. "$(dirname "$0")/lib.sh"

make_text >text.txt
check "training works" "$WEIR" train text.txt -o text.weir --epochs 1 --hidden 20 --layers 1 --quiet
make_labels >labels.csv
check "training on labels works" "$WEIR" train labels.csv -o labels.weir --epochs 1 --hidden 16 --quiet
expect 0 "beside it to run, 1 row, 64 steps" "$WEIR" info text.weir --memory
check "50 rows train, unless told" grep -q "beside it to train, 50 rows, 64 steps" out.txt
expect 0 "beside it to train, 3 rows, 7 steps" "$WEIR" info text.weir --memory --rows 3 --steps 7
check "they hold for running too" grep -q "beside it to run, 3 rows, 7 steps" out.txt
expect 2 "--rows and --steps go with --memory" "$WEIR" info text.weir --rows 3
expect 2 "--rows takes a whole number" "$WEIR" info text.weir --memory --rows 0
expect 2 "--steps takes a whole number" "$WEIR" info text.weir --memory --steps x

"$WEIR" info text.weir --memory --json --rows 2 --steps 5 >memory.json
"$WEIR" info text.weir --memory --rows 2 --steps 5 >memory.txt
"$WEIR" info labels.weir --memory --json >labels.json
"$WEIR" info text.weir --json >info.json
check "JSON adds up, agrees with the table, and follows docs/memory.md" python3 -c "
import json
m, info = json.load(open('memory.json')), json.load(open('info.json'))
model, run, train = m['model'], m['running'], m['training']
assert model['total'] == model['weights'] + model['rest']
assert (run['rows'], run['steps'], train['rows'], train['steps']) == (2, 5, 2, 5)
assert train['total'] == sum(train[part] for part in ('weights', 'packed', 'tape', 'backward', 'head', 'rest'))
table = open('memory.txt').read().split()
assert all(str(v) in table for part in (model, run, train) for v in part.values())
V = info['tensors'][0]['shape'][1]
F = 4 * 32 * (V + 20 + 1) + 3 * 32 + 64 * 21 + 32
assert model['weights'] == 4 * F
assert 5 * 4 * info['parameters'] <= train['weights'] < 5 * 4 * (info['parameters'] + 16 * 6) + 100
assert abs(train['packed'] - 4 * (2 * F + (4 * 32 * 64 + 64 * V))) <= 256
assert json.load(open('labels.json'))['running']['stream'] is None"
expect 0 "impossible" "$WEIR" info labels.weir --memory
finish
