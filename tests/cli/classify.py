# SPDX-License-Identifier: MIT
"""weir train, classify and eval on labelled sequences: the three heads, labels for each row, class weights, every measure against
scikit-learn, what is undefined, and the sentences for data that cannot be used."""

import csv
import io
import json
import os
import random
import signal
import subprocess
import sys
import time

try:
    import numpy as np
    from sklearn import metrics
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(1 if os.environ.get("CI") == "true" else 77)

WEIR = os.environ["WEIR"]
failed = 0


def check(what, good, *more):
    global failed
    if not good:
        failed += 1
        print("FAILED:", what, *more)


def weir(*arguments, status=0):
    done = subprocess.run([WEIR, *arguments], capture_output=True, text=True, check=False)
    check(f"status {status} of weir {' '.join(arguments)}", done.returncode == status, done.returncode, done.stderr)
    return done


def says(sentence, *arguments):
    done = weir(*arguments, status=1)
    check(f'"{sentence}" from weir {" ".join(arguments)}', sentence in done.stderr and done.stderr.count("\n") == 1, done.stderr)


def write(path, header, rows):
    with open(path, "w", newline="", encoding="utf-8") as f:
        csv.writer(f, lineterminator="\n").writerows([header, *rows])


# ---- Data: rising, falling or dipping; every third sequence stands there twice, so that scores tie, the second time with another label

random.seed(5)
sequences = []
for s in range(300):
    kind, steps = random.randrange(3), random.randint(5, 12)
    shape = [lambda u: u, lambda u: 1 - u, lambda u: abs(2 * u - 1)][kind]
    values = [round(shape(t / (steps - 1)) + random.gauss(0, 0.4), 3) for t in range(steps)]
    sequences.append((kind, values))
    if s % 3 == 0:
        sequences.append((random.randrange(3), values))
KINDS = ["up", "down", "a dip, then up"]


def table(path, columns, label_of, keep=lambda s: True):
    """label_of(kind, values, t) gives the columns of labels."""
    write(path, ["id", "value", *columns],
          [[f"s{s}", v, *label_of(kind, values, t)] for s, (kind, values) in enumerate(sequences) if keep(s) for t, v in enumerate(values)])


def several(kind, values, t):
    names = (["up"] if kind == 0 else []) + (["high"] if sum(values) / len(values) > 0.5 else []) + (["long"] if len(values) > 8 else [])
    return [" ;".join(names) if names else ";"]


table("softmax.csv", ["label"], lambda kind, values, t: [KINDS[kind]])
table("binary.csv", ["label"], lambda kind, values, t: ["yes" if kind == 0 else "no"])
table("lists.csv", ["label"], several)
table("flags.csv", ["up", "high"], lambda kind, values, t: ["NA" if len(values) == 7 else int(kind == 0), int(sum(values) / len(values) > 0.5)])
table("rows.csv", ["label"], lambda kind, values, t: ["" if t % 5 == 4 else "low" if values[t] < 0.2 else "high" if values[t] > 0.8 else "middle"])


def answers(path, *options):
    rows = list(csv.DictReader(io.StringIO(weir("classify", *options, path + ".weir", path + ".csv").stdout)))
    names = [name[2:] for name in rows[0] if name.startswith("p_")]
    return rows, names, np.array([[float(np.float32(row["p_" + name])) for name in names] for row in rows])


def near(what, ours, theirs):
    good = ours is None if theirs is None or np.isnan(theirs) else ours is not None and abs(ours - theirs) <= 2e-7 * max(1, abs(theirs))
    check(what, good, ours, theirs)


def auc(truth, score):
    return None if len(set(truth)) < 2 else metrics.roc_auc_score(truth, score)


def compare_class(path, ours, truth, answer, score):
    """One class against the others; truth and answer of 0 and 1."""
    near(f"{path}: support of {ours['name']}", ours["support"], sum(truth))
    near(f"{path}: auc of {ours['name']}", ours["auc"], auc(truth, score))
    for name, function in (("precision", metrics.precision_score), ("recall", metrics.recall_score), ("f1", metrics.f1_score)):
        defined = {"precision": sum(answer), "recall": sum(truth), "f1": sum(answer) + sum(truth)}[name]
        near(f"{path}: {name} of {ours['name']}", ours[name], function(truth, answer) if defined else None)


