# SPDX-License-Identifier: MIT
# What the tests under mpirun share. Sourced after cli/lib.sh.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_btl_base_warn_component_unused=0

# The implementations that were built and have a launcher; without one the test is skipped.
implementations=
for name in openmpi mpich; do
    if [ -e "$WEIR_BUILD_DIR/libweir-mpi-$name.so" ] && command -v "mpirun.$name" >/dev/null; then
        implementations="$implementations $name"
    fi
done
if [ -z "$implementations" ]; then
    echo "no MPI was built: libopenmpi-dev openmpi-bin or libmpich-dev mpich is missing"
    exit 77
fi

# launch IMPLEMENTATION RANKS COMMAND...: under a limit of time, so that nothing that hangs passes
launch() {
    launched=$1 ranks=$2
    shift 2
    if [ "$launched" = openmpi ]; then
        timeout -s KILL 120 mpirun.openmpi --oversubscribe --bind-to none -n "$ranks" "$@"
    else
        timeout -s KILL 120 mpirun.mpich -n "$ranks" "$@"
    fi
}

# As of a process of a launched command: in the folder of its rank.
in_folders='cd "rank$((${OMPI_COMM_WORLD_RANK:-$PMI_RANK}))" && exec "$@"'
