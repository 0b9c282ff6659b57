# SPDX-License-Identifier: MIT
# What the tests of the command share. WEIR is the command; each test runs in a folder of its own.
set -u
failed=0
cases=0
rm -rf work && mkdir work && cd work || exit 1

# expect STATUS PATTERN COMMAND...: runs it, wants this exit status, and PATTERN (a fixed string, "" for any) in output or errors.
expect() {
    wanted=$1 pattern=$2
    shift 2
    cases=$((cases + 1))
    "$@" >out.txt 2>&1 </dev/null
    status=$?
    if [ "$status" != "$wanted" ]; then
        echo "FAILED: status $status, not $wanted: $*"
        head -n 5 out.txt
        failed=$((failed + 1))
    elif [ -n "$pattern" ] && ! grep -qF -- "$pattern" out.txt; then
        echo "FAILED: no \"$pattern\" from: $*"
        head -n 5 out.txt
        failed=$((failed + 1))
    fi
}

# check WHAT COMMAND...: the command must succeed.
check() {
    what=$1
    shift
    cases=$((cases + 1))
    if ! "$@" >check.txt 2>&1; then
        echo "FAILED: $what"
        head -n 5 check.txt
        failed=$((failed + 1))
    fi
}

# wait_for SECONDS COMMAND...: until it succeeds; fails if it has not by then.
wait_for() {
    tries=$(($1 * 50))
    shift
    until "$@"; do
        [ $tries -gt 0 ] || return 1
        sleep 0.02
        tries=$((tries - 1))
    done
}

finish() {
    echo "$((cases - failed)) of $cases cases passed"
    [ "$failed" = 0 ]
}

# A text that can be learned: 9 kB.
make_text() {
    i=0
    while [ $i -lt 200 ]; do
        echo "the weir decides how much of the river goes on"
        i=$((i + 1))
    done
}

# 240 months of a wave on a rising line, with a second column.
make_series() {
    awk 'BEGIN { print "month,flow,rain"; for (i = 0; i < 240; i++)
        printf "%04d-%02d,%.3f,%.3f\n", 1990 + int(i / 12), i % 12 + 1, 50 + 0.05 * i + 10 * sin(i * 6.2831853 / 12) + (i * 7919 % 13) / 6, 5 + 3 * cos(i * 6.2831853 / 12) }'
}

# 60 short sequences of two classes, 8 to 15 rows each: rising or falling.
make_labels() {
    awk 'BEGIN { print "id,value,label"; for (s = 0; s < 60; s++) { n = 8 + s % 8; up = s * 37 % 2; for (t = 0; t < n; t++)
        printf "s%d,%.3f,%s\n", s, (up ? t : n - t) / n + (s * 31 + t * 17) % 10 / 20, up ? "up" : "down" } }'
}
