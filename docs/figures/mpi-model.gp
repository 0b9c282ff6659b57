# Draws 'mpi-model.svg': gnuplot mpi-model.gp, in this folder
set terminal svg size 960,540 dynamic background '#ffffff' font 'sans-serif,14'
set output 'mpi-model.svg'
set border 3 lc rgb '#888888'
set tics nomirror textcolor rgb '#333333'
set grid xtics ytics lc rgb '#e4e4e4'
set key top right Left reverse spacing 1.2 samplen 2
set logscale x 2
set logscale y 10
set xlabel 'ranks'
set ylabel 'seconds an update'
plot 'mpi-model.dat' using 1:6 with linespoints pt 7 ps 0.6 lw 2 lc rgb '#0072b2' title 'InfiniBand, 2 us and 11 GB/s', \
     '' using 1:7 with linespoints pt 7 ps 0.6 lw 2 lc rgb '#d55e00' title '10 Gbit Ethernet, 20 us and 1.1 GB/s', \
     '' using 1:2 with lines lw 2 dt 2 lc rgb '#888888' title 'the shards alone'
