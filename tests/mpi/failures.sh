#!/bin/bash
# SPDX-License-Identifier: MIT
# What one process of several cannot do ends all of them, with one sentence that says which, and without a wait.
. "$(dirname "$0")/../cli/lib.sh"
. "$(dirname "$0")/lib.sh"

make_text >text.txt
mkdir rank0 rank1 rank2
cp text.txt rank0
cp text.txt rank1
small="--hidden 8 --batch 8 --steps 16 --epochs 1 --shards 4 --threads 1"

# says COUNT PATTERN: the last command's sentences of weir
says() {
    cases=$((cases + 1))
    if [ "$(grep -c '^weir' out.txt)" != "$1" ] || ! grep -q -- "$2" out.txt; then
        echo "FAILED: not $1 line of weir with \"$2\":"
        cat out.txt
        failed=$((failed + 1))
    fi
}

for mpi in $implementations; do
    # shellcheck disable=SC2086 # options, one by one
    {
        # A file that two of three can read, that is another one for one of them, and one that is no file.
        expect 1 "" launch "$mpi" 3 sh -c "$in_folders" sh "$WEIR" train text.txt -o model.weir $small
        says 1 "^weir: rank 2 on [^ ]*: text.txt cannot be read: No such file"
        sed 's/river/rover/' text.txt >rank2/text.txt
        expect 1 "" launch "$mpi" 3 sh -c "$in_folders" sh "$WEIR" train text.txt -o model.weir $small
        says 1 "^weir: rank 2 on [^ ]*: text.txt is another file here than for rank 0"
        rm rank2/text.txt
        expect 1 "" launch "$mpi" 2 "$WEIR" train /dev/null -o model.weir $small
        says 1 "is no regular file"

        # Wrong settings, said once.
        expect 1 "" launch "$mpi" 2 "$WEIR" train text.txt -o model.weir --hidden 8
        says 1 "2 processes need --shards N, with N at least 2"
        expect 1 "" launch "$mpi" 3 "$WEIR" train text.txt -o model.weir $small --shards 2
        says 1 "3 processes cannot share 2 shards"
        expect 2 "" launch "$mpi" 2 "$WEIR" train text.txt -o model.weir --shards 0
        says 1 "shards takes"

        # A place that the first process cannot write to, and a loss that all see is not finite.
        expect 1 "" launch "$mpi" 2 "$WEIR" train text.txt -o none/model.weir $small
        says 1 "none/model.weir"
        expect 1 "" launch "$mpi" 2 "$WEIR" train text.txt -o model.weir $small --quiet --optimizer sgd --rate 1e6 --weight-decay 1e6
        says 1 "is not finite"
    }
done

# Built without the MPI whose launcher started it.
cp "$WEIR" weir
expect 1 "there is no libweir-mpi-mpich.so" env PMI_RANK=0 PMI_SIZE=2 ./weir train text.txt -o model.weir
expect 1 "srun started 4 processes without telling them of each other" env SLURM_STEP_NUM_TASKS=4 "$WEIR" train text.txt -o model.weir
expect 0 "" env SLURM_STEP_NUM_TASKS=4 "$WEIR" train text.txt -o model.weir --mpi none --epochs 1 --hidden 4
expect 2 "mpi" "$WEIR" train text.txt -o model.weir --mpi pvm
finish
