#!/bin/bash
# SPDX-License-Identifier: MIT
# The same command with any number of processes and threads, resumed or not, writes the same bytes, under both implementations of MPI.
. "$(dirname "$0")/../cli/lib.sh"
. "$(dirname "$0")/lib.sh"

make_text >text.txt
make_labels >labels.csv
text="text.txt --hidden 16 --batch 9 --steps 16 --epochs 2 --dropout 0.1 --quiet"
labels="labels.csv --hidden 8 --batch 7 --epochs 3 --head-dropout 0.1 --direction both --optimizer sgd --quiet"

# one_hash NAME OPTIONS...: a model of one process, then of {1, 2, 4} x {1, 2} by each MPI; then from a checkpoint of the middle
one_hash() {
    name=$1
    shift
    check "$name by one process" "$WEIR" train "$@" -o "$name.weir" --threads 1
    for mpi in $implementations; do
        for ranks in 1 2 4; do
            for threads in 1 2; do
                check "$name by $ranks processes of $mpi" launch "$mpi" "$ranks" "$WEIR" train "$@" -o many.weir --threads "$threads"
                check "$name: $ranks processes of $threads threads of $mpi give the same bytes" cmp "$name.weir" many.weir
                rm -f many.weir
            done
        done
    done
}

# same_numbers A B: the bytes behind the header of two checkpoints
same_numbers() {
    "$PYTHON" -c '
import struct, sys
a, b = (open(name, "rb").read() for name in sys.argv[1:])
assert a[8 + struct.unpack("<Q", a[:8])[0]:] == b[8 + struct.unpack("<Q", b[:8])[0]:] and len(a) > 10000' "$1" "$2"
}

# resumed NAME: from NAME.checkpoint, which 2 processes of an MPI wrote
resumed() {
    for mpi in $implementations; do
        for ranks in 1 2 4; do
            for threads in 1 2; do
                cp "$1.checkpoint" copy.checkpoint
                check "$1 resumed by $ranks processes of $mpi" launch "$mpi" "$ranks" "$WEIR" train --resume copy.checkpoint --checkpoint copy.checkpoint \
                    -o resumed.weir --threads "$threads"
                check "$1: $ranks processes of $threads threads of $mpi go on to the same bytes" cmp "$1.weir" resumed.weir
                rm -f resumed.weir
            done
        done
    done
    cp "$1.checkpoint" copy.checkpoint
    check "$1 resumed without MPI" "$WEIR" train --resume copy.checkpoint --checkpoint copy.checkpoint -o resumed.weir
    check "$1: one process goes on to the same bytes" cmp "$1.weir" resumed.weir
}
# shellcheck disable=SC2086 # options, one by one
one_hash text $text --shards 8
# shellcheck disable=SC2086
one_hash labels $labels --shards 4

# A text carries its state from batch to batch, so the checkpoint has that of all processes.
for mpi in $implementations; do
    # shellcheck disable=SC2086
    check "a checkpoint by 2 processes of $mpi" launch "$mpi" 2 "$WEIR" train $text --shards 8 -o kept.weir --checkpoint "$mpi.checkpoint" --checkpoint-steps 25 --keep 2
    check "a training with checkpoints by $mpi" cmp text.weir kept.weir
done
set -- $implementations
if [ $# = 2 ]; then
    check "the checkpoints have the same numbers" same_numbers openmpi.checkpoint.1 mpich.checkpoint.1
fi
mv "$1.checkpoint.1" text.checkpoint
resumed text

# Processes that do not divide the shards; another number of shards gives other bytes.
for mpi in $implementations; do
    # shellcheck disable=SC2086
    check "3 processes of $mpi" launch "$mpi" 3 "$WEIR" train $text --shards 8 -o three.weir
    check "3 processes share 8 shards" cmp text.weir three.weir
done
# shellcheck disable=SC2086
check "other shards" "$WEIR" train $text --shards 2 -o other.weir
check "shards count" sh -c '! cmp -s text.weir other.weir'
finish
