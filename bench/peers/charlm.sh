#!/bin/sh
# SPDX-License-Identifier: MIT
# Trains a character model (2 x 128, no peepholes) on a text with Weir, then with PyTorch by the same recipe (charlm.py):
#     sh bench/peers/charlm.sh TEXT [BUILD [FOLDER [THREADS [EPOCHS]]]]
# Prints the wall time of both, their ratio and both validation losses; the logs stay in FOLDER. Weir's time is that of the whole command,
# PyTorch's leaves out its start. PYTHON names the Python that has torch.
set -eu
[ $# -gt 0 ] || { echo "usage: charlm.sh TEXT [BUILD [FOLDER [THREADS [EPOCHS]]]]" >&2 && exit 2; }
text=$1
build=${2:-build/release}
folder=${3:-build/bench}
threads=${4:-1}
epochs=${5:-10}
here=$(dirname "$0")
venv=$here/../../build/peers-venv
if [ -z "${PYTHON:-}" ]; then
    PYTHON=/usr/bin/python3
    [ ! -x "$venv/bin/python" ] || PYTHON=$venv/bin/python
fi
mkdir -p "$folder"
export OMP_NUM_THREADS="$threads"

# last FIELD FILE: of the last epoch
last() { tail -n 1 "$2" | sed -n "s/.*\"$1\": *\([0-9.e+-]*\).*/\1/p"; }

begin=$(date +%s.%N)
"$build/weir" train "$text" -o "$folder/charlm.weir" --task text --no-peepholes --hidden 128 --layers 2 --batch 50 --steps 64 --rate 0.002 \
    --schedule constant --dropout 0 --head-dropout 0 --clip 5 --epochs "$epochs" --threads "$threads" --log "$folder/charlm-weir.jsonl" --quiet
end=$(date +%s.%N)
torch=$("$PYTHON" "$here/charlm.py" "$text" "$folder/charlm-pytorch.jsonl" "$threads" "$epochs")
version=$("$PYTHON" -c 'import torch; print(torch.__version__.split("+")[0])')
echo "$begin $end $torch $threads $epochs $version $(last valid_loss "$folder/charlm-weir.jsonl") $(last valid_loss "$folder/charlm-pytorch.jsonl")" |
    awk '{ printf "%d threads, %d epochs: Weir %.1f s, PyTorch %s %.1f s, ratio %.3f; validation loss Weir %.4f, PyTorch %.4f\n",
           $4, $5, $2 - $1, $6, $3, ($2 - $1) / $3, $7, $8 }'
