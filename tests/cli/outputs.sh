#!/bin/sh
# SPDX-License-Identifier: MIT
# Where commands may write: found out before the work, nothing overwritten by mistake, names and columns quoted.
. "$(dirname "$0")/lib.sh"

make_text >text.txt
make_series | sed '1s/flow/"flow, m3"/' >flow.csv
train="$WEIR train --quiet --epochs 2 --hidden 8 --layers 1 --batch 8 --steps 32 --threads 1"

# Found out before training
mkdir folder
mkfifo pipe
cp text.txt kept.txt
expect 1 "weir: folder cannot be written: it is a folder" $train text.txt -o folder
expect 1 "weir: folder/ cannot be written: it is a folder" $train text.txt -o folder/
expect 1 "weir: none/ cannot be written: Is a directory" $train text.txt -o none/
expect 1 'weir: "" cannot be written: No such file or directory' $train text.txt -o ""
expect 1 "weir: pipe cannot be written: it is no regular file" $train text.txt -o pipe
expect 1 "weir: text.txt is the data; it is not overwritten" $train text.txt -o text.txt
expect 1 "weir: ./text.txt is the data; it is not overwritten" $train text.txt -o m.weir --log ./text.txt
check "the data is as it was" cmp text.txt kept.txt
expect 1 "weir: no/x.svg cannot be written: No such file or directory" $train text.txt -o m.weir --plot no/x.svg
expect 2 '--plot takes the name of a file that ends in .svg or .png, not "x.gif"' $train text.txt -o m.weir --plot x.gif
expect 2 '--plot takes the name of a file that ends in .svg or .png, not "x.gif"' "$WEIR" forecast m.weir flow.csv --plot x.gif
expect 1 "would show the network the future" $train text.txt -o m.weir --direction both
expect 1 "would show the network the future" $train flow.csv -o m.weir --direction reverse
check "no model was written" test ! -e m.weir

# Names with quotes
expect 0 "" $train text.txt -o "it's a \"model\".weir"
if command -v gnuplot >/dev/null; then
    check "a plot whose name has quotes is drawn" grep -q "<svg" "it's a \"model\".weir.loss.svg"
fi

# CSV that a reader takes
expect 0 "" $train flow.csv -o flow.weir
check "column names with commas are quoted" "$PYTHON" -c '
import csv, subprocess, sys
out = subprocess.run([sys.argv[1], "forecast", "flow.weir", "flow.csv", "--horizon", "3"], capture_output=True, text=True, check=True).stdout
rows = list(csv.reader(out.splitlines()))
assert rows[0] == ["month", "flow, m3_mean", "flow, m3_lower", "flow, m3_upper"], rows[0]
assert len(rows) == 4 and all(len(row) == 4 for row in rows), rows' "$WEIR"

# Pipes, devices and links are written in place; files are replaced and keep their permissions
"$WEIR" forecast flow.weir flow.csv --horizon 3 >wanted.csv
cat pipe >got.csv &
expect 0 "" "$WEIR" forecast flow.weir flow.csv --horizon 3 -o pipe
wait
check "a named pipe gets the whole forecast" cmp wanted.csv got.csv
check "and is a pipe still" test -p pipe
ln -s target.csv link.csv
echo old >target.csv
expect 0 "" "$WEIR" forecast flow.weir flow.csv --horizon 3 -o link.csv
check "a link is followed" cmp wanted.csv target.csv
ln -s /dev/full full.csv
expect 1 "weir: full.csv cannot be written: No space left on device" "$WEIR" forecast flow.weir flow.csv --horizon 3 -o full.csv
echo old >file.csv
chmod 604 file.csv
expect 0 "" "$WEIR" forecast flow.weir flow.csv --horizon 3 -o file.csv
check "permissions are kept" test "$(stat -c %a file.csv)" = 604
(
    umask 027
    "$WEIR" forecast flow.weir flow.csv --horizon 3 -o new.csv
)
check "a new file follows the umask" test "$(stat -c %a new.csv)" = 640

# The bar keeps to the terminal's width
if command -v script >/dev/null; then
    for columns in 40 80; do
        script -qec "stty cols $columns; $WEIR train text.txt -o t.weir --hidden 8 --layers 1 --epochs 2 --threads 1" bar.txt >/dev/null 2>&1 </dev/null
        check "the bar fits $columns columns" "$PYTHON" -c '
import re, sys
text = open("bar.txt", newline="", encoding="utf-8", errors="replace").read()
bars = re.findall(r"\r(epoch [0-9]+/[0-9]+ [^\r\n\x1b]*)\x1b\[K", text)
assert bars and all(len(bar) < int(sys.argv[1]) for bar in bars), bars' $columns
    done
fi
finish
