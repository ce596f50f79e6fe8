# bandwidth.gp - the bandwidth of a training step against n, a panel a type, from compare.py --csv.
#
#   gnuplot -e "rows='out/peers.csv'; picture='out/peers.svg'; backend='host'" \
#     bench/peers/bandwidth.gp
#
# Bytes are those of x, y, dy and dx, for everybody: what a peer moves beyond that is its loss.
set terminal svg size 900,420 enhanced font 'sans,11' background '#ffffff'
set output picture
set datafile separator ','
set datafile columnheaders
set datafile missing NaN # lines go on where a row is another peer's
set grid ytics lc rgb '#dddddd'
set key below maxcols 3 samplen 1.5
colours = '#000000 #d55e00 #0072b2 #009e73 #e69f00 #cc79a7 #56b4e9 #999933 #888888'
names = '"cudrop" "PyTorch" "torch.compile" "Triton" "JAX jit" "cuDNN" "cuRAND and a kernel" ' . \
  '"NumPy PCG64" "plain loop in C"'
is_it(name, dtype) = strcol("operator") eq 'dropout' && strcol("backend") eq backend && \
  strcol("dtype") eq dtype && strcol("peer") eq name
step_ns(n) = column("forward_ns") + column("backward_ns")
set logscale y 10
set logscale x 2
set format x '2^{%L}'
set multiplot layout 1,2
do for [dtype in 'F32 BF16'] {
  size = dtype eq 'F32' ? 4 : 2
  set title dtype . ', by the number of elements'
  set ylabel 'GB/s, forward and backward'
  plot for [k = 1:words(names)] rows \
    using (is_it(word(names, k), dtype) ? column("n") : NaN):(4 * column("n") * size / step_ns(0)) \
    with linespoints pointtype 7 pointsize 0.5 linewidth (k == 1 ? 2.5 : 1.2) \
    linecolor rgb word(colours, k) title word(names, k)
}
unset multiplot
