# Draws 'counting.svg' from 'counting.dat': experiments/counting.sh
set terminal svg size 960,540 dynamic background '#ffffff' font 'sans-serif,14'
set output 'counting.svg'
set border 3 lc rgb '#888888'
set tics nomirror textcolor rgb '#333333'
set grid ytics lc rgb '#e4e4e4'
set key outside right top noenhanced Left reverse spacing 1.2 samplen 2
set datafile separator tab
set xrange [0:41]
set multiplot layout 2,1
set lmargin 12
set rmargin 20
set tmargin 2
set label 'a' at 10,graph 1.06 center
set label 'b' at 30,graph 1.06 center
set arrow from 20.5,graph 0 to 20.5,graph 1 nohead dt 2 lc rgb '#888888'
set ylabel 'cell state'
plot 'counting.dat' using 1:3 with linespoints pt 7 ps 0.4 lw 2 lc rgb '#0072b2' title 'c'
set ylabel 'output'
set xlabel 'symbols read'
set yrange [-0.05:1.05]
plot 'counting.dat' using 1:4 with lines lw 2 lc rgb '#0072b2' title 'a may follow', \
     '' using 1:5 with lines lw 2 dt 2 lc rgb '#d55e00' title 'b may follow', \
     '' using 1:6 with lines lw 2 lc rgb '#009e73' title 'the end'
unset multiplot
