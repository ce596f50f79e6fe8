# near.sh - sourced: near CURVE CURVE BOUND, are the losses of two curves (loss.csv) apart by at most
# a bound, at all of at least 4 points?
near() {
  paste -d, "$1" "$2" | awk -F, -v bound="$3" '
    function off(a, b) { return a > b ? a - b : b - a }
    NR > 1 { ++points; if (!(off($6, $13) <= bound && off($7, $14) <= bound)) far = 1 }
    END { exit far || points < 4 }'
}
