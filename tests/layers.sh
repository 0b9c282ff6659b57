#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Checks every #include against the column of layers:
#
#   layer     may include
#   base      base
#   kernel    base kernel
#   model     base kernel model
#   infer     base kernel model infer
#   train     base kernel model train
#   format    base model format          and <jansson.h>, nanopb's <pb_decode.h> and <pb_encode.h>
#   graph     base format graph          and of the layers below what <weir.h> has
#   cli       cli                        and other libraries; of Weir only <weir.h>
#   python    python                     the same
#   mpi       mpi                        and <mpi.h>; of Weir only <weir.h>. cli includes its <weir_mpi.h>
#
# The core (base to train) includes the C library's, the system's and the compiler's headers and <weir.h>, nothing else.
# Then plants one offence of each kind in a copy and checks that each is found.
set -eu
LC_ALL=C

# check ROOT: prints one line per offence; fails if there is any.
check() (
    cd "$1"
    find src cli mpi python -name '*.[ch]' -o -name '*.cpp' -o -name '*.def' | sort | xargs grep -nE '^[[:space:]]*#[[:space:]]*include' /dev/null | awk '
        BEGIN {
            allowed["base"] = "base"
            allowed["kernel"] = "base kernel"
            allowed["model"] = "base kernel model"
            allowed["infer"] = "base kernel model infer"
            allowed["train"] = "base kernel model train"
            allowed["format"] = "base model format"
            allowed["graph"] = "base format graph"
            allowed["cli"] = "cli"
            allowed["python"] = "python"
            allowed["mpi"] = "mpi"
            split("assert ctype errno float inttypes limits math stdalign stdarg stdbool stddef stdint stdio stdlib string " \
                  "fcntl unistd sys/auxv sys/stat sys/types cpuid immintrin arm_neon simde/x86/avx512 weir", names, " ")
            for (n in names) system_header[names[n] ".h"] = 1
            split("jansson pb_decode pb_encode", names, " ")
            for (n in names) format_header[names[n] ".h"] = 1
        }
        function offend(why) { print "layers: " $0 ": " why; bad = 1 }
        # "a/b/../c.h" -> "a/c.h"
        function resolve(path) {
            while (match(path, /[^\/.][^\/]*\/\.\.\//)) path = substr(path, 1, RSTART - 1) substr(path, RSTART + RLENGTH)
            return path
        }
        function layer_of(path, part) {
            split(path, part, "/")
            return part[1] == "src" ? part[2] : part[1]
        }
        {
            file = $0; sub(/:.*/, "", file)
            folder = file; sub(/[^\/]*$/, "", folder)
            layer = layer_of(file)
            core = index("base kernel model infer train", layer)
            if (!(layer in allowed)) { offend("unknown layer " layer); next }
            target = $0
            if (match(target, /<[^>]*>/)) {
                target = substr(target, RSTART + 1, RLENGTH - 2)
                if (core && !(target in system_header)) offend("the core may not include <" target ">")
                if (layer == "format" && !(target in system_header) && !(target in format_header)) offend("format may not include <" target ">")
                if (layer == "graph" && !(target in system_header)) offend("graph may not include <" target ">")
            } else if (match(target, /"[^"]*"/)) {
                target = substr(target, RSTART + 1, RLENGTH - 2)
                near = resolve(folder target)
                root = layer == "cli" || layer == "mpi" ? layer "/" : layer == "python" ? "python/src/" : "src/"
                if ((getline line < near) >= 0) { close(near); target = near }
                else if ((getline line < (root target)) >= 0) { close(root target); target = root target }
                else { offend("there is no such file"); next }
                if (index(" " allowed[layer] " ", " " layer_of(target) " ") == 0) offend(layer " may not include " layer_of(target))
            }
        }
        END { exit bad }'
)

root=$(cd "$(dirname "$0")/.." && pwd)
check "$root"

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cp -R "$root/src" "$root/cli" "$root/mpi" "$root/python" "$scratch"
cd "$scratch"
plant() {
    folder=${1%/*}
    mkdir -p "$folder"
    for kind in base infer train format graph; do mkdir -p "src/$kind"; [ -e "src/$kind/planted.h" ] || : >"src/$kind/planted.h"; done
    echo "$2" >"$1"
    if check "$scratch" >found 2>&1; then
        echo "layers: the offence '$2' in $1 was not found" >&2
        exit 1
    fi
    rm "$1"
}
plant src/base/offence.c '#include "infer/planted.h"'
plant src/base/offence.c '#include "../train/planted.h"'
plant src/base/offence.c '#include <jansson.h>'
plant src/base/offence.c '#include "base/no_such_file.h"'
plant src/infer/offence.h '#  include "train/planted.h"'
plant src/train/offence.c '#include "infer/planted.h"'
plant src/format/offence.c '#include "train/planted.h"'
plant src/format/offence.c '#include <csv.h>'
plant src/format/offence.c '#include "graph/planted.h"'
plant src/graph/offence.c '#include "infer/planted.h"'
plant src/graph/offence.c '#include <jansson.h>'
plant src/other/offence.c '#include "base/planted.h"'
plant cli/offence.c '#include "../src/base/planted.h"'
plant cli/data/offence.c '#include "base/planted.h"'
plant python/src/offence.cpp '#include "../../src/base/planted.h"'
plant python/src/offence.h '#include "../../cli/cli.h"'
plant mpi/offence.c '#include "../cli/cli.h"'
plant mpi/offence.c '#include "../src/base/base.h"'
if ! check "$scratch"; then
    echo "layers: the copy without an offence was refused" >&2
    exit 1
fi
echo "layers: every #include points downwards"
