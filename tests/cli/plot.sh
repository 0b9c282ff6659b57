#!/bin/sh
# SPDX-License-Identifier: MIT
# weir plot: the figures of the documents come out with the same data, pictures are whole, bad names are refused. ctest: quick
. "$(dirname "$0")/lib.sh"

check "the figures are drawn" sh "$WEIR_SOURCE_DIR/docs/figures/draw.sh" "$WEIR" figures
for data in figures/*.dat; do
    check "the data of $(basename "$data") are those of the documents" cmp "$data" "$WEIR_SOURCE_DIR/docs/$data"
done
check "there are figures" test "$(ls figures/*.dat | wc -l)" -ge 17
if command -v gnuplot >/dev/null; then
    for picture in figures/*.svg; do
        check "$picture is whole" sh -c "grep -q '<svg' $picture && tail -n 2 $picture | grep -q '</svg>'"
    done
    expect 0 "plot: gelu.png" "$WEIR" plot gelu -o gelu.png
    check "gelu.png is a PNG" sh -c "head -c 8 gelu.png | od -An -tx1 | grep -q '89 50 4e 47 0d 0a 1a 0a'"
fi
expect 0 "gelu: at most 0.000473" "$WEIR" plot gelu --against gelu_tanh --from 2 --to 3
check "the gap is largest at 2.699" sh -c "'$WEIR' plot gelu --against gelu_tanh --from 2 --to 3 --points 1001 | grep -q 'at 2.[67]'"
expect 0 "elu(2)'" "$WEIR" plot "elu(2)" --grad
"$WEIR" plot silu >silu.txt
check "a terminal gets lines of at most 80 columns" python3 -c "assert max(len(l.rstrip('\n')) for l in open('silu.txt', encoding='utf-8')) <= 80"
mkdir empty
cases=$((cases + 1))
if ! env PATH="$PWD/empty" "$WEIR" plot relu -o none.svg >none.txt 2>&1 || ! grep -q "gnuplot none.gp" none.txt || ! [ -s none.dat ]; then
    echo "FAILED: without gnuplot, data and script are written and the terminal is drawn on"
    failed=$((failed + 1))
fi
expect 2 "name the functions" "$WEIR" plot
expect 1 "there is no activation \"magic\"" "$WEIR" plot magic
expect 1 "there is no activation \"magic\"" "$WEIR" plot gelu --against magic
expect 1 "alpha of elu is nan; it must be a finite number" "$WEIR" plot "elu(nan)"
expect 1 "beta of softplus is -1; it must be a positive number" "$WEIR" plot "softplus(-1)"
expect 1 "\"tanh(3)\" is not like elu(1.5)" "$WEIR" plot "tanh(3)"
expect 2 "ends in .svg or .png" "$WEIR" plot gelu -o picture.gif
expect 2 "is not left of" "$WEIR" plot gelu --from 3 --to 3
expect 1 "" "$WEIR" plot gelu -o no/such/folder/x.svg
finish
