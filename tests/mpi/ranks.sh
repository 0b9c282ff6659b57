#!/bin/bash
# SPDX-License-Identifier: MIT
# The same command with any number of processes and threads writes the same bytes, under both implementations of MPI.
. "$(dirname "$0")/../cli/lib.sh"
. "$(dirname "$0")/lib.sh"

make_text >text.txt
make_labels >labels.csv
text="text.txt --hidden 16 --batch 9 --steps 16 --epochs 2 --dropout 0.1 --quiet"
labels="labels.csv --hidden 8 --batch 7 --epochs 3 --head-dropout 0.1 --direction both --optimizer sgd --quiet"

# one_hash NAME OPTIONS...: a model of one process, then of {1, 2, 4} x {1, 2} by each MPI
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
# shellcheck disable=SC2086 # options, one by one
one_hash text $text --shards 8
# shellcheck disable=SC2086
one_hash labels $labels --shards 4

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
