# Draws 'all.svg': gnuplot all.gp, in this folder
set terminal svg size 960,540 dynamic background '#ffffff' font 'sans-serif,14'
set output 'all.svg'
set border 3 lc rgb '#888888'
set tics nomirror textcolor rgb '#333333'
set grid ytics lc rgb '#e4e4e4'
set key outside right top noenhanced Left reverse spacing 1.2 samplen 2
set grid xtics ytics lc rgb '#e4e4e4'
set zeroaxis lc rgb '#888888'
set datafile separator tab
set xrange [-4:4]
set xlabel 'x'
plot 'all.dat' using 1:2 with lines lw 2 dt 1 lc rgb '#0072b2' title 'relu', \
     '' using 1:3 with lines lw 2 dt 1 lc rgb '#d55e00' title 'leaky_relu', \
     '' using 1:4 with lines lw 2 dt 1 lc rgb '#009e73' title 'prelu', \
     '' using 1:5 with lines lw 2 dt 1 lc rgb '#cc79a7' title 'sigmoid', \
     '' using 1:6 with lines lw 2 dt 1 lc rgb '#e69f00' title 'tanh', \
     '' using 1:7 with lines lw 2 dt 1 lc rgb '#56b4e9' title 'elu', \
     '' using 1:8 with lines lw 2 dt 1 lc rgb '#000000' title 'selu', \
     '' using 1:9 with lines lw 2 dt 2 lc rgb '#0072b2' title 'gelu', \
     '' using 1:10 with lines lw 2 dt 2 lc rgb '#d55e00' title 'gelu_tanh', \
     '' using 1:11 with lines lw 2 dt 2 lc rgb '#009e73' title 'silu', \
     '' using 1:12 with lines lw 2 dt 2 lc rgb '#cc79a7' title 'mish', \
     '' using 1:13 with lines lw 2 dt 2 lc rgb '#e69f00' title 'softplus'
