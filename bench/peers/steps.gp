# steps.gp - how long a training step takes, and what it keeps, of operators on rows, in bars, from
# compare.py --csv.
#
#   gnuplot -e "rows='out/rows.csv'; picture='out/rows.svg'; backend='host'; n=2**20" \
#     bench/peers/steps.gp
set terminal svg size 900,620 enhanced font 'sans,11' background '#ffffff'
set output picture
set datafile separator ','
set datafile columnheaders
set datafile missing NaN
names = '"cudrop" "PyTorch" "torch.compile" "JAX jit"'
colours = '#000000 #d55e00 #0072b2 #e69f00'
operators = 'fused norm attention'
set style fill solid
set boxwidth 0.18
set yrange [0:*]
set xrange [0.5:3.5]
set xtics ('fused' 1, 'norm' 2, 'attention' 3)
set grid ytics lc rgb '#dddddd'
set key above maxrows 1
place(name) = name eq 'fused' ? 1 : name eq 'norm' ? 2 : name eq 'attention' ? 3 : NaN
at(k, dtype) = strcol("peer") eq word(names, k) && strcol("dtype") eq dtype && \
  strcol("backend") eq backend && column("n") == n ? \
  place(strcol("operator")) + 0.2 * (k - 2.5) : NaN
set multiplot layout 2,2
do for [what in 'time memory'] {
  do for [dtype in 'F32 BF16'] {
    set ylabel what eq 'time' ? 'ms, forward and backward' : 'MiB kept in between'
    set title dtype
    plot for [k = 1:words(names)] rows using (at(k, dtype)): \
      (what eq 'time' ? (column("forward_ns") + column("backward_ns")) / 1e6 : \
        column("state_bytes") / 2.0**20) \
      with boxes linecolor rgb word(colours, k) title word(names, k)
  }
}
unset multiplot
