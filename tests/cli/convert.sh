#!/bin/sh
# SPDX-License-Identifier: MIT
# weir convert: every form from every form, layouts of other frameworks and the check, what it reports, what it refuses; and every command
# with narrow models.
. "$(dirname "$0")/lib.sh"

make_text >text.txt
make_series >series.csv
make_labels >labels.csv
train="$WEIR train --quiet --threads 1"
expect 0 "" $train text.txt -o text.weir --hidden 48 --batch 8 --steps 32 --epochs 4 --rate 0.01 --schedule constant --dropout 0
expect 0 "" $train series.csv -o series.weir --epochs 4 --horizon 6
expect 0 "" $train labels.csv -o labels.weir --epochs 8 --direction both

cat >container.py <<'EOF'
import json, struct

def read(path):
    b = open(path, "rb").read()
    n, = struct.unpack("<Q", b[:8])
    return json.loads(b[8:8 + n]), b[8 + n:]

def write(path, header, data):
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    open(path, "wb").write(struct.pack("<Q", len(text)) + text + data)
EOF

# ---- Forms ----

for task in text series labels; do
    for form in f32 bf16 int8; do
        expect 0 "bytes" "$WEIR" convert $task.weir $task.$form.weir --weights $form
    done
    check "$task: float32 to float32 is the same file" cmp $task.weir $task.f32.weir
    for form in bf16 int8; do
        expect 0 "" "$WEIR" convert $task.$form.weir wide.weir --weights f32
        check "$task: float32 of $form has the size of the model" test "$(wc -c <wide.weir)" = "$(wc -c <$task.weir)"
        check "$task: what was lost to $form does not come back" sh -c "! cmp -s wide.weir $task.weir"
        expect 0 "" "$WEIR" convert wide.weir again.weir --weights $form
        check "$task: $form, float32, $form is the same file" cmp again.weir $task.$form.weir
        expect 0 "" "$WEIR" convert $task.$form.weir again.weir --weights $form
        check "$task: $form of $form is the same file" cmp again.weir $task.$form.weir
    done
    expect 0 "" "$WEIR" convert $task.int8.weir mixed.weir --weights bf16
    expect 0 "bfloat16" "$WEIR" info mixed.weir
    expect 0 "8 bits" "$WEIR" info $task.int8.weir
    expect 0 "float32" "$WEIR" info $task.f32.weir
done
check "the matrices take half, and a quarter and a float for each row" "$PYTHON" -c '
from container import read
for task in "text", "series", "labels":
    wide, _ = read(task + ".weir")
    for form, dtype, size in ("bf16", "BF16", 2), ("int8", "I8", 1):
        narrow, _ = read("%s.%s.weir" % (task, form))
        for name, t in narrow.items():
            if name == "__metadata__" or name.endswith("_step"):
                continue
            begin, end = t["data_offsets"]
            numbers = (wide[name]["data_offsets"][1] - wide[name]["data_offsets"][0]) // 4
            recurrent = "weight_ih" in name or "weight_hh" in name
            matrix = recurrent or "weight" in name and form == "bf16"
            assert t["dtype"] == (dtype if matrix else "F32"), (name, t)
            assert end - begin == numbers * (size if matrix else 4), (name, t)
            if form == "int8" and recurrent:
                assert narrow[name + "_step"]["shape"] == [wide[name]["shape"][0]], name
    assert read(task + ".weir")[0]["__metadata__"]["notes"] == narrow["__metadata__"]["notes"]'

# ---- The report ----

expect 0 "nats a byte" "$WEIR" convert text.weir out.weir --weights bf16 --data text.txt
expect 0 "perplexity" "$WEIR" convert text.weir out.weir --weights int8 --data text.txt
expect 0 "mean_rmse" "$WEIR" convert series.weir out.weir --weights bf16 --data series.csv
expect 0 "accuracy" "$WEIR" convert labels.weir out.weir --weights int8 --data labels.csv
report() { # of a task, a form, data, and more options
    task=$1 form=$2 data=$3
    shift 3
    "$WEIR" convert $task.weir out.weir --weights $form --data $data --json "$@" >report.json &&
        "$WEIR" eval $task.weir $data --json "$@" >before.json && "$WEIR" eval out.weir $data --json "$@" >after.json
}
for form in bf16 int8; do
    for task in text series labels; do
        data=$task.csv
        [ $task = text ] && data=text.txt
        for from in "" 0.5; do
            report $task $form $data ${from:+--from $from}
            check "$task, $form${from:+, from $from}: the report is what weir eval says of both" "$PYTHON" -c '
