#!/bin/bash
# SPDX-License-Identifier: MIT
# Trainings that are stopped and go on: the same model, log and curves as one that was never stopped; what does not fit is refused.
. "$(dirname "$0")/lib.sh"

make_text >text.txt
make_series >flow.csv
make_labels >labels.csv
small="--hidden 24 --layers 2 --batch 8 --steps 32 --epochs 12 --rate 0.01 --schedule constant"

# stop SIGNAL EPOCH COMMAND...: sends it once the command has ended this epoch; leaves its output in stopped.txt and its status in $stopped.
stop() {
    signal=$1 mark=$2
    shift 2
    : >stopped.txt # or the one before would be read until the shell's child empties it
    "$@" >stopped.txt 2>&1 &
    pid=$!
    wait_for 12 grep -q "epoch $mark/" stopped.txt
    kill "-$signal" $pid 2>/dev/null
    wait $pid 2>/dev/null
    stopped=$?
}

# same_log A B: the same epochs with the same numbers, seconds aside.
same_log() {
    "$PYTHON" -c '
import json, sys
a, b = ([json.loads(line) for line in open(name)] for name in sys.argv[1:])
for line in a + b:
    del line["seconds"]
assert a == b and [line["epoch"] for line in a] == list(range(1, len(a) + 1)), (a, b)' "$1" "$2"
}

# ---- Signals, with another number of threads and another instruction set after each ----

expect 0 "" "$WEIR" train text.txt -o whole.weir $small --log whole.jsonl --quiet
check "a training that was not stopped leaves no checkpoint" test ! -e whole.weir.checkpoint
isa=$("$PYTHON" -c 'print("avx2" if " avx2 " in open("/proc/cpuinfo").read() else "best")')
for signal in TERM INT; do
    rm -f a.*
    # A shell's background command ignores Ctrl-C; Python's child does not.
    stop $signal 2 "$PYTHON" -c 'import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])' "$WEIR" train text.txt -o a.weir $small --log a.jsonl --threads 1
    check "$signal ends it with 128 + its number" test $stopped = $((128 + $(kill -l $signal)))
    check "$signal: the best model is there" "$WEIR" info a.weir
    check "$signal: it says how to go on" grep -q "^weir: to go on: weir train --resume a.weir.checkpoint$" stopped.txt
    check "$signal: and what is kept" grep -q "^weir: interrupted; the best model so far is kept$" stopped.txt
    stop $signal 6 "$WEIR" $(sed -n 's/.*to go on: weir //p' stopped.txt) --threads 2 --isa "$isa"
    check "$signal: stopped once more" grep -q "to go on: weir train --resume a.weir.checkpoint" stopped.txt
    check "$signal: it had gone on inside of the training" grep -q "^going on in epoch " stopped.txt
    expect 0 "best: epoch" "$WEIR" train --resume a.weir.checkpoint --threads 3
    check "$signal: the same model" cmp whole.weir a.weir
    check "$signal: the same log" same_log whole.jsonl a.jsonl
    check "$signal: the same curves" cmp whole.weir.loss.dat a.weir.loss.dat
    check "$signal: the checkpoint is gone" test ! -e a.weir.checkpoint
done

# ---- Killed: everything since the last checkpoint is done again, and the log has no epoch twice ----

for data in text.txt flow.csv labels.csv; do
    case $data in
    text.txt) options="$small --dropout 0.2 --checkpoint-steps 7" ;;
    flow.csv) options="--epochs 12 --batch 16 --checkpoint-steps 1 --schedule plateau --optimizer rmsprop" ;;
    labels.csv) options="--epochs 60 --hidden 48 --batch 16 --checkpoint-steps 5 --direction both --projection 7 --optimizer sgd --momentum 0.9 --schedule cosine" ;;
    esac
    rm -f a.* b.*
    expect 0 "" "$WEIR" train $data -o b.weir $options --log b.jsonl --quiet
    stop KILL 3 "$WEIR" train $data -o a.weir $options --log a.jsonl
    check "$data: it was killed" test $stopped = 137
    check "$data: a checkpoint is there" "$WEIR" info a.weir.checkpoint
    printf '{"epoch": 999, "train_l' >>a.jsonl
    expect 0 "" "$WEIR" train --resume a.weir.checkpoint --quiet --threads 2
    check "$data: the same model after a kill" cmp b.weir a.weir
    check "$data: the same log after a kill" same_log b.jsonl a.jsonl
done

# ---- Older checkpoints ----

rm -f a.* b.*
stop TERM 3 "$WEIR" train text.txt -o a.weir $small --checkpoint-steps 10 --keep 3 --checkpoint "my c'k" --log a.jsonl
check "a name is quoted for the shell" grep -qF "to go on: weir train --resume 'my c'\\''k'" stopped.txt
check "three are kept" test -s "my c'k" -a -s "my c'k.1" -a -s "my c'k.2" -a ! -e "my c'k.3"
rm -f a.jsonl
for file in "my c'k.2" "my c'k.1" "my c'k"; do
    cp "$file" one
    expect 0 "" "$WEIR" train --resume one -o b.weir --log b.jsonl --checkpoint other --quiet
    check "$file goes on to the same model" cmp whole.weir b.weir
    check "$file has the epochs that the log lacks" same_log whole.jsonl b.jsonl
    rm -f b.* other*
