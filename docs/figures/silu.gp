# Draws 'silu.svg': gnuplot silu.gp, in this folder
set terminal svg size 960,540 dynamic background '#ffffff' font 'sans-serif,14'
set output 'silu.svg'
set border 3 lc rgb '#888888'
set tics nomirror textcolor rgb '#333333'
set grid ytics lc rgb '#e4e4e4'
set key outside right top noenhanced Left reverse spacing 1.2 samplen 2
set grid xtics ytics lc rgb '#e4e4e4'
set zeroaxis lc rgb '#888888'
set datafile separator tab
set xrange [-5:5]
set xlabel 'x'
plot 'silu.dat' using 1:2 with lines lw 2 dt 1 lc rgb '#0072b2' title 'silu', \
     '' using 1:3 with lines lw 2 dt 2 lc rgb '#0072b2' title 'silu'''
