#!/bin/sh
# SPDX-License-Identifier: MIT
# What Weir does, in under two minutes: trains on a text, writes some, and forecasts a series. usage: demo.sh WEIR FOLDER
set -eu
weir=$1 out=$2
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$out"

say() { printf '\n%s\n\n' "$*"; }

if [ -d /usr/share/common-licenses ]; then
    for licence in GPL-2 GPL-3 LGPL-2.1 Apache-2.0 MPL-2.0 GFDL-1.3; do
        [ ! -r "/usr/share/common-licenses/$licence" ] || cat "/usr/share/common-licenses/$licence"
    done | tr -s ' ' >"$out/licences.txt" # without the indentation
else
    cat "$here"/../LICENSE "$here"/../README.md "$here"/../docs/*.md >"$out/licences.txt"
fi

say "1. A stacked peephole LSTM learns to write licences ($(wc -c <"$out/licences.txt") bytes of text)"
"$weir" train "$out/licences.txt" -o "$out/licences.weir" --hidden 96 --batch 16 --epochs 8 --rate 0.004

say "2. What it writes after \"The licensee \""
"$weir" generate "$out/licences.weir" --prompt "The licensee " -n 400 --temperature 0.6

say "3. It learns a century of lynx (demo/lynx.csv) and is measured on the last fifth, which it has not seen"
"$weir" train "$here/lynx.csv" -o "$out/lynx.weir" --horizon 12 --quiet
"$weir" eval "$out/lynx.weir" "$here/lynx.csv"

say "4. The next twelve years, with a 90 % interval"
"$weir" forecast "$out/lynx.weir" "$here/lynx.csv" --horizon 12 -o "$out/forecast.csv" --plot "$out/forecast.svg"
cat "$out/forecast.csv"

say "Everything is in $out: models, loss curves (*.loss.svg), forecast.csv, forecast.svg, with the gnuplot scripts that draw them."
