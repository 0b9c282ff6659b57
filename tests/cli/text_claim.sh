#!/bin/sh
# SPDX-License-Identifier: MIT
# Two layers of 128 without peepholes reach 1.77 nats a character on tinyshakespeare well within 10 epochs.
. "$(dirname "$0")/lib.sh"
text=$WEIR_SOURCE_DIR/../shared/data/tinyshakespeare.txt
[ -r "$text" ] || { echo "SKIPPED: there is no ../shared/data beside the checkout"; exit 77; }
expect 0 "" "$WEIR" train "$text" -o m.weir --no-peepholes --hidden 128 --layers 2 --batch 50 --steps 64 --rate 0.002 --schedule constant --epochs 6 --quiet --log log.jsonl
check "a validation loss of 1.77 or less" "$PYTHON" -c '
import json
best = min(json.loads(line)["valid_loss"] for line in open("log.jsonl"))
print(best)
assert best <= 1.77'
cat check.txt
finish
