# loss.gp - the curves of loss.csv as loss.png: runs thin, the mean of a network thick.
#
#   gnuplot -c examples/mlp_fashion/loss.gp out

out = ARGC > 0 ? ARG1 : 'out'
curves = out.'/loss.csv'

set datafile separator ','
stats curves using 1 every ::1 nooutput # the first line holds the names
runs = int(STATS_max)

set terminal pngcairo size 1200,560 font 'sans,13'
set output out.'/loss.png'
set border 3
set tics nomirror
set grid ytics linetype 1 linewidth 1 linecolor rgb '#d8d8d8'
set xlabel 'epoch'
set xrange [0:*]

# Columns: 1 run, 2 network, 6 epoch, 7 train loss, 8 test loss. The first half of the
# runs are those without dropout; "smooth unique" takes the mean over the runs.
array network[2] = ['no dropout', 'dropout']
array colour[2] = ['#c8501e', '#1f5fa8']
array pale[2] = ['#eebfa8', '#a9c3e0']
which(r) = 1 + 2 * (r - 1) / runs
of_run(r, loss) = column(1) == r ? column(loss) : NaN
of_network(k, loss) = strcol(2) eq network[k] ? column(loss) : NaN

set multiplot layout 1,2
do for [loss = 7:8] {
  set title loss == 7 ? 'training images' : 'test images'
  set ylabel 'loss (negative log-likelihood of an image)'
  set yrange [0:*]
  set key at graph 0.97, graph loss == 7 ? 0.95 : 0.18 right top
  plot for [r = 1:runs] curves every ::1 using 6:(of_run(r, loss)) \
         with lines linewidth 1 linecolor rgb pale[which(r)] notitle, \
       for [k = 1:2] curves every ::1 using 6:(of_network(k, loss)) smooth unique \
         with lines linewidth 3 linecolor rgb colour[k] title network[k].', mean'
}
unset multiplot
