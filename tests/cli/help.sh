#!/bin/sh
# SPDX-License-Identifier: MIT
# Help, usage errors, and the commands that need no data. ctest: quick
. "$(dirname "$0")/lib.sh"

expect 0 "usage: weir COMMAND" "$WEIR" --help
expect 0 "weir 0." "$WEIR" --version
expect 2 "usage: weir COMMAND" "$WEIR"
expect 2 "there is no command \"frobnicate\"" "$WEIR" frobnicate
for command in train tune eval generate forecast classify convert run info activations plot study bench; do
    expect 0 "Usage: weir $command" "$WEIR" $command --help
    expect 2 "unrecognized option" "$WEIR" $command --no-such-option
    man="$WEIR_SOURCE_DIR/docs/man/weir-$command.1.scd"
    check "a man page for $command" test -s "$man"
    # every long option that the command has stands in its man page
    "$WEIR" $command --help | grep -o -- '--[a-z][a-z-]*' | sort -u | while read -r option; do
        case $option in --help | --usage | --version) continue ;; esac
        grep -qF -- "$option" "$man" || echo "$option"
    done >undocumented.txt
    check "the man page of $command names all options, but not: $(tr '\n' ' ' <undocumented.txt)" test ! -s undocumented.txt
done
expect 2 "name the data" "$WEIR" train -o x.weir
expect 1 "data.txt cannot be read" "$WEIR" train data.txt
expect 2 "--hidden takes a whole number" "$WEIR" train data.txt -o x.weir --hidden lots
expect 2 "--hidden takes a whole number" "$WEIR" train data.txt -o x.weir --hidden 0
expect 2 "--rate takes a number" "$WEIR" train data.txt -o x.weir --rate -1
expect 2 "--optimizer takes one of adam, adamw, rmsprop, sgd" "$WEIR" train data.txt -o x.weir --optimizer magic
expect 2 "there is no activation \"magic\"" "$WEIR" train data.txt -o x.weir --gate magic
expect 2 "--dense takes UNITS:ACTIVATION" "$WEIR" train data.txt -o x.weir --dense 12
expect 2 "--isa takes one of" "$WEIR" train data.txt -o x.weir --isa mmx
expect 2 "name the model" "$WEIR" generate
expect 2 "name the model and the data" "$WEIR" eval x.weir
expect 2 "one model and one file" "$WEIR" eval a b c
expect 0 "log(1 + exp(x))" "$WEIR" activations
for name in relu leaky_relu prelu sigmoid tanh elu selu gelu gelu_tanh silu mish softplus identity scaled_tanh hard_sigmoid softsign exp expm1 log1p erf erfc; do
    expect 0 "\"name\": \"$name\"" "$WEIR" activations --json
done
finish
