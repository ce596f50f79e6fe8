# reliability.gp - reliability.csv as reliability.png: how often a network is right that is so
# sure, and how sure it is how often.
#
#   gnuplot -c examples/mlp_fashion/reliability.gp out
#   gnuplot -c examples/mlp_fashion/reliability.gp out NETWORK...
#
# where the names are those of the first column that are wanted, at most 6.

out = ARGC > 0 ? ARG1 : 'out'
bins = out.'/reliability.csv'

set datafile separator ','
set terminal pngcairo size 1200,560 font 'sans,13'
set output out.'/reliability.png'
set border 3
set tics nomirror
set grid ytics linetype 1 linewidth 1 linecolor rgb '#d8d8d8'
set xlabel 'confidence: the probability of the likeliest class'
set xrange [0:1]

# Columns: 1 network, 2 and 3 the bin's ends, 4 images, 5 mean confidence, 6 accuracy. A bin
# of a few images says little: it is left out on the left.
few = 20
array network[6] = ['no dropout', 'dropout', 'dropout with samples', '', '', '']
array colour[6] = ['#c8501e', '#1f5fa8', '#2e8b57', '#8040a0', '#b08a10', '#404040']
networks = 3
if (ARGC > 1) {
  networks = ARGC - 1
  array network[6] = [ARG2, ARG3, ARG4, ARG5, ARG6, ARG7]
}
share(k, value) = strcol(1) eq network[k] ? value : NaN
stats bins using (share(1, $4)) every ::1 nooutput
images = STATS_sum

set multiplot layout 1,2
set title 'is it right as often as it says?'
set ylabel 'accuracy in the bin'
set yrange [0:1]
set key at graph 0.03, graph 0.97 left top Left reverse
plot x with lines linewidth 1 dashtype 2 linecolor rgb '#606060' title 'calibrated', \
     for [k = 1:networks] bins every ::1 using 5:(share(k, $4 < few ? NaN : $6)) \
       with linespoints linewidth 3 pointtype 7 pointsize 0.8 \
       linecolor rgb colour[k] title network[k]
set title 'how sure is it?'
set ylabel 'share of the test images'
set key at graph 0.03, graph 0.97 left top Left reverse
plot for [k = 1:networks] bins every ::1 using (0.5 * ($2 + $3)):(share(k, $4 / images)) \
       with linespoints linewidth 3 pointtype 7 pointsize 0.8 \
       linecolor rgb colour[k] title network[k]
unset multiplot