import json, os, sys
report = json.load(open("report.json"))
assert set(report) == {"before", "after"}
other = {"text": "perplexity", "series": "mean_rmse", "labels": "accuracy"}[sys.argv[1]]
for name, path in ("before", sys.argv[1] + ".weir"), ("after", "out.weir"):
    side, seen = report[name], json.load(open(name + ".json"))
    assert set(side) == {"weights", "bytes", "loss", other}, side
    assert side["weights"] == ("f32" if name == "before" else sys.argv[2]) and side["bytes"] == os.path.getsize(path), side
    if sys.argv[1] == "series":
        scores = [s for t in seen["targets"] for s in t["scores"]]
        seen = {"loss": sum(s["loss"] for s in scores) / len(scores), "mean_rmse": sum(s["rmse"] for s in scores) / len(scores)}
    for key in "loss", other:
        assert abs(side[key] - seen[key]) <= 1e-7 * (1 + abs(seen[key])), (name, key, side, seen)
change = abs(report["after"]["loss"] - report["before"]["loss"])
assert 0 < change < 0.02, change' $task $form
        done
    done
done
"$WEIR" convert text.weir out.weir --weights int8 --json >report.json
check "without data sizes are told alone" "$PYTHON" -c '
import json
for side in json.load(open("report.json")).values():
    assert set(side) == {"weights", "bytes"}, side'
"$WEIR" convert text.weir one.weir --weights int8 --data text.txt --threads 1 >one.txt
"$WEIR" convert text.weir two.weir --weights int8 --data text.txt --threads 3 >two.txt
check "the report does not depend on the threads" cmp one.txt two.txt
check "nor does the model" cmp one.weir two.weir

# ---- Places ----

cp text.weir same.weir
chmod 640 same.weir
"$WEIR" convert same.weir same.weir --weights int8 --data text.txt --json >report.json
check "a model may take its own place" cmp same.weir text.int8.weir
check "and keeps its permissions" test "$(stat -c %a same.weir)" = 640
check "and the report tells both sizes" "$PYTHON" -c '
import json, os
r = json.load(open("report.json"))
assert r["before"]["bytes"] == os.path.getsize("text.weir") and r["after"]["bytes"] == os.path.getsize("text.int8.weir"), r'
cp text.txt kept.txt
ln -s text.txt link.txt
expect 1 "weir: text.txt is the data; it is not overwritten" "$WEIR" convert text.weir text.txt --weights int8 --data text.txt
expect 1 "weir: link.txt is the data; it is not overwritten" "$WEIR" convert text.weir link.txt --weights int8 --data text.txt
check "the data is as it was" cmp text.txt kept.txt

# ---- Refusals: one sentence, and an old file survives ----

echo "old" >old.weir
cp old.weir kept.weir
refuse() { # PATTERN ARGUMENTS...
    pattern=$1
    shift
    expect 1 "$pattern" "$WEIR" convert "$@"
    check "one sentence: $pattern" sh -c 'grep -q "^weir: " out.txt && [ "$(wc -l <out.txt)" = 1 ]'
    check "the old file survives: $pattern" cmp old.weir kept.weir
}
expect 2 "--weights takes one of f32, bf16, int8, not \"int4\"" "$WEIR" convert text.weir old.weir --weights int4
expect 2 "name the model and the file to write" "$WEIR" convert text.weir --weights int8
expect 2 "name the model and the file to write" "$WEIR" convert
expect 2 "one model to read and one file to write are enough" "$WEIR" convert a b c --weights int8
expect 2 "--from takes a number from 0 to 0.9999" "$WEIR" convert text.weir old.weir --weights int8 --from 1
expect 2 "--layout takes one of pytorch, keras, tf1, tf-block, tf-block-v2, tflite, onednn, kaldi-nnet1, not \"theano\"" \
    "$WEIR" convert text.weir old.weir --layout theano
