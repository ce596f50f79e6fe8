#!/usr/bin/awk -f
# table.awk FILE - the last losses and the lowest ones of the runs in a loss.csv, without dropout
# and with it: the mean over the seeds, and from where to where they go.
BEGIN { FS = "," }
FNR == 1 { next }
{
  run = $2 "," $1
  last["train loss", run] = $6
  last["validation loss", run] = $7
  if (!(run in drop) || $7 < last["lowest validation loss", run])
    last["lowest validation loss", run] = $7
  drop[run] = $2
}
function describe(row, p, run, n, sum, least, most, value) {
  n = sum = 0
  for (run in drop) {
    if (drop[run] != p) continue
    value = last[row, run]
    if (n == 0 || value < least) least = value
    if (n == 0 || value > most) most = value
    sum += value
    ++n
  }
  return n == 0 ? "" : sprintf("%.3f (%.3f .. %.3f)", sum / n, least, most)
}
END {
  for (run in drop) if (drop[run] != 0) p = drop[run]
  printf "%-26s  %-26s  %s\n", "", "no dropout", "dropout, p = " p
  count = split("train loss;validation loss;lowest validation loss", rows, ";")
  for (k = 1; k <= count; ++k)
    printf "%-26s  %-26s  %s\n", rows[k], describe(rows[k], 0), describe(rows[k], p)
}