done
expect 0 "" "$WEIR" train --resume "my c'k" --quiet
check "with --keep they stay after the end" test -s "my c'k" -a -s "my c'k.1" -a -s "my c'k.2"

# ---- What weir train picks: the model's name, sizes and rates by the data, the rate of a range test ----

rm -f a.* b.* text.weir*
stop TERM 2 "$WEIR" train text.txt --epochs 8 --hidden 24 --rate auto
expect 0 "writing text.weir" "$WEIR" train --resume text.weir.checkpoint
expect 0 "" "$WEIR" train text.txt -o b.weir --epochs 8 --hidden 24 --rate auto --quiet
check "picks are the same when a training goes on" cmp b.weir text.weir

# ---- More epochs, where no rate depends on their number ----

rm -f a.* b.*
stop TERM 2 "$WEIR" train text.txt -o a.weir $small
expect 0 "" "$WEIR" train --resume a.weir.checkpoint --epochs 15 --quiet
expect 0 "" "$WEIR" train text.txt -o b.weir $small --epochs 15 --quiet
check "a longer training is the one that was begun so" cmp b.weir a.weir
stop TERM 2 "$WEIR" train text.txt -o a.weir $small --schedule cosine
cp a.weir before.weir
expect 1 "the cosine schedule was planned for 12 epochs and cannot go on with 15" "$WEIR" train --resume a.weir.checkpoint --epochs 15
check "a refusal leaves the model" cmp before.weir a.weir
check "a refusal leaves the checkpoint" "$WEIR" info a.weir.checkpoint

# ---- What does not fit ----

stop TERM 2 "$WEIR" train text.txt -o a.weir $small --log a.jsonl
cp a.weir.checkpoint kept
expect 2 "--hidden=25 is not what the training in kept began with" "$WEIR" train --resume kept --hidden 25
expect 2 "--dropout=0.1 is not what" "$WEIR" train --resume kept --dropout 0.1
expect 2 "--coupled is not what" "$WEIR" train --resume kept --coupled
expect 1 "cannot have 1 epochs" "$WEIR" train --resume kept --epochs 1
sed 's/river/RIVER/' text.txt >other.txt
expect 1 "other.txt is not what text.txt was when the training began" "$WEIR" train --resume kept other.txt
expect 1 "the checkpoint's training read 1 files" "$WEIR" train --resume kept text.txt text.txt
mv text.txt moved.txt
expect 1 "text.txt cannot be read: No such file" "$WEIR" train --resume kept
expect 0 "" "$WEIR" train --resume kept moved.txt -o b.weir --hidden 24 --quiet --log b.jsonl --checkpoint b.checkpoint
check "data that have moved are named, and options may be said again" cmp whole.weir b.weir
mv moved.txt text.txt
expect 1 "was written without ref64" "$WEIR" train --resume kept --isa ref64
expect 1 "is no checkpoint of a training" "$WEIR" train --resume whole.weir
expect 1 "cannot open nothing: No such file" "$WEIR" train --resume nothing
expect 1 "is a checkpoint of a training, no model; weir train --resume goes on with it" "$WEIR" eval kept text.txt
expect 1 "cannot be both the model and its checkpoint" "$WEIR" train text.txt -o a.weir --checkpoint a.weir $small
expect 1 "text.txt is the data" "$WEIR" train text.txt -o a.weir --checkpoint text.txt $small
head -c 20000 kept >cut
expect 1 "the checkpoint's checksum is not that of its bytes: it was damaged or cut off" "$WEIR" train --resume cut
expect 1 "it was damaged" "$WEIR" info cut
expect 0 "updates" "$WEIR" info kept
check "info --json of a checkpoint is JSON" sh -c '"$0" info kept --json | "$1" -m json.tool' "$WEIR" "$PYTHON"
head -n 2 whole.jsonl | sed 's/"train_loss": ./&9/' >strange.jsonl
expect 1 "strange.jsonl is not the log of this training" "$WEIR" train --resume kept --log strange.jsonl
echo "my diary" >strange.jsonl
expect 1 "strange.jsonl is not the log of this training" "$WEIR" train --resume kept --log strange.jsonl
check "a strange log is left alone" grep -q "my diary" strange.jsonl
expect 0 "a.weir.checkpoint is of a training that was stopped and will be written over" "$WEIR" train text.txt -o a.weir $small --epochs 1

# The reference's doubles
stop TERM 1 "$WEIR" train text.txt -o a.weir $small --epochs 2 --hidden 8 --isa ref64
expect 0 "" "$WEIR" train --resume a.weir.checkpoint --quiet
expect 0 "" "$WEIR" train text.txt -o b.weir $small --epochs 2 --hidden 8 --isa ref64 --quiet
check "a training in doubles goes on" cmp b.weir a.weir

# ---- A disk that is full for checkpoints ----

rm -rf a.* b.*
(
    trap '' XFSZ
    ulimit -f 100
    exec "$WEIR" train text.txt -o a.weir $small --checkpoint-steps 20
) >full.txt 2>&1
check "a checkpoint that cannot be written ends nothing" test $? = 0
check "it is said once" test "$(grep -c "no checkpoint: cannot write a.weir.checkpoint: File too large" full.txt)" = 1
check "the model is the same" cmp whole.weir a.weir
check "nothing half-written stays" test -z "$(ls | grep -E 'tmp|checkpoint$')"
finish
