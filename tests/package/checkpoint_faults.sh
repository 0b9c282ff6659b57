#!/bin/bash
# SPDX-License-Identifier: MIT
# A training that writes a checkpoint over an older one is killed at every system call, every call fails, and writes are cut short: the file
# is then the old one or the new one, whole, a failure is said in a sentence, and the training goes on from either to the same model.
set -eu
. "$(dirname "$0")/libfaults.sh"
build_traced checkpoint/training.c training
rm -rf files whole old new one && mkdir files
"$program" begin old
"$program" end old whole
cp old new
"$program" go new
cmp -s old new && { echo "checkpoint_faults: nothing was written"; exit 1; }

fail() {
    echo "checkpoint_faults: $fault number $when: $1" >&2
    cat err.txt >&2
    exit 1
}

# look STATUS...: what there must be after a fault; counts what was kept.
injected=0 kept=0 replaced=0
look() {
    injected=$((injected + 1))
    if cmp -s files/checkpoint new; then
        replaced=$((replaced + 1))
    elif cmp -s files/checkpoint old; then
        kept=$((kept + 1))
    else
        fail "the checkpoint is neither the old one nor the new one"
    fi
}
for file in old new; do # what is one of these goes on to the same bytes
    cp $file one
    "$program" end one model
    cmp -s model whole || { echo "checkpoint_faults: $file goes on to another model"; exit 1; }
done

# Every system call that the program makes, by its name, and the two that writing stands and falls with.
strace -o trace.txt "$program" end old model
cp old one
strace -o trace.txt "$program" go one
calls=$(sed -n 's/^\([a-z0-9_]*\)(.*/\1/p' trace.txt | grep -vE '^(execve|exit_group|arch_prctl)$' | sort -u)
for call in write fsync rename openat close; do
    echo "$calls" | grep -qx $call || { echo "checkpoint_faults: $call was not called"; exit 1; }
done

# Killed at every one of them
for fault in $calls; do
    for ((when = 1; when <= 100; when++)); do
        cp old files/checkpoint
        { strace -o trace.txt -e trace="$fault" -e inject="$fault:signal=KILL:when=$when" "$program" go files/checkpoint >out.txt || true; } 2>err.txt
        grep -q "killed by SIGKILL" trace.txt || break
        look
        rm -rf files/*
    done
done
killed=$injected
echo "killed at $killed system calls: $kept times the old checkpoint, $replaced times the new one"
[ $kept -ge 20 ] && [ $replaced -ge 1 ]

# Every one fails
injected=0 kept=0 replaced=0
for fault in openat:EACCES openat:EINTR write:ENOSPC write:EIO write:EINTR fstat:EIO newfstatat:EIO fchmod:EPERM fsync:EIO fsync:ENOSPC fsync:EINTR \
    close:EIO close:EINTR rename:EIO rename:EINTR rename:ENOSPC; do
    for ((when = 1; when <= 100; when++)); do
        cp old files/checkpoint
        status=0
        strace -o trace.txt -e trace="${fault%:*}" -e inject="${fault%:*}:error=${fault#*:}:when=$when" \
            "$program" go files/checkpoint >out.txt 2>err.txt || status=$?
        grep -q INJECTED trace.txt || break
        before=$kept
        look
        if [ $status -gt 1 ] && [ $status != 127 ]; then # 127: the system could not start the program
            fail "status $status"
        elif [ $status = 0 ] && [ $kept != $before ]; then
            fail "it says nothing, and the checkpoint is the old one"
        elif [ $status = 1 ] && ! grep -qE '^training: .*files/checkpoint: |^training: cannot' err.txt; then
            fail "no sentence says what could not be done"
        elif [ "$(ls files)" != checkpoint ]; then
            fail "there is more: $(ls files)"
        fi
        rm -rf files/*
    done
    case $fault in *:EINTR) [ $status = 0 ] || fail "a signal ended it" ;; esac
done
echo "$injected calls failed: $kept times the old checkpoint, $replaced times the new one"
[ $kept -ge 20 ] && [ $replaced -ge 10 ]

# A system that says it wrote more than it did; and one that writes a few bytes at a time
injected=0 kept=0
for said in 0 1 1000; do
    for ((when = 1; when <= 100; when++)); do
        fault=write:$said
        cp old files/checkpoint
        status=0
        strace -o trace.txt -e trace=write -e inject="write:retval=$said:when=$when" "$program" go files/checkpoint >out.txt 2>err.txt || status=$?
        grep -q INJECTED trace.txt || break
        look
        [ $status = 1 ] || fail "status $status"
        grep -q "cannot write files/checkpoint: Input/output error" err.txt || fail "no sentence says what could not be done"
    done
done
echo "$injected writes were not what the system said: $kept times the old checkpoint"
[ $kept -ge 10 ] && [ $kept = $injected ]
cat >short.c <<'SHORT'
#include <sys/syscall.h>
#include <unistd.h>
ssize_t write(int fd, const void *bytes, size_t size)
{
    return syscall(SYS_write, fd, bytes, size > 7 ? size / 2 : size);
}
SHORT
"$CC" -shared -fPIC short.c -o short.so
cp old files/checkpoint
LD_PRELOAD=$PWD/short.so "$program" go files/checkpoint
cmp files/checkpoint new
