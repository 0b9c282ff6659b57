#!/bin/bash
# SPDX-License-Identifier: MIT
# What the shared libraries export is what symbols.txt lists, one name a line:
#     SONAME public NAME      declared in weir.h
#     SONAME internal NAME    weir__..., for libweir-format's use only: no part of the interface, and may change with any version
# Every public name is declared in weir.h, and every function that weir.h declares is public. A name that goes away breaks the programs that
# use it. To record a change that is meant, after a build with shared libraries:
#     bash tests/package/symbols.sh --record
set -eu
export LC_ALL=C
source_dir=${WEIR_SOURCE_DIR:-$(cd "$(dirname "$0")/../.." && pwd)}
recorded=$source_dir/tests/package/symbols.txt
fail() { echo "symbols: $*" >&2; exit 1; }

library=${WEIR_LIBRARY:-} format=${WEIR_FORMAT_LIBRARY:-}
if [ "${1:-}" = --record ] && [ -z "$library" ]; then
    build=${WEIR_BUILD_DIR:-$source_dir/build/dev}
    library=$build/libweir.so format=$build/libweir-format.so
    [ -e "$library" ] && [ -e "$format" ] || fail "$build has no libweir.so and libweir-format.so; run ./run build dev first"
elif [ -z "$library" ]; then
    echo "skipped: this build has no shared libraries"
    exit 77
fi

# Functions with WEIR_API, after the preprocessor: some names are made by macros.
declared() {
    ${CC:-cc} -E -P "$source_dir/include/weir.h" | tr '\n' ' ' | tr ';{}' '\n\n\n' | grep -F visibility |
        sed 's/__attribute__((visibility("default")))//g' | grep -oE 'weir_[a-z0-9_]+ *\(' | tr -d ' (' | sort -u
}

# exported LIBRARY: every dynamic name that it defines
exported() {
    local soname
    soname=$(objdump -p "$1" | sed -n 's/ *SONAME *//p')
    nm -D --defined-only "$1" | sed 's/.* //; s/@.*//' | sort -u | while read -r name; do
        case $name in
        weir__*) echo "$soname internal $name" ;;
        *) echo "$soname public $name" ;;
        esac
    done
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
{ exported "$library"; exported "$format"; } | sort >"$work/now"
declared >"$work/declared"
[ "$(wc -l <"$work/declared")" -gt 100 ] || fail "weir.h's declarations were not found"
awk '$2 == "public" { print $3 }' "$work/now" | sort -u >"$work/public"

bad=0
for name in $(comm -23 "$work/declared" "$work/public"); do
    echo "symbols: weir.h declares $name, but no library exports it"
    bad=1
done
for name in $(comm -13 "$work/declared" "$work/public"); do
    echo "symbols: a library exports $name, which weir.h does not declare; make it static, or declare it"
    bad=1
done
[ $bad = 0 ] || exit 1

if [ "${1:-}" = --record ]; then
    cp "$work/now" "$recorded"
    echo "symbols: recorded $(wc -l <"$recorded") names"
    exit
fi
sort "$recorded" >"$work/recorded"
if ! cmp -s "$work/recorded" "$work/now"; then
    comm -23 "$work/recorded" "$work/now" | sed 's/^/symbols: missing:  /'
    comm -13 "$work/recorded" "$work/now" | sed 's/^/symbols: too many: /'
    fail "the exported names are not those of tests/package/symbols.txt; if that is meant, record them: bash tests/package/symbols.sh --record"
fi
echo "symbols: $(grep -c ' public ' "$recorded") public names and $(grep -c ' internal ' "$recorded") internal ones, as recorded"
