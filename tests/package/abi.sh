#!/bin/bash
# SPDX-License-Identifier: MIT
# The binary interface on x86-64 is what abi-x86_64.txt records: of every struct of weir.h its size, its alignment and each field's offset and
# size, every constant's value, and every function's prototype. Structs and fields are read from weir.h itself, so that none can be left out. A program that was compiled
# with the recorded header runs with a library of the same soname only if nothing here changes: a change needs another minor version
# before 1.0, another major one after. To record one that is meant:
#     bash tests/package/abi.sh --record
set -eu
export LC_ALL=C
source_dir=${WEIR_SOURCE_DIR:-$(cd "$(dirname "$0")/../.." && pwd)}
recorded=$source_dir/tests/package/abi-x86_64.txt
fail() { echo "abi: $*" >&2; exit 1; }
machine=$(${CC:-cc} -dumpmachine)
if [ "${machine%%-*}" != x86_64 ]; then
    echo "skipped: the interface is recorded for x86-64, and this compiler makes code for $machine"
    exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# A program that prints the lines of the record. Comments and line ends go first; then a declaration ends with ; and a struct with }.
tr '\n' ' ' <"$source_dir/include/weir.h" | sed 's|/\*|\n&|g; s|\*/|&\n|g' | sed '/^\/\*.*\*\/$/d' | tr '\n' ' ' | sed 's/[;{}]/&\n/g' | awk '
    BEGIN { print "#include <stdio.h>\n#include <weir.h>\nint main(void)\n{" }
    function constants(list, n, parts, i) {
        n = split(list, parts, ",")
        for (i = 1; i <= n; i++) {
            gsub(/=.*|[ }]/, "", parts[i])
            if (parts[i] != "") printf "printf(\"constant %s %%d\\n\", (int)%s);\n", parts[i], parts[i]
        }
    }
    # "type a, *b[4];" has the fields a and b; "type (*f)(...);" has f
    function fields(declaration, n, parts, i) {
        if (match(declaration, /\(\*[a-z_0-9]+\)/)) { field(substr(declaration, RSTART + 2, RLENGTH - 3)); return }
        gsub(/\[[^]]*\]|;/, "", declaration)
        n = split(declaration, parts, ",")
        for (i = 1; i <= n; i++) {
            sub(/ *$/, "", parts[i])
            sub(/.*[ *]/, "", parts[i])
            field(parts[i])
        }
    }
    function field(name) {
        printf "printf(\"field %s.%s %%zu %%zu\\n\", offsetof(%s, %s), sizeof((%s *)0)->%s);\n", within, name, within, name, within, name
    }
    /(typedef )?enum( weir_[a-z_]+)? *{$/ { listing = 1; next }
    listing { constants($0); listing = 0; next }
    /typedef struct weir_[a-z_]+ *{$/ {
        match($0, /weir_[a-z_]+/)
        within = substr($0, RSTART, RLENGTH)
        printf "printf(\"struct %s %%zu %%zu\\n\", sizeof(%s), _Alignof(%s));\n", within, within, within
        next
    }
    within != "" && /}/ { within = "" }
    within != "" { fields($0) }
    END { print "return 0;\n}" }' >"$work/abi.c"
${CC:-cc} -std=c11 -I "$source_dir/include" "$work/abi.c" -o "$work/abi" || fail "the program that weir.h gives does not compile"
{
    "$work/abi"
    ${CC:-cc} -E -P "$source_dir/include/weir.h" | tr '\n' ' ' | tr ';{}' '\n\n\n' | grep -F visibility |
        sed 's/__attribute__((visibility("default")))//; s/  */ /g; s/^ */function /; s/ *$//; s/_Bool/bool/g' | sort
} >"$work/now"
[ "$(grep -c '^struct' "$work/now")" = "$(grep -cE '^typedef struct weir_[a-z_]+ \{' "$source_dir/include/weir.h")" ] ||
    fail "not every struct of weir.h was found"

if [ "${1:-}" = --record ]; then
    cp "$work/now" "$recorded"
    echo "abi: recorded $(wc -l <"$recorded") lines"
elif ! diff "$recorded" "$work/now" >"$work/diff"; then
    sed -n 's/^< /abi: was: /p; s/^> /abi: is:  /p' "$work/diff"
    fail "the interface is not that of tests/package/abi-x86_64.txt; if that is meant, record it: bash tests/package/abi.sh --record"
else
    echo "abi: $(grep -c ^struct "$recorded") structs, $(grep -c ^field "$recorded") fields, $(grep -c ^constant "$recorded") constants and" \
        "$(grep -c ^function "$recorded") functions, as recorded"
fi
