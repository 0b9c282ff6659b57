#!/bin/sh
# SPDX-License-Identifier: MIT
# Probabilistic forecasts of series whose truth is known: several series, known columns, counts, heavy tails, paths, back-tests.
. "$(dirname "$0")/lib.sh"

"$PYTHON" - <<'END'
import csv, datetime, math, random
def write(name, head, rows):
    with open(name, "w", newline="") as f:
        out = csv.writer(f)
        out.writerow(head)
        out.writerows(rows)
day = lambda i: f"20{10 + i // 336:02d}-{i // 28 % 12 + 1:02d}-{i % 28 + 1:02d}"
random.seed(1)
# two series of different levels, rows in turn
rows, state = [], [0, 0]
for i in range(300):
    for s, (name, level) in enumerate((("small", 10), ("large", 1000))):
        state[s] = 0.7 * state[s] + random.gauss(0, 1)
        rows.append((i, name, round(level * (1 + 0.02 * state[s]), 4)))
write("two.csv", ("t", "shop", "sales"), rows)
# a holiday adds 50; the last 6 rows are still to come, with a holiday in the third and the last
holiday = [int(random.random() < 0.15) for _ in range(400)] + [0, 0, 1, 0, 0, 1]
write("holiday.csv", ("date", "holiday", "load"), [(day(i), h, round(100 + 50 * h + random.gauss(0, 3), 3) if i < 400 else "")
                                                   for i, h in enumerate(holiday)])
# counts of a negative binomial, mean 6 or 12 by turns of 7 days, shape 0.3
def count(m, a):
    rate = random.gammavariate(1 / a, a * m)
    n, p = 0, random.random()
    term = total = math.exp(-rate)
    while total < p and n < 1000:
        n += 1
        term *= rate / n
        total += term
    return n