def compare_exclusive(path, truth, ours, options=()):
    """truth: a name for each item, "" for none."""
    rows, names, p = answers(path, *options)
    told = [i for i, name in enumerate(truth) if name in names]
    y, said, p = [truth[i] for i in told], [rows[i]["label"] for i in told], p[told]
    near(path + ": loss", ours["loss"], float(np.mean([-np.log(p[i][names.index(name)]) for i, name in enumerate(y)])))
    near(path + ": accuracy", ours["accuracy"], metrics.accuracy_score(y, said))
    near(path + ": balanced accuracy", ours["balanced_accuracy"], metrics.balanced_accuracy_score(y, said))
    near(path + ": macro f1", ours["macro_f1"], metrics.f1_score(y, said, average="macro"))
    near(path + ": micro f1", ours["micro_f1"], metrics.f1_score(y, said, average="micro"))
    check(path + ": confusion", ours["confusion"] == metrics.confusion_matrix(y, said, labels=names).tolist(), ours["confusion"])
    check(path + ": classes", ours["classes"] == names)
    for j, name in enumerate(names):
        score = -p[:, 1] if len(names) == 2 and j == 0 else p[:, j]
        compare_class(path, ours["scores"][j], [int(t == name) for t in y], [int(a == name) for a in said], score)
    areas = [auc([int(t == name) for t in y], p[:, j]) for j, name in enumerate(names)]
    areas = areas[1:] if len(names) == 2 else areas
    near(path + ": auc", ours["auc"], float(np.mean([a for a in areas if a is not None])) if any(a is not None for a in areas) else None)


def compare_labels(path, truth, ours, options=()):
    """truth: items x labels of 1, 0 and nan."""
    rows, names, p = answers(path, *options)
    said = np.array([[name in row["label"].split(";") for name in names] for row in rows], float)
    threshold = float(options[1]) if options else 0.5
    check(path + ": answers follow the threshold", (said == (p >= threshold)).all())
    told = ~np.isnan(truth)
    near(path + ": loss", ours["loss"], metrics.log_loss(truth[told], p[told], labels=[0, 1]))
    near(path + ": label accuracy", ours["label_accuracy"], metrics.accuracy_score(truth[told], said[told]))
    whole = told.any(axis=1)
    near(path + ": accuracy", ours["accuracy"], float(np.mean(((said == truth) | ~told).all(axis=1)[whole])))
    f1, recalls, areas = [], [], []
    for j, name in enumerate(names):
        y, a, score = truth[told[:, j], j].astype(int), said[told[:, j], j].astype(int), p[told[:, j], j]
        compare_class(path, ours["scores"][j], y, a, score)
        check(path + ": confusion of " + name, ours["confusion"][j] == metrics.confusion_matrix(y, a, labels=[0, 1]).tolist())
        f1.append(metrics.f1_score(y, a))
        recalls += [metrics.recall_score(y, a), metrics.recall_score(1 - y, 1 - a)]
        areas.append(auc(y, score))
    near(path + ": macro f1", ours["macro_f1"], float(np.mean(f1)))
    near(path + ": micro f1", ours["micro_f1"], metrics.f1_score(truth[told], said[told]))
    near(path + ": balanced accuracy", ours["balanced_accuracy"], float(np.mean(recalls)))
    near(path + ": auc", ours["auc"], float(np.mean(areas)))


def evaluate(path, *options):
    return json.loads(weir("eval", *options, "--json", path + ".weir", path + ".csv").stdout)


SMALL = ["--hidden", "12", "--layers", "1", "--epochs", "4", "--rate", "0.02"]

# ---- The heads

done = weir("train", "softmax.csv", "-o", "softmax.weir", *SMALL)
check("softmax is chosen for three labels",
      "head: softmax, one of 3 classes for each sequence: there are more than two labels" in done.stderr, done.stderr)
compare_exclusive("softmax", [KINDS[kind] for kind, _ in sequences], evaluate("softmax"))

done = weir("train", "binary.csv", "-o", "binary.weir", *SMALL, "--class-weights", "balanced")
train = [kind == 0 for kind, _ in sequences[:int(0.8 * len(sequences))]]
check("binary is chosen for two labels", 'head: binary, one sigmoid for "yes" against "no": there are two labels' in done.stderr, done.stderr)
check("balanced weights are those of the training part",
      f"class weights: yes {train.count(False) / train.count(True):.3g}\n" in done.stderr, done.stderr)
check("a binary model has one output", json.loads(weir("info", "--json", "binary.weir").stdout)["notes"]["class_weights"][0] ==
      float(np.float32(train.count(False) / train.count(True))))
