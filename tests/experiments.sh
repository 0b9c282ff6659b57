#!/bin/bash
# SPDX-License-Identifier: MIT
# The papers' experiments, in their short versions: each learns, with the same numbers everywhere, and would say so if it did not; they
# need the public header alone; the document has the numbers of the results.
# ctest: full
set -eu
experiments=$WEIR_BUILD_DIR/weir-experiments
die() { echo "experiments: $*" >&2; exit 1; }

others=$(grep -hE '^#include' "$WEIR_SOURCE_DIR"/experiments/*.[ch] |
    grep -vE '<(weir|stdbool|stddef|stdint|stdarg|stdio|stdlib|string|math|time)\.h>' |
    sed 's/#include "\(.*\)"/\1/' | sort -u)
for header in $others; do
    [ -f "$WEIR_SOURCE_DIR/experiments/$header" ] || die "includes $header, which is not its own"
done

"$experiments" --quick >quick.jsonl || die "a short version has not learned"
sed 's/, "seconds".*//' quick.jsonl >quick.txt
diff -u "$WEIR_SOURCE_DIR/tests/experiments.txt" quick.txt || die "the numbers are not those of tests/experiments.txt"

if "$experiments" --quick gts --budget 64 >few.jsonl 2>few.err; then
    die "64 training streams were enough"
fi
grep -q 'gts, peepholes F=10, adam: after 64 sequences' few.err || die "it does not say what has not learned: $(cat few.err)"

for arguments in "nothing-such" "--seeds 0" "--seeds" "--no-such-option"; do
    # shellcheck disable=SC2086 # split on purpose
    status=0 && "$experiments" $arguments >wrong.out 2>wrong.err || status=$?
    [ "$status" = 2 ] || die "status $status for wrong arguments: $arguments"
done
"$experiments" --list | grep -q '^greff  *NP  *adam' || die "--list lacks a trial"

"$PYTHON" "$WEIR_SOURCE_DIR/experiments/tables.py" --check
echo "experiments: $(wc -l <quick.txt) short versions learned"
