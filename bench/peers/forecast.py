#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Forecasts of four series beside ETS and ARIMA of statsmodels, from the same origins: the tables of docs/forecasting.md.

    python bench/peers/forecast.py [--weir build/release/weir] [--data ../shared/data] [--seeds 5] [--work DIR] [NAME...]

Weir trains with each seed on the rows before the last part and is measured by `weir eval --backtest --every ROWS`. The peers' parameters are
estimated once on the same rows; at each origin their state is brought up to date with the rows so far. They get what a user would give them: the
transform that Weir chose, harmonics of a season too long for them, last known values for missing ones, and for ARIMA the orders with the lowest
AIC among a few. CRPS is that of the normal distribution; where a transform was undone, the integral over 999 quantiles.
"""
import argparse
import csv
import json
import math
import pathlib
import subprocess
import sys
import warnings

try:
    import numpy as np
    import pandas as pd
    from scipy.stats import norm
    from statsmodels.tsa.exponential_smoothing.ets import ETSModel
    from statsmodels.tsa.statespace.sarimax import SARIMAX
except ImportError as missing:
    sys.exit(f"{missing}; bench/peers/README.md says what to install")

ROOT = pathlib.Path(__file__).resolve().parents[2]
HORIZON = 24
LEVELS = norm.ppf((np.arange(999) + 0.5) / 999)

# every: rows between origins; season: of the peers' models; harmonics: (period, pairs) taken out by regression first; fit: most rows to fit on
SERIES = {
    "monthly-sunspots": dict(column="Sunspots", every=12, transform="sqrt", ets=[dict(error="add"), dict(error="add", trend="add", damped_trend=True)],
                             arima=[((p, 0, q), (0, 0, 0, 0)) for p, q in ((2, 1), (3, 1), (3, 2), (9, 1))]),
    "airline-passengers": dict(column="Passengers", every=1, holdout=24, transform="log", season=12,
                               ets=[dict(error="add", trend="add", seasonal="add", damped_trend=d) for d in (False, True)],
                               arima=[((p, 1, q), (0, 1, 1, 12)) for p, q in ((0, 1), (1, 0), (1, 1), (2, 1))]),
    "daily-min-temperatures": dict(column="Temp", every=24, transform="none", harmonics=(365.25, 2), ets=[dict(error="add")],
                                   arima=[((p, 0, q), (0, 0, 0, 0)) for p, q in ((1, 0), (2, 1), (3, 0), (3, 1))]),
    "pollution": dict(column="pm2.5", every=168, transform="sqrt", season=24, harmonics=(24, 3), fit=4000,
                      ets=[dict(error="add", seasonal="add")], arima=[((p, 0, q), (0, 0, 0, 0)) for p, q in ((1, 1), (2, 1), (3, 1))]),
}
FORWARD = {"none": lambda x: x, "log": np.log, "sqrt": np.sqrt}
BACK = {"none": lambda z: z, "log": np.exp, "sqrt": lambda z: np.maximum(z, 0) ** 2}


def read(path, column):
    with open(path, newline="") as f:
        return np.array([float(r[column]) if r[column] not in ("", "NA") else np.nan for r in csv.DictReader(f)])


def carried(x):
    x = x.copy()
    x[0] = x[np.isfinite(x)][0] if not np.isfinite(x[0]) else x[0]
    for i in range(1, len(x)):
        if not np.isfinite(x[i]):
            x[i] = x[i - 1]
    return x


def harmonics(n, period, pairs):
    at = 2 * np.pi * np.arange(n) / period
    return np.column_stack([np.ones(n)] + [f(k * at) for k in range(1, pairs + 1) for f in (np.sin, np.cos)])


def best(models):
    """The fitted model with the lowest AIC; some do not converge."""
    fitted = []
    for make in models:
        try:
            fitted.append(make())
        except (ValueError, np.linalg.LinAlgError):
            continue
    return min(fitted, key=lambda m: m.aic)


class Ets:
    def __init__(self, z, first, s):
        period = dict(seasonal_periods=s["season"]) if "season" in s else {}
        start = max(0, first - s.get("fit", first))
        self.settings = [dict(o, **period) if o.get("seasonal") else o for o in s["ets"]]
        self.z, self.start = z, start
        self.model, self.options = min(((ETSModel(pd.Series(z[start:first]), **o).fit(disp=False), o) for o in self.settings), key=lambda m: m[0].aic)

    def forecast(self, origin):
        """Mean and deviation of the next rows, of the transformed values."""
        m = ETSModel(pd.Series(self.z[self.start : origin + 1]), **self.options)  # whose intervals need an index
        p = m.smooth(self.model.params).get_prediction(start=origin + 1 - self.start, end=origin - self.start + HORIZON)
        return np.asarray(p.predicted_mean), np.sqrt(np.asarray(p.forecast_variance))


class Arima:
    def __init__(self, z, first, s):
        self.z, self.start = z, max(0, first - s.get("fit", first))
        constant = "n" if any(o[1] for o, _ in s["arima"]) else "c"
        self.make = lambda o: SARIMAX(z[self.start : first], order=o[0], seasonal_order=o[1], trend=constant)
        self.fitted = best([lambda o=o: self.make(o).fit(disp=False, maxiter=200) for o in s["arima"]])
        self.last, self.result = first - 1, self.fitted

    def forecast(self, origin):
        if origin > self.last:
            self.result = self.result.append(self.z[self.last + 1 : origin + 1], refit=False)
            self.last = origin
        p = self.result.get_forecast(HORIZON)
        return np.asarray(p.predicted_mean), np.asarray(p.se_mean)


def crps(mean, deviation, x, transform):
    if transform == "none":
        u = (x - mean) / deviation
        return deviation * (u * (2 * norm.cdf(u) - 1) + 2 * norm.pdf(u) - 1 / math.sqrt(math.pi))
    q = BACK[transform](mean + deviation * LEVELS)
    tau = (np.arange(999) + 0.5) / 999
    return 2 * np.mean(np.where(x >= q, tau * (x - q), (tau - 1) * (x - q)))


def expected(mean, deviation, transform):
    return {"none": mean, "log": np.exp(mean + deviation**2 / 2), "sqrt": mean**2 + deviation**2}[transform]


def peer(kind, x, first, s):
    """CRPS, MASE, RMSE and coverage of 90 % over all horizons."""
    z = FORWARD[s["transform"]](carried(x))
    shape = np.zeros(len(z) + HORIZON)
    if "harmonics" in s and not (kind is Ets and "season" in s):
        base = harmonics(len(z) + HORIZON, *s["harmonics"])
        shape = base @ np.linalg.lstsq(base[:first], z[:first], rcond=None)[0]
    model = kind(z - shape[: len(z)], first, s)
    lag = s["scale_lag"]
    known = carried(x)
    scale = np.nanmean(np.abs(x[lag:first] - known[: first - lag]))
    scores = []
    for origin in range(first - 1, len(x) - 1, s["every"]):
        mean, deviation = model.forecast(origin)
        for h in range(1, HORIZON + 1):
            row = origin + h
            if row >= len(x) or not np.isfinite(x[row]):
                continue
            m, d = mean[h - 1] + shape[row], deviation[h - 1]
            low, high = BACK[s["transform"]](m - 1.6448536 * d), BACK[s["transform"]](m + 1.6448536 * d)
            miss = x[row] - expected(m, d, s["transform"])
            scores.append((crps(m, d, x[row], s["transform"]), abs(miss) / scale, miss**2, low <= x[row] <= high))
    if len(scores) != s["points"]:
        sys.exit(f"{len(scores)} forecasts are not the {s['points']} of weir eval")
    c, a, r, i = np.mean(np.array(scores, float), axis=0)
    return dict(crps=c, mase=a, rmse=math.sqrt(r), coverage=i)


def weir(args, name, s, seed):
    model = args.work / f"{name}-{seed}.weir"
    data = args.data / f"{name}.csv"
    if not model.exists():
        hold = ["--holdout", str(s["holdout"])] if "holdout" in s else []
        subprocess.run([args.weir, "train", data, "-o", model, "--seed", str(seed), "--quiet", "--threads", "1", *args.train, *hold], check=True)
    out = subprocess.run([args.weir, "eval", model, data, "--backtest", "--every", str(s["every"]), "--json"], check=True, capture_output=True)
    return json.loads(out.stdout)


def spread(values, form):
    mean = form.format(np.mean(values))
    return mean if len(values) == 1 else f"{mean} ({form.format(min(values))} to {form.format(max(values))})"


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("names", nargs="*", metavar="NAME")
    p.add_argument("--weir", default=str(ROOT / "build/release/weir"))
    p.add_argument("--data", type=pathlib.Path, default=ROOT / "../shared/data")
    p.add_argument("--seeds", type=int, default=5)
    p.add_argument("--work", type=pathlib.Path, default=ROOT / "build/forecast")
    p.add_argument("--train", nargs=argparse.REMAINDER, default=[], help="more options of weir train")
    args = p.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    warnings.simplefilter("ignore")
    if not args.data.is_dir():
        sys.exit(f"{args.data} is no folder of data")
    for name in args.names or SERIES:
        s = dict(SERIES[name])
        runs = [weir(args, name, s, seed) for seed in range(1, args.seeds + 1)]
        alls = [r["targets"][0]["overall"] for r in runs]
        s.update(scale_lag=max(1, runs[0]["period"]), points=alls[0]["points"])
        print(f"\n{name}: {runs[0]['origins']} origins, {alls[0]['points']} forecasts\n\n| | CRPS | MASE | RMSE | inside 90 % |\n|---|---|---|---|---|", flush=True)
        print("| Weir |", " | ".join(spread([a[k] * f for a in alls], form) for k, f, form in
                                   (("crps", 1, "{:.3g}"), ("mase", 1, "{:.3f}"), ("rmse", 1, "{:.3g}"))),
              "|", spread([100 * a["coverages"]["0.9"] for a in alls], "{:.0f}"), "|", flush=True)
        for title, key in (("last value", "last_"), ("season before", "seasonal_")):
            a = alls[0]
            if a[key + "crps"] is not None:
                print(f"| {title} | {a[key + 'crps']:.3g} | {a[key + 'mase']:.3f} | {a[key + 'rmse']:.3g} | |", flush=True)
        x = read(args.data / f"{name}.csv", s["column"])
        for title, kind in (("ETS", Ets), ("ARIMA", Arima)):
            r = peer(kind, x, runs[0]["first"], s)
            print(f"| {title} | {r['crps']:.3g} | {r['mase']:.3f} | {r['rmse']:.3g} | {100 * r['coverage']:.0f} |", flush=True)


if __name__ == "__main__":
    main()
