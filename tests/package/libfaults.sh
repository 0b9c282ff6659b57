# SPDX-License-Identifier: MIT
# What the tests of failing system calls share.

# build_traced SOURCE NAME: makes the program NAME of a source in this folder, with the static libraries, and says where it is in $program. Without
# strace the test is skipped.
build_traced() {
    program=$PWD/$2
    "$CC" -std=c11 -I"$WEIR_SOURCE_DIR/include" "$WEIR_SOURCE_DIR/tests/package/$1" \
        "$WEIR_BUILD_DIR"/libweir-format.a "$WEIR_BUILD_DIR"/libweir.a $(pkg-config --libs jansson) -lprotobuf-nanopb -lm -o "$program"
    if ! strace -o trace.txt true 2>/dev/null; then
        echo "skipped: strace is missing or may not trace here"
        exit 77
    fi
}