truth = ["yes" if kind == 0 else "no" for kind, _ in sequences]
compare_exclusive("binary", truth, evaluate("binary"))
for threshold in ("0.3", "0.9"):
    compare_exclusive("binary", truth, evaluate("binary", "--threshold", threshold), ["--threshold", threshold])
all_yes = evaluate("binary", "--threshold", "0")
check("a precision without answers is null", all_yes["scores"][0]["precision"] is None and all_yes["scores"][0]["recall"] == 0
      and all_yes["scores"][1]["recall"] == 1, all_yes["scores"])

done = weir("train", "lists.csv", "-o", "lists.weir", *SMALL, "--class-weights", "up:2,long:0.5")
check("lists of labels give sigmoids", "head: multilabel, 3 sigmoids, any of 3 labels for each sequence: some values hold ; or |" in done.stderr)
check("class weights by name", "class weights: high 1 long 0.5 up 2\n" in done.stderr, done.stderr)
names = ["high", "long", "up"]
flags = np.array([[name in several(kind, values, 0)[0].replace(" ", "").split(";") for name in names] for kind, values in sequences], float)
compare_labels("lists", flags, evaluate("lists"))
compare_labels("lists", flags, evaluate("lists", "--threshold", "0.35"), ["--threshold", "0.35"])

done = weir("train", "flags.csv", "-o", "flags.weir", *SMALL, "--label", "up,high", "--id", "id")
check("columns of labels give sigmoids",
      "2 sigmoids, any of 2 labels for each sequence: there are several columns of labels" in done.stderr, done.stderr)
flags = np.array([[np.nan if len(values) == 7 else kind == 0, sum(values) / len(values) > 0.5] for kind, values in sequences], float)
compare_labels("flags", flags, evaluate("flags"))

weir("train", "rows.csv", "-o", "rows.weir", *SMALL, "--each-row")
truth = [label for kind, values in sequences for label in
         ["" if t % 5 == 4 else "low" if v < 0.2 else "high" if v > 0.8 else "middle" for t, v in enumerate(values)]]
ours = evaluate("rows")
compare_exclusive("rows", truth, ours)
check("each row counts", ours["rows"] == len(truth) - truth.count("") and ours["unlabelled"] == truth.count(""), ours)
rows = answers("rows")[0]
steps = len(sequences[0][1])
check("rows are numbered within their sequence", [row["row"] for row in rows[:steps]] == [str(t + 1) for t in range(steps)])

# ---- A training with class weights that is stopped and goes on

weighted = ["--hidden", "12", "--epochs", "6", "--class-weights", "balanced", "--quiet", "--dropout", "0.1"]
weir("train", "softmax.csv", "-o", "whole.weir", *weighted)
p = subprocess.Popen([WEIR, "train", "softmax.csv", "-o", "stopped.weir", *weighted, "--checkpoint-steps", "1", "--log", "stopped.jsonl"])
while p.poll() is None and not (os.path.exists("stopped.jsonl") and os.path.getsize("stopped.jsonl") > 0):
    time.sleep(0.005)
p.send_signal(signal.SIGTERM)
p.wait()
if p.returncode == 143:
    weir("train", "--resume", "stopped.weir.checkpoint")
check("a training with class weights goes on to the same bytes", open("stopped.weir", "rb").read() == open("whole.weir", "rb").read(), p.returncode)

# ---- Options and data force or change the head

weir("train", "binary.csv", "-o", "forced.weir", *SMALL, "--head", "softmax")
check("--head softmax has two outputs", "p_no,p_yes" in weir("classify", "forced.weir", "binary.csv").stdout)
check("unweighted is none", weir("train", "binary.csv", "-o", "none.weir", *SMALL, "--head", "softmax", "--class-weights", "none").returncode == 0
      and open("none.weir", "rb").read() == open("forced.weir", "rb").read())
weir("train", "softmax.csv", "-o", "whole.weir", *SMALL, "--head", "multilabel")
weir("train", "lists.csv", "-o", "whole.weir", *SMALL, "--head", "softmax")
check("with --head softmax a list is one class", "up ;long" in weir("info", "whole.weir", "--json").stdout)

# Sequences whose rows are scattered over the file: the first row of each, then the others, backwards by sequence
rows = list(csv.reader(open("softmax.csv", encoding="utf-8")))[1:]
first = [row for i, row in enumerate(rows) if i == 0 or rows[i - 1][0] != row[0]]
others = [row for i, row in enumerate(rows) if i and rows[i - 1][0] == row[0]]
write("scattered.csv", ["id", "value", "label"], first + sorted(others, key=lambda row: -int(row[0][1:])))
check("scattered rows of a sequence belong together",
      json.loads(weir("eval", "--json", "softmax.weir", "scattered.csv").stdout) == evaluate("softmax"))