expect 2 "--prefix goes with reading a --layout" "$WEIR" convert text.weir old.weir --prefix lstm.
expect 2 "--cell-clip goes with reading a --layout" "$WEIR" convert text.weir out.safetensors --layout tf1 --cell-clip 1
expect 2 "--forget-bias goes with --layout" "$WEIR" convert text.weir old.weir --forget-bias 0
expect 2 "--tolerance takes a number" "$WEIR" convert text.weir old.weir --verify --tolerance -1
expect 2 "--data measures what is written" "$WEIR" convert text.weir --verify --data text.txt
refuse "nothing.weir: No such file" nothing.weir old.weir --weights int8
refuse "text.txt" text.txt old.weir --weights int8
refuse "none.txt cannot be read: No such file" text.weir old.weir --weights int8 --data none.txt
refuse ". is a folder" text.weir old.weir --weights int8 --data .
: >empty.txt
refuse "empty.txt has only 0 bytes to measure" text.weir old.weir --weights int8 --data empty.txt
printf '\377\376\375' >strange.txt
refuse "strange.txt: none of its 3 bytes occurred" text.weir old.weir --weights int8 --data strange.txt
refuse "has no column of numbers named \"flow\"" series.weir old.weir --weights bf16 --data labels.csv
refuse "has no column \"id\"" labels.weir old.weir --weights bf16 --data series.csv
sed 's/up$/left/; s/down$/right/' labels.csv >others.csv
refuse "others.csv has no labels that the model knows" labels.weir old.weir --weights bf16 --data others.csv
awk -F, 'NR > 1 { $2 = "" } 1' OFS=, series.csv >blank.csv
refuse "blank.csv" series.weir old.weir --weights bf16 --data blank.csv
mkdir folder
mkfifo pipe
refuse "folder cannot be written: it is a folder" text.weir folder --weights int8
refuse "pipe cannot be written: it is no regular file" text.weir pipe --weights int8
refuse "no/such/x.weir cannot be written: No such file" text.weir no/such/x.weir --weights int8
(
    ulimit -f 8
    "$WEIR" convert text.weir old.weir --weights bf16 >out.txt 2>&1
    [ $? = 1 ]
)
check "a full disk gives status 1" test $? = 0
check "a full disk is told in one sentence" sh -c 'grep -q "^weir: " out.txt && [ "$(wc -l <out.txt)" = 1 ]'
check "a full disk leaves the old file" cmp old.weir kept.weir
check "no temporary file was left behind" sh -c '! ls | grep -E "\.tmp$|\.weir\.[A-Za-z0-9]{6}$"'
expect 1 "standard output cannot be written" sh -c '"$0" convert text.weir out.weir --weights int8 >/dev/full' "$WEIR"

"$PYTHON" -c '
import json, struct
from container import read, write
header, data = read("text.weir")
plain = json.loads(json.dumps(header))
del plain["__metadata__"]["notes"]
write("plain.weir", plain, data)
at = header["lstm.weight_hh_l1"]["data_offsets"][0] + 4 * 7
write("large.weir", header, data[:at] + struct.pack("<f", -3.4028234e38) + data[at + 4:])
config = json.loads(header["__metadata__"]["weir"])
for name, key, value in ("final", "readout", "final_state"), ("logistic", "output", "logistic"):
    header["__metadata__"]["weir"] = json.dumps(dict(config, **{key: value}))
    write(name + ".weir", header, data)'
expect 0 "bytes" "$WEIR" convert plain.weir out.weir --weights int8
refuse "plain.weir does not say what data it was trained on, so it cannot be measured" plain.weir old.weir --weights int8 --data text.txt
for form in bf16 int8; do
    refuse "large.weir: tensor lstm.weight_hh_l1 holds -3.40282e+38 at place 7, too large for narrow weights" large.weir old.weir --weights $form
