#!/bin/bash
# SPDX-License-Identifier: MIT
# Every system call with which a model is saved fails once, at each place: the file is then the old one or the new one, whole; the
# program says so and no temporary file stays.
set -eu
. "$(dirname "$0")/libfaults.sh"
build_traced consumer/consumer.c consumer
rm -rf files new.weir && mkdir files
"$program" new.weir >/dev/null

fail() {
    echo "faults: $1 after $fault number $when" >&2
    cat err.txt >&2
    exit 1
}

injected=0 kept=0
for fault in openat:EACCES write:ENOSPC write:EIO fchmod:EPERM fsync:EIO close:EIO rename:EACCES; do
    for ((when = 1; when <= 20; when++)); do
        echo old >files/model.weir
        status=0
        strace -o trace.txt -e trace="${fault%:*}" -e inject="${fault%:*}:error=${fault#*:}:when=$when" \
            "$program" files/model.weir >out.txt 2>err.txt || status=$?
        grep -q INJECTED trace.txt || break
        injected=$((injected + 1))
        if [ $status -gt 1 ] && [ $status != 127 ]; then # 127: the system could not start the program
            fail "status $status"
        elif [ $status != 0 ] && [ ! -s err.txt ]; then
            fail "nothing was said"
        elif [ "$(ls files)" != model.weir ]; then
            fail "there is more: $(ls files)"
        elif cmp -s files/model.weir new.weir; then
            continue
        elif [ $status = 0 ] || [ "$(cat files/model.weir)" != old ]; then
            fail "the file is neither the old one nor the new one"
        fi
        kept=$((kept + 1))
    done
done
echo "$injected faults, $kept of them before the new file was in place"
[ $kept -ge 6 ] && [ $injected -gt $kept ]
