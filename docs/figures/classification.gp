# Draws 'classification.svg': gnuplot classification.gp, in this folder
set terminal svg size 960,540 dynamic background '#ffffff' font 'sans-serif,14'
set output 'classification.svg'
set border 3 lc rgb '#888888'
set tics nomirror textcolor rgb '#333333'
set grid ytics lc rgb '#e4e4e4'
set multiplot
set origin 0, 0
set size 0.52, 1
unset key
set border 0
set tics scale 0
unset grid
set palette defined (0 '#f4f8fc', 0.5 '#7fb2dc', 1 '#10508c')
set cbrange [0:1]
unset colorbox
set title 'Confusion matrix, shares of each truth'
set xlabel 'answer'
set ylabel 'truth'
set xtics ("autumn" 0, "spring" 1, "summer" 2, "winter" 3) noenhanced
set ytics ("autumn" 0, "spring" 1, "summer" 2, "winter" 3) noenhanced
set xrange [-0.5:3.5]
set yrange [3.5:-0.5]
plot 'classification.dat' index 0 using 2:1:3 with image, \
     '' index 0 using 2:1:(sprintf('%d', $4)):($3 > 0.55 ? 0xffffff : 0x222222) with labels tc rgb variable
set origin 0.52, 0
set size 0.48, 1
set border 3
set xtics auto
set ytics auto
set xtics 0.2
set ytics 0.2
set tics scale 0.5
set grid ytics xtics lc rgb '#e4e4e4'
set key bottom right noenhanced
set title 'ROC curves'
set xlabel 'share of the others taken for it'
set ylabel 'share found'
set xrange [0:1]
set yrange [0:1]
plot x with lines lc rgb '#aaaaaa' dt 2 notitle, \
     'classification.dat' index 1 using 1:2 with lines lw 2 title "autumn: AUC 0.939", \
     'classification.dat' index 2 using 1:2 with lines lw 2 title "spring: AUC 0.926", \
     'classification.dat' index 3 using 1:2 with lines lw 2 title "summer: AUC 0.982", \
     'classification.dat' index 4 using 1:2 with lines lw 2 title "winter: AUC 0.992"
unset multiplot
