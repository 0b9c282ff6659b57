#!/bin/bash
# SPDX-License-Identifier: MIT
# The core builds by one line, without a build system and without a warning, with gcc and with clang; and so does the README's example.
set -eu
cd "$WEIR_SOURCE_DIR"
work=$OLDPWD
sed -n '/^```c$/,/^```$/p' README.md | sed '/^```/d' >"$work/example.c"
grep -q 'int main' "$work/example.c"
for cc in gcc clang; do
    if ! command -v $cc >/dev/null; then
        echo "skipped: there is no $cc"
        exit 77
    fi
    $cc -std=c11 -O2 -ffp-contract=off -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -Iinclude "$work/example.c" \
        src/{base,kernel,model,infer,train}/*.c -lm -o "$work/example-$cc"
    "$work/example-$cc" | tee "$work/$cc.txt"
done
cmp "$work/gcc.txt" "$work/clang.txt"