# ---- What is missing or unknown

table("unknown.csv", ["label"], lambda kind, values, t: [["up", "sideways", ""][kind]])
done = weir("eval", "--json", "softmax.weir", "unknown.csv")
counts = [sum(kind == k for kind, _ in sequences) for k in range(3)]
check("unknown and missing labels are told", f'{counts[1]} labels that the model does not know, such as "sideways"' in done.stderr
      and f"{counts[2]} sequences without a label" in done.stderr, done.stderr)
ours = json.loads(done.stdout)
check("and not counted", ours["sequences"] == counts[0] and ours["unknown"] == counts[1] and ours["unlabelled"] == counts[2], ours)
check("one class alone has no AUC", ours["auc"] is None and all(c["auc"] is None for c in ours["scores"]), ours)
table("strange.csv", ["label"], lambda kind, values, t: ["sideways"])
says('strange.csv has no label that the model knows; one of its own is "sideways"', "eval", "softmax.weir", "strange.csv")
table("bare.csv", [], lambda kind, values, t: [])
says("bare.csv has no labels to measure by; weir classify needs none", "eval", "softmax.weir", "bare.csv")
check("classify needs no labels", len(weir("classify", "softmax.weir", "bare.csv").stdout.splitlines()) == len(sequences) + 1)

# ---- What cannot be trained on

table("one.csv", ["label"], lambda kind, values, t: ["up"])
says('one.csv has 1 different labels in column "label"; at least 2 needed', "train", "one.csv", "-o", "x.weir")
write("sorted.csv", ["id", "value", "label"],
      [[f"s{s}", v, "a" if s < 280 else "b"] for s, (_, values) in enumerate(sequences[:300]) for v in values])
says('the first 240 of its 300 sequences, which train, have one label only, "a"', "train", "sorted.csv", "-o", "x.weir")
write("late.csv", ["id", "value", "label"],
      [[f"s{s}", v, "" if s < 240 else "ab"[s % 2]] for s, (_, values) in enumerate(sequences[:300]) for v in values])
says("late.csv: none of the 240 sequences that train has a label", "train", "late.csv", "-o", "x.weir")
says("if each row has a label of its own, say --each-row", "train", "rows.csv", "-o", "x.weir")
says("--head binary takes two different labels; softmax.csv has 3", "train", "softmax.csv", "-o", "x.weir", "--head", "binary")
says("several columns of labels need --head multilabel", "train", "flags.csv", "-o", "x.weir", "--label", "up,high", "--head", "binary")
says('flags.csv has no column "low"', "train", "flags.csv", "-o", "x.weir", "--label", "up,low", "--task", "labels")
says('--label names the column "up" twice', "train", "flags.csv", "-o", "x.weir", "--label", "up,up", "--task", "labels")
table("three.csv", ["up", "kind"], lambda kind, values, t: [int(kind == 0), kind])
says('column "kind" holds "2"; several columns of labels must hold 0 and 1', "train", "three.csv", "-o", "x.weir", "--label", "up,kind")
says('--class-weights: the data has no label "left"', "train", "softmax.csv", "-o", "x.weir", "--class-weights", "left:2")
for bad in ("up", "up:", "up:-1", "up:nan", "up:2,"):
    says("--class-weights takes balanced, none, or a number", "train", "softmax.csv", "-o", "x.weir", "--class-weights", bad)
says('the weight of "no" must not be 0', "train", "binary.csv", "-o", "x.weir", "--class-weights", "no:0")
check("nothing was written", not os.path.exists("x.weir"))

# ---- The plot

weir("eval", "softmax.weir", "softmax.csv", "--plot", "softmax.svg")
weir("eval", "lists.weir", "lists.csv", "--plot", "lists.svg", "--json")
for name in ("softmax", "lists"):
    check(f"{name}: data and script of the plot are kept", os.path.getsize(name + ".dat") > 0 and os.path.getsize(name + ".gp") > 0)
    drawn = subprocess.run(["gnuplot", name + ".gp"], capture_output=True, text=True, check=False) if os.path.exists("/usr/bin/gnuplot") else None
    check(f"{name}: gnuplot draws it without a word", not drawn or (
        drawn.returncode == 0 and not drawn.stderr and os.path.getsize(name + ".svg") > 5000),
          drawn and drawn.stderr)

print("failed:", failed)
sys.exit(failed > 0)
