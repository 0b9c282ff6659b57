#!/bin/bash
# SPDX-License-Identifier: MIT
# Every source file is clean under clang too (gcc's warnings are errors in the build itself).
set -eu
cd "$WEIR_SOURCE_DIR"
if ! command -v clang >/dev/null; then
    echo "skipped: there is no clang"
    exit 77
fi
find src cli experiments tests/unit -name '*.c' -print0 |
    xargs -0 -n 1 -P 2 clang -std=c11 -fsyntax-only -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
        -Werror -D_GNU_SOURCE -DWEIR_SOURCE_DIR='"."' -DWEIR_MPI_FOLDER='"."' -Iinclude -Isrc -Icli -Impi -Itests/unit -Itests
