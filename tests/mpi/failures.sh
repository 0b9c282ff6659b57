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

        # Settings that are not the same for all, and wrong ones, said once.
        # shellcheck disable=SC2016 # for the shell of each process
        expect 1 "" launch "$mpi" 2 sh -c '"$@" --seed "$((7 + ${OMPI_COMM_WORLD_RANK:-$PMI_RANK}))"' sh "$WEIR" train text.txt -o model.weir $small
        says 1 "^weir: rank 1 on [^ ]*: its options or its version of weir are not those of rank 0"
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

# A process that is killed ends the others; the last checkpoint is whole, and goes on to the bytes of a training that nothing happened to. A signal
# to one process stops all, with one more checkpoint.
long="text.txt --hidden 24 --batch 8 --steps 16 --epochs 8 --shards 4 --threads 1"
# shellcheck disable=SC2016 # for the shell of each process
with_pid='echo $$ >"pid$((${OMPI_COMM_WORLD_RANK:-$PMI_RANK}))" && exec "$@"'

ended() {
    ! kill -0 "$1" 2>/dev/null
}

# gone FILE: a launcher may end a moment before what it launched
gone() {
    wait_for 10 ended "$(cat "$1")"
}

# strike SIGNAL RANK COMMAND...: once there is a checkpoint
strike() {
    signal=$1 rank=$2
    shift 2
    rm -f pid0 pid1 hit.weir*
    "$@" >out.txt 2>&1 &
    launcher=$!
    wait_for 30 test -e hit.weir.checkpoint
    kill "-$signal" "$(cat "pid$rank")"
    wait $launcher
    struck=$?
}

# shellcheck disable=SC2086
expect 0 "" "$WEIR" train $long -o whole.weir
for mpi in $implementations; do
    for signal in KILL TERM USR1; do
        # shellcheck disable=SC2086
        strike $signal 1 launch "$mpi" 2 sh -c "$with_pid" sh "$WEIR" train $long -o hit.weir --checkpoint-steps 20
        check "$mpi: the launcher says so after $signal" test $struck != 0
        check "$mpi: no process is left after $signal" gone pid0
        [ $signal = KILL ] || check "$mpi: $signal to one is said once" test "$(grep -c "^weir: to go on: weir train --resume hit.weir.checkpoint" out.txt)" = 1
        [ $signal = USR1 ] || check "$mpi: goes on after $signal" launch "$mpi" 2 "$WEIR" train --resume hit.weir.checkpoint
        [ $signal = USR1 ] && check "$mpi: goes on alone after $signal" "$WEIR" train --resume hit.weir.checkpoint
        check "$mpi: the same bytes after $signal" cmp whole.weir hit.weir
    done
done

# Built without the MPI whose launcher started it.
cp "$WEIR" weir
expect 1 "there is no libweir-mpi-mpich.so" env PMI_RANK=0 PMI_SIZE=2 ./weir train text.txt -o model.weir
expect 1 "srun started 4 processes without telling them of each other" env SLURM_STEP_NUM_TASKS=4 "$WEIR" train text.txt -o model.weir
expect 0 "" env SLURM_STEP_NUM_TASKS=4 "$WEIR" train text.txt -o model.weir --mpi none --epochs 1 --hidden 4
expect 2 "mpi" "$WEIR" train text.txt -o model.weir --mpi pvm
finish
