#!/bin/sh
# SPDX-License-Identifier: MIT
# Training from end to end: text, log, plot, interruption, the same bytes for any number of threads.
. "$(dirname "$0")/lib.sh"

make_text >text.txt
small="--hidden 24 --layers 2 --batch 8 --steps 32 --epochs 6 --rate 0.01"

expect 0 "best: epoch" "$WEIR" train text.txt -o a.weir $small --threads 1 --log a.jsonl
check "one line of the log per epoch" test "$(wc -l <a.jsonl)" = 6
check "the log is JSON with the promised keys" "$PYTHON" -c '
import json
for i, line in enumerate(open("a.jsonl")):
    e = json.loads(line)
    assert e["epoch"] == i + 1 and e["train_loss"] > 0 and e["valid_loss"] > 0 and e["seconds"] >= 0, e'
check "data and script of the loss curves are kept" test -s a.weir.loss.dat -a -s a.weir.loss.gp
if command -v gnuplot >/dev/null; then
    check "the loss curves are drawn" grep -q "<svg" a.weir.loss.svg
    rm -f a.weir.loss.svg
    check "the script works by hand" gnuplot a.weir.loss.gp
    check "and draws the same file" grep -q "<svg" a.weir.loss.svg
fi
expect 0 "" "$WEIR" train text.txt -o b.weir $small --threads 2 --quiet
check "--quiet says nothing" test ! -s out.txt
check "the same bytes with two threads" cmp a.weir b.weir
expect 0 "" "$WEIR" train text.txt -o c.weir $small --threads 3 --seed 2 --quiet
check "another seed gives another model" sh -c '! cmp -s a.weir c.weir'
expect 0 "" "$WEIR" train text.txt -o scalar.weir $small --epochs 1 --isa scalar --quiet
expect 0 "" "$WEIR" train text.txt -o best.weir $small --epochs 1 --quiet
tensors() { "$PYTHON" -c 'import struct, sys; b = open(sys.argv[1], "rb").read(); print(b[8 + struct.unpack("<Q", b[:8])[0]:].hex())' "$1"; }
check "the scalar target trains the same weights" test "$(tensors scalar.weir)" = "$(tensors best.weir)"

expect 0 "nats a byte" "$WEIR" eval a.weir text.txt
check "eval --json is JSON" sh -c '"$0" eval a.weir text.txt --json | "$1" -c "import json, sys; assert json.load(sys.stdin)[\"loss\"] < 1"' "$WEIR" "$PYTHON"
expect 0 "the weir decides" "$WEIR" generate a.weir --prompt "the weir" -n 60 --temperature 0
"$WEIR" generate a.weir -n 200 --seed 5 >one.txt
"$WEIR" generate a.weir -n 200 --seed 5 >two.txt
"$WEIR" generate a.weir -n 200 --seed 6 --temperature 3 >three.txt
check "generate is fixed by its seed" cmp one.txt two.txt
check "another seed writes another text" sh -c '! cmp -s one.txt three.txt'
check "generate writes as many bytes as asked" test "$(wc -c <one.txt)" = 200
"$WEIR" generate a.weir -n 100 --top-k 1 --prompt the >four.txt
"$WEIR" generate a.weir -n 100 --temperature 0 --prompt the >five.txt
check "top-k 1 is greedy" cmp four.txt five.txt
expect 0 "did not occur in the training text" "$WEIR" generate a.weir -n 5 --prompt "the 99"
expect 0 "lstm.peephole_l1" "$WEIR" info a.weir
check "info --json is JSON" sh -c '"$0" info a.weir --json | "$1" -m json.tool' "$WEIR" "$PYTHON"

# All settings of the network that the options name
expect 0 "" "$WEIR" train text.txt -o s.weir --quiet --epochs 1 --hidden 8 --batch 4 --steps 16 --no-peepholes --projection 4 --coupled \
    --gate hard_sigmoid --candidate softsign --output-activation scaled_tanh --activation-clip 5 --cell-clip 3 --dense 12:selu --dense 8:prelu \
    --init lecun --forget-bias 2 --optimizer sgd --momentum 0.9 --schedule cosine --warmup 3 --clip 1 --weight-decay 0.001 --dropout 0.1 \
    --head-dropout 0.1 --patience 3
expect 0 "selu" "$WEIR" info s.weir
for optimizer in adamw rmsprop; do
    expect 0 "" "$WEIR" train text.txt -o s.weir --quiet --epochs 1 --hidden 8 --batch 4 --steps 16 --optimizer $optimizer --schedule plateau
done

# Ctrl-C keeps the best model so far
"$WEIR" train text.txt -o kept.weir --hidden 24 --batch 8 --steps 32 --epochs 100000 >interrupt.txt 2>&1 &
pid=$!
wait_for 30 grep -q "epoch 2/" interrupt.txt
kill -TERM $pid
wait $pid
check "an interrupted training exits with 128 + the signal" test $? = 143
check "it says what it kept" grep -q "interrupted; the best model so far is kept" interrupt.txt
expect 0 "best_epoch" "$WEIR" info kept.weir

# A bar on a terminal
if command -v script >/dev/null; then
    script -qec "$WEIR train text.txt -o t.weir $small --epochs 2" bar.txt >/dev/null 2>&1 </dev/null
    check "a bar with loss, speed and time left on a terminal" grep -qE 'epoch 1/2 \[[#.]+\] loss [0-9.]+ .*characters/s .* left' bar.txt
fi
finish
