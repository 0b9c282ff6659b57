#!/bin/sh
# SPDX-License-Identifier: MIT
# weir tune, the range test of the rate, and weir train with no option but the data.
. "$(dirname "$0")/lib.sh"

make_text >text.txt
make_series >series.csv
make_labels >labels.csv
text="text.txt --epochs 3 --hidden 16"

# ---- weir train FILE alone ----
expect 0 "writing text.weir, since no -o names another file" "$WEIR" train text.txt --epochs 2 --hidden 16
check "it says what it picked, and why" grep -q "batch 8, steps 64: batch and epochs follow the square root of the 8 kB" out.txt
check "and not what was given" sh -c '! grep -qE "hidden 16|epochs 2" out.txt'
check "the model keeps what was picked" sh -c '"$0" info text.weir --json | grep -q "rate 0.004, schedule cosine"' "$WEIR"
expect 0 "" "$WEIR" train ./text.txt --epochs 1 --hidden 16 --quiet
echo "a poem" >poem.weir && cp text.txt poem.txt
expect 1 "poem.weir is there and is no model of Weir; name another file with -o" "$WEIR" train poem.txt --epochs 1 --quiet
check "what is no model is left alone" grep -q "a poem" poem.weir
expect 0 "the recipe for 240 rows" "$WEIR" train series.csv --epochs 1
expect 0 "hidden 32, layers 2" "$WEIR" train labels.csv --epochs 1
"$WEIR" train text.txt -o long.weir --hidden 48 --epochs 100000 >long.txt 2>&1 &
pid=$!
wait_for 30 grep -q "^about .* for 100000 epochs" long.txt
told=$?
kill -INT $pid 2>/dev/null || kill -TERM $pid
wait $pid
check "a long training says how long it will take" test $told = 0

# What is given holds: these weights are those of the version before there were defaults by size
all="--hidden 12 --layers 2 --batch 6 --steps 24 --epochs 3 --rate 0.01 --schedule constant --dropout 0 --head-dropout 0"
expect 0 "" "$WEIR" train text.txt -o given.weir $all --quiet
check "options that are all given train the same weights as ever" "$PYTHON" -c '
import hashlib, struct
b = open("given.weir", "rb").read()
tensors = hashlib.sha256(b[8 + struct.unpack("<Q", b[:8])[0]:]).hexdigest()
assert tensors == "cf417e0162e556bd7e45e1267ac13398180041c2a91d41a1e3a110eb29c7bbf6", tensors'
check "and nothing is noted as picked" sh -c '! "$0" info given.weir --json | grep -q picked' "$WEIR"

# ---- The range test ----
expect 0 "where the loss begins to fall" "$WEIR" tune --range text.txt --hidden 16 --batch 4 --threads 1 --plot range.svg
rate=$(sed -n 's/^rate \([0-9.e-]*\):.*/\1/p' out.txt)
check "a rate is picked that suits an LSTM" "$PYTHON" -c "assert 3e-4 < $rate < 0.05, $rate"
expect 0 "rate $rate: " "$WEIR" tune --range text.txt --hidden 16 --batch 4 --threads 3 --quiet
check "no model is made of it" test ! -e range.weir
expect 0 "rate $rate: " "$WEIR" train $text --batch 4 --rate auto -o auto.weir --threads 2
expect 0 "" "$WEIR" train $text --batch 4 --rate "$rate" -o rate.weir --threads 1 --quiet
tensors() { "$PYTHON" -c 'import struct, sys; b = open(sys.argv[1], "rb").read(); print(b[8 + struct.unpack("<Q", b[:8])[0]:].hex())' "$1"; }
check "--rate auto trains as the rate that it picks" test "$(tensors auto.weir)" = "$(tensors rate.weir)"
expect 0 "" "$WEIR" tune --range series.csv --quiet
expect 0 "" "$WEIR" tune --range labels.csv --quiet

# ---- A search ----
expect 0 "The same bytes again:" "$WEIR" tune $text -o a.weir --trials 6 --seed 3 --threads 1
cp out.txt a.txt
check "a line of the log for the search and for each trial" test "$(wc -l <a.weir.tune.jsonl)" = 7
check "the log is JSON, and the best loss is that of the table and of the model" "$PYTHON" - "$WEIR" <<'PY'
import json, subprocess, sys
trials = [json.loads(line) for line in open("a.weir.tune.jsonl")][1:]
best = min(trials, key=lambda t: t["valid_loss"])
assert [t["trial"] for t in trials] == list(range(6)) and trials[0]["arguments"] == [] and trials[1]["arguments"]
rows = [line.split() for line in open("a.txt") if line[:6].strip().isdigit()]
assert [r[1] for r in rows] == ["%.4f" % v for v in sorted(t["valid_loss"] for t in trials)], rows
notes = json.loads(subprocess.run([sys.argv[1], "info", "a.weir", "--json"], capture_output=True, check=True).stdout)
text = json.dumps(notes)
assert repr(best["valid_loss"])[:12] in text, (best["valid_loss"], text)
PY
check "data and script of the picture are kept" test -s a.weir.tune.dat -a -s a.weir.tune.gp
command -v gnuplot >/dev/null && check "the picture is drawn" grep -q "<svg" a.weir.tune.svg