done
for bad in final logistic; do
    expect 1 "the model's vocabulary does not fit its network" "$WEIR" eval $bad.weir text.txt
    refuse "the model's vocabulary does not fit its network" $bad.weir old.weir --weights int8 --data text.txt
done

# ---- Layouts ----

expect 0 "bytes" "$WEIR" convert text.weir copy.weir
check "without options the model is copied" cmp text.weir copy.weir
for layout in pytorch tf1 tf-block tf-block-v2 tflite onednn kaldi-nnet1; do
    expect 0 "$layout" "$WEIR" convert text.weir $layout.safetensors --layout $layout
    expect 0 "$layout" "$WEIR" convert $layout.safetensors back.weir --layout $layout --data text.txt
    case $layout in
    tf1 | tf-block) check "$layout: the way back keeps the size" test "$(wc -c <back.weir)" = "$(wc -c <text.weir)" ;;
    *) check "$layout: the way back keeps every bit, notes included" cmp text.weir back.weir ;;
    esac
    refuse "its layout is $layout" --layout keras $layout.safetensors old.weir
done
refuse "the model has peepholes, for which the layout keras has no place" text.weir old.safetensors --layout keras
check "nothing was written" test ! -e old.safetensors
expect 0 "keras" sh -c '"$0" train text.txt -o none.weir --hidden 8 --layers 1 --epochs 1 --no-peepholes --quiet && "$0" convert none.weir k.safetensors \
    --layout keras && "$0" convert k.safetensors back.weir --layout keras' "$WEIR"
check "keras: the way back keeps every bit" cmp none.weir back.weir
expect 0 "int8" "$WEIR" convert pytorch.safetensors narrow.weir --layout pytorch --weights int8
check "a layout may be narrowed at once" cmp narrow.weir text.int8.weir
expect 0 "" "$WEIR" convert text.int8.weir narrow.safetensors --layout onednn
expect 0 "" "$WEIR" convert narrow.safetensors back.weir --layout onednn
check "narrow weights keep their form on the way" cmp back.weir text.int8.weir
refuse "text.txt" text.txt old.weir --layout pytorch
refuse "nothing.safetensors: No such file" nothing.safetensors old.weir --layout pytorch
refuse "folder" folder old.weir --layout pytorch
refuse "pipe" pipe old.weir --layout pytorch
refuse "the file holds weights in the layout tf1, no model; weir convert --layout makes one of it" tf1.safetensors old.weir

# Weights alone: what they do not tell comes from options.
"$PYTHON" -c '
from container import read, write
header, data = read("pytorch.safetensors")
del header["__metadata__"]
write("alone.safetensors", header, data)
header = {name.replace("lstm.", "model.rnn."): t for name, t in header.items()}
write("prefixed.safetensors", header, data)'
tokens=$("$WEIR" info text.weir --json | "$PYTHON" -c 'import json, sys; print(json.load(sys.stdin)["tensors"][0]["shape"][1])')
expect 0 "" "$WEIR" convert alone.safetensors alone.weir --layout pytorch
expect 0 "linear" "$WEIR" info alone.weir
expect 0 "" "$WEIR" convert alone.safetensors alone.weir --layout pytorch --tokens $tokens --output softmax --cell-clip 2.5 --gate "hard_sigmoid(0.25, 0.5)"
expect 0 "softmax" "$WEIR" info alone.weir
expect 0 "hard_sigmoid" "$WEIR" info alone.weir
expect 0 "2.5" "$WEIR" info alone.weir
refuse "make tokens $tokens, but the settings say 7" alone.safetensors old.weir --layout pytorch --tokens 7
expect 0 "" "$WEIR" convert prefixed.safetensors prefixed.weir --layout pytorch
expect 0 "" "$WEIR" convert prefixed.safetensors headless.weir --layout pytorch --prefix model.rnn.
check "a prefix leaves the head out" sh -c '"$0" info headless.weir | grep -q lstm.weight_ih_l0 && ! "$0" info headless.weir | grep -q head.0' "$WEIR"
refuse "there is no LSTM in the layout pytorch" prefixed.safetensors old.weir --layout pytorch --prefix lstm.

