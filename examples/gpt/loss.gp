# loss.gp - the curves of gpt_loss.csv as gpt_loss.png: runs thin, the mean of a rate thick.
#
#   gnuplot -c examples/gpt/loss.gp out

out = ARGC > 0 ? ARG1 : 'out'
curves = out.'/gpt_loss.csv'

set datafile separator ','
set terminal pngcairo size 1200,560 font 'sans,13'
set output out.'/gpt_loss.png'
set border 3
set tics nomirror
set grid ytics linetype 1 linewidth 1 linecolor rgb '#d8d8d8'
set xlabel 'step'
set xrange [0:*]

# Columns: 1 seed, 2 rate, 5 step, 6 train loss, 7 validation loss. "smooth unique" takes the mean
# over the seeds.
array name[2] = ['no dropout', 'dropout']
array colour[2] = ['#c8501e', '#1f5fa8']
array pale[2] = ['#eebfa8', '#a9c3e0']
of_rate(k, loss) = (column(2) > 0) == (k == 2) ? column(loss) : NaN
of_run(k, seed, loss) = column(1) == seed ? of_rate(k, loss) : NaN

set multiplot layout 1,2
do for [loss = 6:7] {
  set title loss == 6 ? 'text that trains' : 'text that validates'
  set ylabel 'loss (negative log-likelihood of a byte)'
  set yrange [0:*]
  set key at graph 0.97, graph 0.95 right top
  plot for [k = 1:2] for [seed = 1:3] curves every ::1 using 5:(of_run(k, seed, loss)) \
         with lines linewidth 1 linecolor rgb pale[k] notitle, \
       for [k = 1:2] curves every ::1 using 5:(of_rate(k, loss)) smooth unique \
         with lines linewidth 3 linecolor rgb colour[k] title name[k].', mean'
}
unset multiplot
