/* weir plot
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli.h"
#include "plot.h"

enum { MOST_CURVES = 48, KEY_AGAINST = 256, KEY_FROM, KEY_TO, KEY_POINTS, KEY_FORM };

typedef struct curve {
    char label[64];
    weir_activation a;
    bool slope;
    float *y, *gap; /* gap: difference to the reference; NULL without one */
} curve;

typedef struct options {
    const char *names[MOST_CURVES];
    size_t count;
    const char *against, *output;
    bool grad;
    weir_form form;
    double from, to;
    uint32_t points;
} options;

typedef struct picture {
    const options *o;
    float *x;
    curve curves[MOST_CURVES];
    size_t count;
    char reference[64];
} picture;

static const char *const form_names[] = {"exact", "fast", NULL};

static const struct argp_option option_list[] = {
    {"grad", 'g', 0, 0, "Draw the derivatives too", 0},
    {"against", KEY_AGAINST, "NAME", 0, "Draw the difference of each curve to this function below", 0},
    {"output", 'o', "FILE", 0, "Write FILE.svg or FILE.png through gnuplot (else: draw in the terminal)", 0},
    {"from", KEY_FROM, "X", 0, "Left end (-5)", 0},
    {"to", KEY_TO, "X", 0, "Right end (5)", 0},
    {"points", KEY_POINTS, "N", 0, "Points of each curve (401)", 0},
    {"form", KEY_FORM, "NAME", 0, "exact (the default) or fast", 0},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    options *o = state->input;
    switch (key) {
    case 'g': o->grad = true; break;
    case KEY_AGAINST: o->against = arg; break;
    case 'o': o->output = option_picture(state, "output", arg); break;
    case KEY_FROM: o->from = option_number(state, "from", arg, -1e6, 1e6); break;
    case KEY_TO: o->to = option_number(state, "to", arg, -1e6, 1e6); break;
    case KEY_POINTS: o->points = option_count(state, "points", arg, 2, 100000); break;
    case KEY_FORM: o->form = (weir_form)option_name(state, "form", arg, form_names); break;
    case ARGP_KEY_ARG:
        if (o->count == MOST_CURVES / 2)
            argp_error(state, "%d functions are the most in one picture", MOST_CURVES / 2);
        o->names[o->count++] = arg;
        break;
    case ARGP_KEY_END:
        if (o->count == 0)
            argp_error(state, "name the functions; weir activations lists them");
        if (!(o->from < o->to))
            argp_error(state, "--from %g is not left of --to %g", o->from, o->to);
        break;
    default: return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

/* ---- Curves ---- */

static float *floats(size_t n)
{
    return malloc(n * sizeof(float));
}

static int evaluate(const picture *p, const weir_activation *a, bool slope, float *y)
{
    weir_error err;
    size_t n = p->o->points;
    for (size_t i = 0; slope && i < n; i++)
        y[i] = 1;
    if (slope ? weir_activation_grad(a, p->o->form, WEIR_ISA_BEST, n, p->x, y, y, &err)
              : weir_activation_apply(a, p->o->form, WEIR_ISA_BEST, n, p->x, y, &err))
        return complain("%s", err.text);
    return DONE;
}

/* `name` is that of a function, with ' after it that of its derivative. */
static int add_curve(picture *p, const char *name, bool slope)
{
    curve *c = &p->curves[p->count];
    weir_error err;
    size_t n = strlen(name);
    bool prime = n > 0 && name[n - 1] == '\'';
    char plain[64];
    snprintf(plain, sizeof plain, "%.*s", (int)(prime ? n - 1 : n), name);
    if (!find_activation(plain, &c->a, &err))
        return complain("%s", err.text);
    c->slope = slope || prime;
    snprintf(c->label, sizeof c->label, "%.60s%s", plain, c->slope ? "'" : "");
    p->count++;
    c->y = floats(p->o->points);
    if (!c->y)
        return complain("there is no memory left");
    return evaluate(p, &c->a, c->slope, c->y);
}

static int add_gaps(picture *p)
{
    weir_activation a;
    weir_error err;
    if (!find_activation(p->o->against, &a, &err))
        return complain("%s", err.text);
    snprintf(p->reference, sizeof p->reference, "%s", p->o->against);
    for (size_t k = 0; k < p->count; k++) {
        curve *c = &p->curves[k];
        c->gap = floats(p->o->points);
        if (!c->gap)
            return complain("there is no memory left");
        int status = evaluate(p, &a, c->slope, c->gap);
        if (status)
            return status;
        for (size_t i = 0; i < p->o->points; i++)
            c->gap[i] = c->y[i] - c->gap[i];
    }
    return DONE;
}

static int make_curves(picture *p)
{
    const options *o = p->o;
    p->x = floats(o->points);
    if (!p->x)
        return complain("there is no memory left");
    for (size_t i = 0; i < o->points; i++)
        p->x[i] = (float)(o->from + (o->to - o->from) * (double)i / (double)(o->points - 1));
    int status = DONE;
    for (size_t i = 0; status == DONE && i < o->count; i++) {
        status = add_curve(p, o->names[i], false);
        if (status == DONE && o->grad && !p->curves[p->count - 1].slope)
            status = add_curve(p, o->names[i], true);
    }
    return status == DONE && o->against ? add_gaps(p) : status;
}

/* Whether the curve is the reference's own, whose difference is 0. */
static bool is_reference(const picture *p, size_t k)
{
    size_t n = strlen(p->reference);
    return strncmp(p->curves[k].label, p->reference, n) == 0 && (!p->curves[k].label[n] || strcmp(p->curves[k].label + n, "'") == 0);
}

static void free_curves(picture *p)
{
    free(p->x);
    for (size_t k = 0; k < p->count; k++) {
        free(p->curves[k].y);
        free(p->curves[k].gap);
    }
}

/* ---- Through gnuplot ---- */

static void write_data(FILE *f, const void *what)
{
    const picture *p = what;
    fprintf(f, "# x");
    for (size_t k = 0; k < p->count; k++)
        fprintf(f, "\t%s", p->curves[k].label);
    for (size_t k = 0; k < p->count && p->o->against; k++)
        fprintf(f, "\t%s - %s", p->curves[k].label, p->reference);
    fputc('\n', f);
    for (size_t i = 0; i < p->o->points; i++) {
        fprintf(f, "%.9g", (double)p->x[i]);
        for (size_t k = 0; k < p->count; k++)
            fprintf(f, "\t%.9g", (double)p->curves[k].y[i]);
        for (size_t k = 0; k < p->count && p->o->against; k++)
            fprintf(f, "\t%.9g", (double)p->curves[k].gap[i]);
        fputc('\n', f);
    }
}

/* Okabe & Ito 2008: told apart by colour-blind readers. */
static const char *const colours[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"};
enum { COLOURS = sizeof colours / sizeof *colours };

static void write_panel(FILE *f, const char *data_file, const picture *p, size_t first_column, bool titles)
{
    bool first = true;
    for (size_t k = 0; k < p->count; k++) {
        const curve *c = &p->curves[k];
        if (!titles && is_reference(p, k))
            continue;
        /* a derivative has its function's colour, broken */
        size_t colour = p->o->grad ? k / 2 : k;
        fprintf(f, "%s%s using 1:%zu with lines lw 2 dt %d lc rgb '%s' ", first ? "plot " : ", \\\n     ", first ? data_file : "''",
                first_column + k,
                p->o->grad && c->slope ? 2 : (int)(colour / COLOURS % 5) + 1, colours[colour % COLOURS]);
        first = false;
        if (titles) { /* a quote inside is doubled */
            fprintf(f, "title '");
            for (const char *s = c->label; *s; s++)
                fprintf(f, *s == '\'' ? "''" : "%c", *s);
            fprintf(f, "'");
        } else
            fprintf(f, "notitle");
    }
    fprintf(f, first ? "plot 0 notitle\n" : "\n");
}

static void write_script(FILE *f, const char *data_file, const void *what)
{
    const picture *p = what;
    fprintf(f, "set key outside right top noenhanced Left reverse spacing 1.2 samplen 2\nset grid xtics ytics lc rgb '#e4e4e4'\nset zeroaxis lc rgb '#888888'\n");
    fprintf(f, "set datafile separator tab\nset xrange [%.9g:%.9g]\n", p->o->from, p->o->to);
    if (p->o->against)
        fprintf(f, "set multiplot layout 2,1\nset lmargin 14\nset rmargin 18\n");
    else
        fprintf(f, "set xlabel 'x'\n");
    write_panel(f, data_file, p, 2, true);
    if (p->o->against) {
        fprintf(f, "set xlabel 'x'\nset ylabel 'difference to %s' noenhanced\nset format y '%%.1e'\n", p->reference);
        write_panel(f, data_file, p, 2 + p->count, false);
        fprintf(f, "unset multiplot\n");
    }
}

/* ---- In the terminal: Braille characters of 2 x 4 dots ---- */

enum { ROWS = 20, MARGIN = 11, LEAST_WIDTH = 30 };

typedef struct canvas {
    size_t width; /* characters */
    unsigned char *dots, *colour;
    double low, high;
} canvas;

static size_t terminal_width(void)
{
    struct winsize size;
    if (ioctl(1, TIOCGWINSZ, &size) == 0 && size.ws_col >= LEAST_WIDTH)
        return size.ws_col < 160 ? size.ws_col : 160;
    return 80;
}

static void dot(canvas *c, size_t across, double y, unsigned char colour)
{
    static const unsigned char bits[4][2] = {{1, 8}, {2, 16}, {4, 32}, {64, 128}};
    double down = (c->high - y) / (c->high - c->low) * (4 * ROWS - 1);
    if (!(down > -0.5 && down < 4 * ROWS - 0.5))
        return;
    size_t row = (size_t)(down + 0.5), cell = row / 4 * c->width + across / 2;
    c->dots[cell] |= bits[row % 4][across % 2];
    c->colour[cell] = colour;
}

static void find_range(const picture *p, bool gaps, canvas *c)
{
    c->low = INFINITY, c->high = -INFINITY;
    for (size_t k = 0; k < p->count; k++)
        for (size_t i = 0; i < p->o->points; i++) {
            double y = (double)(gaps ? p->curves[k].gap : p->curves[k].y)[i];
            if (!isfinite(y))
                continue;
            c->low = fmin(c->low, y);
            c->high = fmax(c->high, y);
        }
    if (!(c->low < c->high)) {
        c->low = isfinite(c->low) ? c->low - 1 : -1;
        c->high = c->low + 2;
    }
}

static void print_canvas(const picture *p, const canvas *c, bool colours_on)
{
    static const int ansi[] = {34, 31, 32, 35, 33, 36, 37};
    for (size_t row = 0; row < ROWS; row++) {
        if (row == 0 || row == ROWS - 1)
            printf("%*.4g ", MARGIN - 2, row ? c->low : c->high);
        else
            printf("%*s", MARGIN - 1, "");
        fputs("\u2502", stdout);
        for (size_t i = 0; i < c->width; i++) {
            unsigned char d = c->dots[row * c->width + i];
            if (!d) {
                putchar(' ');
                continue;
            }
            if (colours_on)
                printf("\033[%dm", ansi[c->colour[row * c->width + i] % 7]);
            printf("\xE2%c%c", 0xA0 + (d >> 6), 0x80 + (d & 63)); /* U+2800 + d */
            if (colours_on)
                fputs("\033[0m", stdout);
        }
        putchar('\n');
    }
    printf("%*s\u2514", MARGIN - 1, "");
    for (size_t i = 0; i < c->width; i++)
        fputs("\u2500", stdout);
    char left[32], right[32];
    snprintf(left, sizeof left, "%.4g", p->o->from);
    snprintf(right, sizeof right, "%.4g", p->o->to);
    printf("\n%*s%s%*s\n", MARGIN, "", left, (int)(c->width - strlen(left)), right);
}

static int draw_panel(const picture *p, bool gaps)
{
    static const int ansi[] = {34, 31, 32, 35, 33, 36, 37};
    bool colours_on = isatty(1) && !getenv("NO_COLOR");
    canvas c = {.width = terminal_width() - MARGIN - 1};
    c.dots = calloc(ROWS * c.width, 1);
    c.colour = calloc(ROWS * c.width, 1);
    if (!c.dots || !c.colour) {
        free(c.dots);
        free(c.colour);
        return complain("there is no memory left");
    }
    find_range(p, gaps, &c);
    for (size_t k = 0; k < p->count; k++)
        for (size_t i = 0; i < p->o->points && !(gaps && is_reference(p, k)); i++) {
            size_t across = i * (2 * c.width - 1) / (p->o->points - 1);
            dot(&c, across, (double)(gaps ? p->curves[k].gap : p->curves[k].y)[i], (unsigned char)k);
        }
    for (size_t k = 0; k < p->count; k++) {
        if (gaps && is_reference(p, k))
            continue;
        if (colours_on)
            printf("\033[%dm", ansi[k % 7]);
        printf("%s%s", k ? "  " : "", p->curves[k].label);
        if (gaps)
            printf(" - %s", p->reference);
        if (colours_on)
            fputs("\033[0m", stdout);
    }
    putchar('\n');
    print_canvas(p, &c, colours_on);
    free(c.dots);
    free(c.colour);
    return DONE;
}

static int draw_in_terminal(const picture *p)
{
    int status = draw_panel(p, false);
    if (status == DONE && p->o->against)
        status = draw_panel(p, true);
    return status == DONE ? finish_output() : status;
}

/* The largest gap of each curve to the reference, which a picture shows only roughly. */
static void print_gaps(const picture *p)
{
    for (size_t k = 0; k < p->count; k++) {
        if (is_reference(p, k))
            continue;
        size_t worst = 0;
        for (size_t i = 0; i < p->o->points; i++)
            if (fabsf(p->curves[k].gap[i]) > fabsf(p->curves[k].gap[worst]))
                worst = i;
        printf("%s: at most %.5g from %s, at %.6g\n", p->curves[k].label, fabs((double)p->curves[k].gap[worst]), p->reference,
               (double)p->x[worst]);
    }
}

int cmd_plot(int argc, char **argv)
{
    static const struct argp argp = {option_list, parse, "NAME...",
                                     "Draws activation functions: weir plot gelu \"elu(0.5)\" \"gelu'\" -o curves.svg\v"
                                     "A name may have parameters, and ' after it for the derivative.",
                                     0, 0, 0};
    options o = {.from = -5, .to = 5, .points = 401};
    argp_parse(&argp, argc, argv, 0, NULL, &o);
    picture p = {.o = &o};
    int status = make_curves(&p);
    if (status == DONE && o.output)
        status = plot_draw(o.output, false, write_data, write_script, &p);
    if (status == DONE && (!o.output || !plot_has_gnuplot()))
        status = draw_in_terminal(&p);
    if (status == DONE && o.against) {
        print_gaps(&p);
        status = finish_output();
    }
    free_curves(&p);
    return status;
}