# ---- ONNX ----

expect 0 "bytes" "$WEIR" convert text.weir text.onnx
expect 0 "bytes" "$WEIR" convert text.onnx back.weir
check "ONNX: the way back keeps every bit" cmp text.weir back.weir
for task in series labels; do
    expect 0 "" "$WEIR" convert $task.weir $task.onnx
    expect 0 "numbers, tolerance 1e-05" "$WEIR" convert $task.onnx checked.weir --verify
    expect 0 "numbers, tolerance 1e-05" "$WEIR" convert checked.weir --verify
    expect 1 "differs by" "$WEIR" convert checked.weir narrow.weir --weights int8 --verify --tolerance 1e-9
done
expect 0 "bytes" "$WEIR" convert labels.weir unrolled.onnx --unroll 3
expect 2 "--unroll goes with an OUT that ends in .onnx" "$WEIR" convert text.weir back.weir --unroll 3
expect 2 "--unroll takes a whole number" "$WEIR" convert text.weir x.onnx --unroll 0

# ---- The check ----

"$PYTHON" -c '
import json, struct
from container import read, write
def floats(*numbers):
    return struct.pack("<%df" % len(numbers), *numbers)
# one unit whose gates are all sigma(1000) = 1 and whose candidate is 0: h = 0; the head adds 0.5
weights = {"lstm.weight_ih_l0": ([4, 1], [0] * 4), "lstm.weight_hh_l0": ([4, 1], [0] * 4), "lstm.bias_ih_l0": ([4], [1000, 1000, 0, 1000]),
           "lstm.bias_hh_l0": ([4], [0] * 4), "fc.weight": ([1, 1], [1]), "fc.bias": ([1], [0.5])}
def save(path, check, metadata=None):
    header, data = {"__metadata__": metadata} if metadata else {}, b""
    for name, (shape, numbers) in {**weights, **check}.items():
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + 4 * len(numbers)]}
        data += floats(*numbers)
    write(path, header, data)
x = {"check.x": ([3, 1, 1], [1, 2, 3])}
save("good.safetensors", {**x, "check.y": ([3, 1, 1], [0.5] * 3)}, {"notes": json.dumps({"mine": [1, 2.25]})})
save("bad.safetensors", {**x, "check.y": ([3, 1, 1], [0.5, 0.75, 0.5])})
save("input.safetensors", x)
save("plain.safetensors", {})
save("lengths.safetensors", {**x, "check.lengths": ([1], [2]), "check.h0": ([1, 1, 1], [0.25]), "check.c0": ([1, 1, 1], [0]), "check.y": ([3, 1, 1], [0.5, 0.5, 0])})
save("halves.safetensors", {**x, "check.lengths": ([1], [1.5]), "check.y": ([3, 1, 1], [0.5, 0.5, 0])})
save("large.safetensors", {**x, "check.y": ([3, 1, 1], [1e30, 0, 0])})'
expect 0 "largest difference 0 of 3 numbers, tolerance 1e-05" "$WEIR" convert good.safetensors good.weir --layout pytorch --verify
expect 0 "largest difference 0 of 3 numbers, tolerance 1e-05" "$WEIR" convert good.weir --verify
expect 0 "largest difference 0 of 3 numbers" "$WEIR" convert good.safetensors --layout pytorch --verify
expect 0 "largest difference 0 of 3 numbers" "$WEIR" convert lengths.safetensors --layout pytorch --verify
expect 0 "mine" "$WEIR" info good.weir
check "JSON has the check" sh -c '"$0" convert good.weir --verify --json >verify.json' "$WEIR"
check "and no more than it" "$PYTHON" -c '
import json
assert json.load(open("verify.json")) == {"verify": {"difference": 0, "numbers": 3, "tolerance": 1e-05}}'
expect 0 "" "$WEIR" convert good.weir narrow.weir --weights bf16 --verify
expect 0 "largest difference 0 of 3 numbers" "$WEIR" convert narrow.weir --verify
expect 0 "" "$WEIR" convert good.weir again.safetensors --layout tflite
expect 0 "largest difference 0 of 3 numbers" "$WEIR" convert again.safetensors again.weir --layout tflite --verify
check "the check takes part in the way there and back" cmp good.weir again.weir
expect 0 "" "$WEIR" convert good.weir good.onnx
expect 0 "largest difference 0 of 3 numbers" "$WEIR" convert good.onnx --verify
rm -f bad.weir
expect 1 "bad.safetensors: the model's output differs by 0.25 from the source's, more than 1e-05" "$WEIR" convert bad.safetensors bad.weir --layout pytorch --verify
check "and is not written" test ! -e bad.weir
expect 1 "differs by 0.25" "$WEIR" convert bad.safetensors bad.weir --layout pytorch --verify --tolerance 0.2
expect 0 "largest difference 0.25 of 3 numbers, tolerance 0.3" "$WEIR" convert bad.safetensors bad.weir --layout pytorch --verify --tolerance 0.3
expect 1 "differs by 1e+30" "$WEIR" convert large.safetensors --layout pytorch --verify
for model in input plain; do
    expect 0 "" "$WEIR" convert $model.safetensors $model.weir --layout pytorch