write("counts.csv", ("day", "orders"), [(i, count(6 + 6 * (i // 7 % 2), 0.3)) for i in range(900)])
# noise of Student's t with 3 degrees of freedom about a wave
def student():
    return random.gauss(0, 1) / math.sqrt(sum(random.gauss(0, 1) ** 2 for _ in range(3)) / 3)
write("tails.csv", ("t", "y"), [(i, round(10 * math.sin(i * math.pi / 6) + student(), 4)) for i in range(900)])
# days whose level depends on the day of the week, without its being the season
days = [datetime.date(2020, 1, 1) + datetime.timedelta(i) for i in range(700)]
write("week.csv", ("date", "load"), [(d.isoformat(), round(100 + 5 * math.sin(2 * math.pi * d.weekday() / 7) + random.gauss(0, 4), 3)) for d in days])
# a random walk, whose values at neighbouring horizons go together
x = 0
walk = []
for i in range(600):
    x += random.gauss(0, 1)
    walk.append((i, round(x, 4)))
write("walk.csv", ("t", "y"), walk)
write("walk.head.csv", ("t", "y"), walk[:480])
END

train() { "$WEIR" train "$@" --quiet --epochs 25; }

# ---- Several series ----
train two.csv -o two.weir --series shop --horizon 6 --threads 1
train two.csv -o two2.weir --series shop --horizon 6 --threads 2
check "the same model for 1 and 2 threads" cmp two.weir two2.weir
"$WEIR" forecast two.weir two.csv --quantiles 0.1,0.5,0.9 --samples 200 -o two.out.csv
"$WEIR" eval two.weir two.csv --backtest --json >two.json
check "each series keeps its level" "$PYTHON" - <<'END'
import csv, json
rows = list(csv.DictReader(open("two.out.csv")))
assert len(rows) == 12 and list(rows[0])[:2] == ["shop", "t"], rows[0]
for r in rows:
    level = {"small": 10, "large": 1000}[r["shop"]]
    assert 0.9 * level < float(r["sales_mean"]) < 1.1 * level, r
    assert float(r["sales_q0.1"]) < float(r["sales_q0.5"]) < float(r["sales_q0.9"])
    assert float(r["sales_upper"]) - float(r["sales_lower"]) < 0.2 * level
assert rows[0]["t"] == "300", rows[0]
d = json.load(open("two.json"))
s = d["targets"][0]["overall"]
assert d["series"] == 2 and d["held_out"] and 0.8 < s["coverage"] <= 1, s
assert s["mase"] < s["last_mase"], s
END
sed 's/small/other/' two.csv >other.csv
expect 1 'does not know the series "other"' "$WEIR" forecast two.weir other.csv
grep -v large two.csv >small.csv
"$WEIR" forecast two.weir small.csv >small.out.csv
check "a table may have some of the series" sh -c 'grep "^shop\|^small" two.out.csv | cut -d, -f1-5 | cmp - small.out.csv'
expect 1 'no column "shops", which --series names' "$WEIR" train two.csv -o x.weir --series shops --quiet

"$PYTHON" - <<'END'
import csv
rows = list(csv.reader(open("two.csv")))
with open("spoilt.csv", "w", newline="") as f:
    csv.writer(f).writerows([r[:2] + [str(7 * float(r[2]))] if i and int(r[0]) >= 240 else r for i, r in enumerate(rows)])
END
train spoilt.csv -o spoilt.weir --series shop --horizon 6
check "rows kept away of each series change nothing" cmp two.weir spoilt.weir

# ---- Calendar ----
expect 0 "calendar: day of the week" "$WEIR" train week.csv -o week.weir --period 1 --horizon 3 --epochs 25
with=$(sed -n 's/^best: .* valid //p' out.txt)
expect 0 "best: " "$WEIR" train week.csv -o plain.weir --period 1 --horizon 3 --epochs 25 --no-calendar
check "without it no calendar is told" sh -c '! grep -q calendar out.txt'
without=$(sed -n 's/^best: .* valid //p' out.txt)
check "the calendar lowers the validation loss, $with to $without" awk "BEGIN { exit !($with > 0.5 && $with < $without - 0.02) }"
expect 0 "" "$WEIR" train walk.csv -o x.weir --horizon 3 --epochs 1
check "rows without dates have no calendar" sh -c '! grep -q calendar out.txt'
expect 0 "negative-binomial counts" "$WEIR" train counts.csv -o x.weir --horizon 3 --epochs 1

# ---- Known columns ----
train holiday.csv -o holiday.weir --known holiday --horizon 6 --holdout 0
"$WEIR" forecast holiday.weir holiday.csv -o holiday.out.csv
check "the forecast shows the holidays to come" "$PYTHON" - <<'END'
import csv
rows = list(csv.DictReader(open("holiday.out.csv")))
means = [float(r["load_mean"]) for r in rows]
print(means)
for h, m in enumerate(means):
    assert abs(m - (150 if h in (2, 5) else 100)) < 12, (h, m)
assert rows[0]["date"] == [*csv.DictReader(open("holiday.csv"))][400]["date"]
END
head -n 404 holiday.csv >soon.csv
expect 1 'has 3 rows after the last value of "load", but the model needs "holiday" of the next 6 rows' "$WEIR" forecast holiday.weir soon.csv
expect 0 "load_mean" "$WEIR" forecast holiday.weir soon.csv --horizon 3
expect 1 'no column "feast", which --known names' "$WEIR" train holiday.csv -o x.weir --known feast --quiet
expect 1 'cannot be known in advance' "$WEIR" train holiday.csv -o x.weir --target load --known load --quiet

# ---- Counts and heavy tails ----
train counts.csv -o counts.weir --distribution negative-binomial --horizon 3
"$WEIR" eval counts.weir counts.csv --backtest --json >counts.json
"$WEIR" forecast counts.weir counts.csv >counts.out.csv
train tails.csv -o tails.weir --distribution student-t --horizon 3
"$WEIR" eval tails.weir tails.csv --backtest --json >tails.json
check "intervals hold what they say" "$PYTHON" - <<'END'
import csv, json
for r in csv.DictReader(open("counts.out.csv")):
    assert float(r["orders_lower"]) >= 0 and float(r["orders_lower"]).is_integer() and 4 < float(r["orders_mean"]) < 16, r
for name, low in (("counts", 0.85), ("tails", 0.84)):
    s = json.load(open(name + ".json"))["targets"][0]["overall"]
    print(name, s["coverages"], s["crps"], s["last_crps"])
    assert low < s["coverages"]["0.9"] < 0.97, name
    assert s["coverages"]["0.5"] < s["coverages"]["0.8"] < s["coverages"]["0.9"] <= s["coverages"]["0.95"]
    assert s["crps"] < s["last_crps"]
END
expect 1 "but a negative binomial counts" "$WEIR" train tails.csv -o x.weir --distribution negative-binomial --quiet
expect 1 "--distribution takes" "$WEIR" train tails.csv -o x.weir --distribution poisson --quiet

# ---- Paths and back-tests ----
train walk.csv -o walk.weir --horizon 8
"$WEIR" forecast walk.weir walk.head.csv --samples 500 --seed 5 --quantiles 0.05,0.5,0.95 --paths paths.csv -o walk.out.csv
"$WEIR" forecast walk.weir walk.head.csv --samples 500 --seed 5 --quantiles 0.05,0.5,0.95 --paths again.csv -o walk.again.csv
check "the same paths for a seed" cmp paths.csv again.csv
"$WEIR" eval walk.weir walk.csv --backtest --origins 1 --json >one.json
"$WEIR" eval walk.weir walk.csv --backtest --every 3 --json --plot walk.svg >walk.json
check "the picture's data and script" test -s walk.dat -a -s walk.gp
check "measures and paths against their definitions" "$PYTHON" - <<'END'
import csv, json, math, statistics
values = [float(r["y"]) for r in csv.DictReader(open("walk.csv"))]
rows = list(csv.DictReader(open("walk.out.csv")))
phi = lambda u: math.exp(-u * u / 2) / math.sqrt(2 * math.pi)
Phi = lambda u: math.erfc(-u / math.sqrt(2)) / 2
def crps(m, s, x):
    u = (x - m) / s
    return s * (u * (2 * Phi(u) - 1) + 2 * phi(u) - 1 / math.sqrt(math.pi))
scale = statistics.mean(abs(a - b) for a, b in zip(values[1:480], values[:479]))
s = json.load(open("one.json"))
assert s["origins"] == 1 and s["first"] == 480
s = s["targets"][0]["overall"]
own = [crps(float(r["y_mean"]), (float(r["y_upper"]) - float(r["y_lower"])) / 2 / 1.6448536269514722, values[480 + h]) for h, r in enumerate(rows)]
assert abs(statistics.mean(own) - s["crps"]) < 1e-4 * s["crps"], (own, s)
last = []
for h in range(1, 9):
    sd = math.sqrt(statistics.mean((values[i + h] - values[i]) ** 2 for i in range(480 - h)))
    last.append(crps(values[479], sd, values[479 + h]))
assert abs(statistics.mean(last) - s["last_crps"]) < 1e-6 * s["last_crps"], (last, s)
mase = statistics.mean(abs(values[480 + h] - float(r["y_mean"])) / scale for h, r in enumerate(rows))
assert abs(mase - s["mase"]) < 1e-5 * mase, (mase, s["mase"])
assert 0.7 < json.load(open("walk.json"))["targets"][0]["overall"]["coverages"]["0.9"] <= 1
table = list(csv.reader(open("paths.csv")))[1:]
paths = list(zip(*[[float(x) for x in row[1:]] for row in table]))
assert len(paths) == 500 and len(paths[0]) == 8
for h, r in enumerate(rows):  # marginals as the distribution says
    sd = (float(r["y_upper"]) - float(r["y_lower"])) / 2 / 1.645
    assert abs(statistics.mean(p[h] for p in paths) - float(r["y_mean"])) < 0.25 * sd
    assert 0.85 < statistics.pstdev(p[h] for p in paths) / sd < 1.15
    assert abs(float(r["y_q0.5"]) - float(r["y_mean"])) < 0.25 * sd
a, b = [p[6] for p in paths], [p[7] for p in paths]
ma, mb = statistics.mean(a), statistics.mean(b)
corr = sum((x - ma) * (y - mb) for x, y in zip(a, b)) / 500 / statistics.pstdev(a) / statistics.pstdev(b)
print("correlation", corr)
assert corr > 0.6  # of the walk: sqrt(7 / 8) = 0.94
END
expect 2 "--paths needs the number of --samples" "$WEIR" forecast walk.weir walk.csv --paths x.csv
expect 2 "ascending numbers" "$WEIR" forecast walk.weir walk.csv --quantiles 0.9,0.1
expect 2 "belong to --backtest" "$WEIR" eval walk.weir walk.csv --every 3
expect 2 "exclude each other" "$WEIR" eval walk.weir walk.csv --backtest --every 3 --origins 4

# ---- Models of before, whose notes say less ----
"$PYTHON" - <<'END'
import json, struct
data = open("walk.weir", "rb").read()
n = struct.unpack("<Q", data[:8])[0]
header = json.loads(data[8:8 + n])
key = next(k for k, v in header["__metadata__"].items() if '"targets"' in v)
outer = json.loads(header["__metadata__"][key])
notes = json.loads(outer["notes"]) if "notes" in outer else outer
for old in ("distribution", "known", "calendar"):
    del notes[old]
for t in notes["targets"]:
    del t["chain"]
text = json.dumps(notes, separators=(",", ":"))
if "notes" in outer:
    outer["notes"] = text
    text = json.dumps(outer, separators=(",", ":"))
header["__metadata__"][key] = text
head = json.dumps(header, separators=(",", ":")).encode()
head += b" " * (-len(head) % 8)
open("before.weir", "wb").write(struct.pack("<Q", len(head)) + head + data[8 + n:])
END
"$WEIR" forecast walk.weir walk.csv -o now.csv
check "notes without the new parts are read" "$WEIR" forecast before.weir walk.csv -o before.csv
check "and forecast the same" cmp now.csv before.csv
finish
