#!/bin/sh
# SPDX-License-Identifier: MIT
# Bad input: one sentence, status 1, nothing half-written, no crash.
. "$(dirname "$0")/lib.sh"

make_text >good.txt
make_series >good.csv
make_labels >labels.csv
train="$WEIR train --quiet --epochs 1 --hidden 8 --layers 1"

# Data
: >empty.txt
: >empty.csv
echo "one line" >line.txt
echo "month,flow" >header.csv
printf 'month,flow\n1990-01,1\n1990-02,2,3\n' >ragged.csv
head -c 4000 /dev/urandom >binary.csv
printf 'a,b\n%s' "$(awk 'BEGIN { for (i = 0; i < 60; i++) print "x" i ",NA" }')" >missing.csv
awk 'BEGIN { print "month,flow"; for (i = 0; i < 90; i++) print i ",7" }' >constant.csv
printf 'a,a\n1,2\n3,4\n' >twice.csv
printf 'month,"flow\n1,2\n' >quote.csv
expect 1 "empty.txt is empty" $train empty.txt -o m.weir
expect 1 "line.txt has only 9 bytes" $train line.txt -o m.weir
expect 1 "missing.txt cannot be read: No such file" $train missing.txt -o m.weir
expect 1 "is a folder" $train . -o m.weir
awk 'BEGIN { for (i = 0; i < 500; i++) printf "a" }' >single.txt
expect 1 "repeats one single byte" $train single.txt -o m.weir
expect 1 "/dev/zero is a device" $train /dev/zero -o m.weir
expect 1 "empty.csv is empty" $train empty.csv -o m.weir
expect 1 "header.csv has one line only" $train header.csv -o m.weir
expect 1 "ragged.csv, line 3: 3 fields where the header has 2" $train ragged.csv -o m.weir
expect 1 "binary.csv" $train binary.csv -o m.weir
expect 1 "all values of column \"b\" are missing" $train missing.csv -o m.weir
expect 1 "\"flow\" is constant" $train constant.csv -o m.weir
expect 1 "two columns have the name \"a\"" $train twice.csv -o m.weir
expect 1 "quote.csv" $train quote.csv -o m.weir
expect 1 "has no column \"nothing\"" $train good.csv -o m.weir --target nothing
expect 1 "is no column of numbers" $train good.csv -o m.weir --target month
expect 1 "takes auto, none, log or sqrt" $train good.csv -o m.weir --transform magic
expect 1 "a CSV is trained on alone" $train good.csv good.csv -o m.weir

# Output
expect 1 "cannot be written: No such file" $train good.txt -o no/such/folder/m.weir
expect 1 "cannot be written: Not a directory" $train good.txt -o good.txt/m.weir
expect 1 "cannot be written" $train good.txt -o m.weir --log no/such/folder/log.jsonl
check "no model was left behind" test ! -e m.weir
check "no temporary file was left behind" sh -c '! ls | grep -E "weir\.|new$"'

# Models
check "training works" $train good.txt -o text.weir
check "training works on a series" $train good.csv -o series.weir
check "training works on labels" $train labels.csv -o labels.weir
expect 1 "text.weir is a text model, but a series model is needed here" "$WEIR" forecast text.weir good.csv
expect 1 "series.weir is a series model, but a text model is needed here" "$WEIR" generate series.weir
expect 1 "text.weir is a text model, but a labels model is needed here" "$WEIR" classify text.weir labels.csv
expect 1 "has no column of numbers named \"flow\"" "$WEIR" forecast series.weir labels.csv
expect 1 "has no column \"id\"" "$WEIR" classify labels.weir good.csv
expect 1 "nothing.weir: No such file" "$WEIR" eval nothing.weir good.txt
expect 1 "good.txt" "$WEIR" info good.txt
expect 1 "" "$WEIR" info empty.txt
expect 1 "the model has learned to forecast" "$WEIR" forecast series.weir good.csv --horizon 9999
printf '\377\376\375' >strange.txt
expect 1 "none of its 3 bytes occurred" "$WEIR" eval text.weir strange.txt

# A model file cut at any byte, or with any single bit of its header flipped, is refused or, where the bit does not matter, read
size=$(wc -c <text.weir)
cut=0
while [ $cut -lt "$size" ]; do
    head -c $cut text.weir >cut.weir
    "$WEIR" info cut.weir >out.txt 2>&1 </dev/null
    [ $? = 1 ] || { echo "FAILED: cut at $cut of $size bytes"; failed=$((failed + 1)); }
    cases=$((cases + 1))
    cut=$((cut + 1 + size / 60))
done

# Streams
expect 1 "standard output cannot be written" sh -c '"$0" generate text.weir >/dev/full' "$WEIR"
expect 1 "standard output cannot be written" sh -c '"$0" activations >/dev/full' "$WEIR"
"$WEIR" generate text.weir -n 100000000 2>pipe.txt | head -c 10 >/dev/null
check "a closed pipe ends generate with one sentence" grep -q "standard output cannot be written" pipe.txt

# A full disk: a file-size limit too small for the model
(
    ulimit -f 8
    $train --hidden 64 good.txt -o full.weir >out.txt 2>&1
    [ $? = 1 ]
)
check "a full disk gives status 1" test $? = 0
check "a full disk leaves no model" test ! -e full.weir
check "a full disk is told in one sentence" sh -c 'grep -q "^weir: " out.txt && [ "$(wc -l <out.txt)" = 1 ]'
finish