done
refuse "the model's check has no output of the source, so there is nothing to compare it with" input.weir old.weir --verify
refuse "the model carries no check, so there is nothing to compare it with" plain.weir old.weir --verify
refuse "the model carries no check" text.weir --verify
refuse "the check in the model's notes is broken: lengths holds what is no length" halves.safetensors old.weir --layout pytorch --verify

# Checks that were made broken in the notes.
"$PYTHON" -c '
import json
from container import read, write
header, data = read("good.weir")
good = json.loads(header["__metadata__"]["notes"])
def save(name, **changes):
    header["__metadata__"]["notes"] = json.dumps({**good, "check": {**good["check"], **changes}})
    write(name + ".weir", header, data)
save("broken0", x={"shape": [3, 1], "data": [1, 2, 3]})
save("broken1", x={"shape": [3, 1, 1], "data": [1, 2]})
save("broken2", x={"shape": [2**62, 2**62, 4], "data": [1, 2, 3]})
save("broken3", x={"shape": [3, 1, -1], "data": [1, 2, 3]})
save("broken4", x={"shape": [3, 1, 1], "data": [1, "2", 3]})
save("broken5", x={"shape": [3, 1, 1], "data": [1, 1e300, 3]})
save("broken6", x=5)
save("broken7", x=None)
save("broken8", y={"shape": [1, 1, 1], "data": [0.5]})
save("broken9", h0={"shape": [2, 1, 1], "data": [0, 0]})
save("broken10", lengths={"shape": [1], "data": [4]})
save("broken11", c0={"shape": [1, 1, 1, 1], "data": [0]})'
for i in 0 1 2 3 4 5 6 7 8 9 10 11; do
    refuse "the check in the model's notes is broken" broken$i.weir --verify
done

# ---- Narrow models at work ----

for form in bf16 int8; do
    expect 0 "the weir decides how much" "$WEIR" generate text.$form.weir --prompt "the weir" -n 40 --temperature 0
    expect 0 "2010-01" "$WEIR" forecast series.$form.weir series.csv --horizon 2
    expect 0 "s0,down" "$WEIR" classify labels.$form.weir labels.csv
    for isa in scalar best; do
        "$WEIR" eval text.$form.weir text.txt --json --isa $isa >text.$isa.txt
        "$WEIR" eval series.$form.weir series.csv --json --isa $isa >series.$isa.txt
        "$WEIR" eval labels.$form.weir labels.csv --json --isa $isa >labels.$isa.txt
        "$WEIR" generate text.$form.weir -n 300 --seed 3 --isa $isa >generate.$isa.txt
    done
    for what in text series labels generate; do
        check "$what with $form: scalar code gives the same" cmp $what.scalar.txt $what.best.txt
    done
done
expect 0 "nats a byte" "$WEIR" eval text.bf16.weir text.txt --isa ref64
expect 1 "weights of 8 bits have no reference in double precision" "$WEIR" eval text.int8.weir text.txt --isa ref64
finish
