#!/bin/sh
# SPDX-License-Identifier: MIT
# weir study: the same numbers for the same seed, and those that mathematics knows. ctest: quick
. "$(dirname "$0")/lib.sh"

"$WEIR" study --quick --json >one.json 2>/dev/null
"$WEIR" study --quick --json >two.json 2>/dev/null
check "the study keeps to mathematics" python3 - <<'EOF'
import json, math
one, two = json.load(open("one.json")), json.load(open("two.json"))
assert [c for c in one if c["claim"] != "cost"] == [c for c in two if c["claim"] != "cost"], "two runs differ"
t = {c["claim"]: {r[0]: r[1:] for r in c["rows"]} for c in one}
near = lambda got, want, by: abs(got - want) <= by or exit(f"{got} is not {want}")
assert len(t["normal"]) == 16 and len(t["cost"]) == 16
near(t["normal"]["relu"][0], 0.5, 0.002)                              # zeros
near(t["normal"]["relu"][2], 1 / math.sqrt(2 * math.pi), 0.002)       # mean
near(t["normal"]["gelu"][2], 1 / math.sqrt(4 * math.pi), 0.002)       # E[x Phi(x)] = 1 / (2 sqrt pi)
near(t["normal"]["selu"][2], 0, 0.004)
near(t["normal"]["selu"][3], 1, 0.004)
logit = 0.5 - math.sqrt(0.25 - 1e-3)                                  # s (1 - s) = 1e-3
near(t["saturation"]["sigmoid"][1], math.log((1 - logit) / logit), 1e-4)
near(t["saturation"]["tanh"][1], math.atanh(math.sqrt(1 - 1e-3)), 1e-4)
near(t["saturation"]["elu"][0], math.log(1e-3), 1e-4)
assert t["saturation"]["relu"] == [0, None] and t["saturation"]["identity"] == [None, None], "flat on a side is not never flat"
near(t["gelu_gap"]["gelu"][0], 4.7324e-4, 1e-8)
near(t["gelu_gap"]["gelu"][1], 2.699, 2e-3)
near(t["smoothness"]["relu"][0], 1, 0)
near(t["smoothness"]["elu"][0], 0, 1e-6)
for name in ("selu, LeCun", "selu, AlphaDropout"):
    near(t["moments"][name][2], 0, 0.1)
    near(t["moments"][name][3], 1, 0.15)
assert t["moments"]["selu, He"][3] > 10 and t["moments"]["selu, plain dropout"][3] > 1.3
assert t["gradient"]["sigmoid"][2] < 1e-20 < 1e-3 < t["gradient"]["selu"][2]
assert t["dead_at_high_rate"]["leaky_relu"][0] == 0
EOF
expect 0 "gelu_gap" "$WEIR" study relu "elu(0.5)" --quick
check "only those named are studied" sh -c "! grep -q '^mish ' out.txt && grep -q '^elu(0.5)' out.txt"
expect 1 "there is no activation \"magic\"" "$WEIR" study magic
expect 2 "--seed takes a whole number" "$WEIR" study --seed x
finish
