# SPDX-License-Identifier: MIT
"""Days of Beijing's air as labelled sequences: 24 hours of a day, and whether the next day is worse than the median of all days.

    python3 days.py <pollution.csv >days.csv

The table (Liang et al. 2015, UCI) has the columns No, year, month, day, hour, pm2.5, DEWP, TEMP, PRES, cbwd, Iws, Is, Ir. A second column
of labels, season, is the quarter of the year. Days with fewer than 24 hours or with no measured hour, and days before such a day, are left out."""

import csv
import statistics
import sys

INPUTS = ["hour", "pm2.5", "DEWP", "TEMP", "PRES", "cbwd", "Iws"]
SEASONS = ["winter", "spring", "summer", "autumn"]

days = {}
for row in csv.DictReader(sys.stdin):
    days.setdefault((int(row["year"]), int(row["month"]), int(row["day"])), []).append(row)
dates = list(days)
means = {}
for date, rows in days.items():
    known = [float(row["pm2.5"]) for row in rows if row["pm2.5"] != "NA"]
    if known and len(rows) == 24:
        means[date] = statistics.fmean(known)
median = statistics.median(means.values())

out = csv.writer(sys.stdout, lineterminator="\n")
out.writerow(["id", *INPUTS, "tomorrow", "season"])
for today, tomorrow in zip(dates, dates[1:]):
    if today not in means or tomorrow not in means:
        continue
    label = "bad" if means[tomorrow] > median else "good"
    season = SEASONS[today[1] % 12 // 3]
    for row in days[today]:
        out.writerow(["%d-%02d-%02d" % today, *(row[name] for name in INPUTS), label, season])