# The command that it prints writes the same bytes
cp a.weir best.weir
rm a.weir
PATH=$(dirname "$WEIR"):$PATH sh -c "$(sed -n 's/^    weir train/weir train/p' a.txt) --quiet"
check "the printed command writes the same bytes" cmp a.weir best.weir

# The same search anew, with other threads: the same trials, losses and bytes
losses() {
    "$PYTHON" -c '
import json, sys
print([(t["valid_loss"], t["arguments"], t["stopped"]) for t in map(json.loads, list(open(sys.argv[1]))[1:]) if "trial" in t])' "$1"
}
expect 0 "" "$WEIR" tune $text -o b.weir --trials 6 --seed 3 --threads 2 --quiet --plot b.svg --log b.jsonl
check "another number of threads finds the same" test "$(losses a.weir.tune.jsonl)" = "$(losses b.jsonl)"
expect 0 "" "$WEIR" tune $text -o c.weir --trials 2 --seed 4 --quiet
check "another seed tries other settings" sh -c '! cmp -s a.weir.tune.jsonl c.weir.tune.jsonl'

# has_lines FILE N: it is there, with at least N lines
has_lines() {
    [ "$(cat "$1" 2>/dev/null | wc -l)" -ge "$2" ]
}

# Killed at any time and begun again, it ends with the same
"$WEIR" tune $text -o k.weir --trials 6 --seed 3 --quiet >k.txt 2>&1 &
pid=$!
wait_for 15 has_lines k.weir.tune.jsonl 4
kill -KILL $pid
wait $pid 2>/dev/null
check "it was killed before its end" sh -c '[ ! -s k.txt ]'
printf '{"trial":' >>k.weir.tune.jsonl # as if it had been writing
expect 0 "going on after" "$WEIR" tune $text -o k.weir --trials 6 --seed 3
check "a killed search goes on to the same trials" test "$(losses a.weir.tune.jsonl)" = "$(losses k.weir.tune.jsonl)"
sed 's/a\.weir/k.weir/' a.txt | grep -A1 "same bytes" >a.end
grep -A1 "same bytes" out.txt >k.end
check "and to the same command" cmp a.end k.end
check "and the same bytes" cmp best.weir k.weir
echo "no model" >k.weir
expect 0 "it is trained again" "$WEIR" tune $text -o k.weir --trials 6 --seed 3
check "a model that was lost is made again" cmp best.weir k.weir

# Ctrl-C: the table so far
"$WEIR" tune text.txt --hidden 16 --epochs 4 -o i.weir --minutes 5 >i.txt 2>i.err &
pid=$!
wait_for 15 has_lines i.weir.tune.jsonl 3
kill -TERM $pid
wait $pid
check "an interrupted search exits with 128 + the signal" test $? = 143
check "with the table so far" grep -q "The same bytes again" i.txt
check "and says how it goes on" grep -q "interrupted; the same command goes on after" i.err
check "time of a trial that was cut counts" grep -q '{"cut":' i.weir.tune.jsonl
expect 0 "" "$WEIR" tune text.txt --hidden 16 --epochs 4 -o i.weir --minutes 0.001 --quiet
check "a budget that is spent adds no trial" test "$(grep -c '"trial"' i.weir.tune.jsonl)" = "$(grep -cE '^ +[0-9]+  ' i.txt)"

# What cannot be
expect 1 "is the log of another search" "$WEIR" tune $text -o a.weir --trials 6 --seed 5
expect 1 "is no log of weir tune" "$WEIR" tune $text -o n.weir --log poem.weir --trials 1
expect 1 "text.txt is the data; it is not overwritten" "$WEIR" tune $text -o n.weir --log text.txt --trials 1
check "the data is still there" grep -q "the weir decides" text.txt
expect 1 "no trial was done in the time" "$WEIR" tune text.txt --epochs 30 -o n.weir --minutes 0.001
expect 1 "No such file" "$WEIR" tune none.txt -o n.weir
expect 2 "--trials takes a whole number" "$WEIR" tune text.txt -o n.weir --trials 0
expect 2 "--hidden takes a whole number" "$WEIR" tune text.txt -o n.weir --hidden x
expect 2 "name the data" "$WEIR" tune
check "no model was left behind" test ! -e n.weir
expect 0 "" "$WEIR" tune text.txt --epochs 2 --trials 3 --rate 1e6 --clip 1e30 --hidden 8 -o d.weir --quiet
expect 0 "The same bytes again" "$WEIR" tune series.csv --trials 3 --epochs 2 --quiet
expect 0 "The same bytes again" "$WEIR" tune labels.csv --trials 3 --epochs 2 --quiet
finish
