/* SPDX-License-Identifier: MIT */
#include "plot.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli.h"

typedef struct plot {
    char *picture, *dat; /* names without folder, for the script runs in the picture's folder; quoted for gnuplot */
    const char *name;
    void (*script)(FILE *f, const char *data_file, const void *what);
    const void *what;
    unsigned width, height;
} plot;

static const char *name_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* In single quotes; inside, they are doubled. NULL without memory. */
static char *quoted(const char *name)
{
    char *text = malloc(2 * strlen(name) + 3), *to = text;
    if (!text)
        return NULL;
    *to++ = '\'';
    for (; *name; name++) {
        if (*name == '\'')
            *to++ = '\'';
        *to++ = *name;
    }
    *to++ = '\'';
    *to = 0;
    return text;
}

static void write_script(FILE *f, const void *what)
{
    const plot *p = what;
    fprintf(f, "# Draws %s: gnuplot %s, in this folder\n", p->picture, p->name);
    bool png = strstr(p->picture, ".png'") != NULL;
    fprintf(f, "set terminal %s size %u,%u%s background '#ffffff' font 'sans-serif,14'\nset output %s\n", png ? "pngcairo" : "svg", p->width,
            p->height, png ? "" : " dynamic", p->picture);
    fprintf(f, "set border 3 lc rgb '#888888'\nset tics nomirror textcolor rgb '#333333'\nset grid ytics lc rgb '#e4e4e4'\n");
    p->script(f, p->dat, p->what);
}

/* Runs gnuplot on the script in its folder; false if there is no gnuplot or it fails. */
static bool run_gnuplot(const char *script)
{
    fflush(NULL);
    pid_t child = fork();
    if (child < 0)
        return false;
    if (child == 0) {
        char *folder = strdup(script), *slash = folder ? strrchr(folder, '/') : NULL;
        if (slash) {
            *slash = 0;
            if (chdir(*folder ? folder : "/"))
                _exit(127);
        }
        if (!freopen("/dev/null", "w", stderr) || !freopen("/dev/null", "w", stdout))
            _exit(127);
        execlp("gnuplot", "gnuplot", name_of(script), (char *)NULL);
        _exit(127);
    }
    int status;
    return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool plot_has_gnuplot(void)
{
    const char *path = getenv("PATH");
    for (size_t n; path && *path; path += n + (path[n] != 0)) {
        char file[4096];
        n = strcspn(path, ":");
        if (snprintf(file, sizeof file, "%.*s/gnuplot", (int)n, path) < (int)sizeof file && access(file, X_OK) == 0)
            return true;
    }
    return false;
}

int plot_draw(const char *picture, bool quiet, void (*data)(FILE *f, const void *what),
              void (*script)(FILE *f, const char *data_file, const void *what), const void *what)
{
    return plot_draw_sized(picture, 960, 540, quiet, data, script, what);
}

int plot_draw_sized(const char *picture, unsigned width, unsigned height, bool quiet, void (*data)(FILE *f, const void *what),
                    void (*script)(FILE *f, const char *data_file, const void *what), const void *what)
{
    char *dat = strdup(picture), *gp = strdup(picture);
    if (dat && gp) {
        strcpy(dat + strlen(dat) - 4, ".dat");
        strcpy(gp + strlen(gp) - 4, ".gp");
    }
    plot p = {quoted(name_of(picture)), dat ? quoted(name_of(dat)) : NULL, gp ? name_of(gp) : NULL, script, what, width, height};
    int status = FAILED;
    if (dat && gp && p.picture && p.dat) {
        status = write_file(dat, data, what);
        if (status == DONE)
            status = write_file(gp, write_script, &p);
        if (status == DONE && run_gnuplot(gp))
            say(quiet, "plot: %s", picture);
        else if (status == DONE)
            say(quiet, "plot: gnuplot could not be run; later, in its folder: gnuplot %s", name_of(gp));
    } else
        complain("there is no memory left");
    free(p.picture);
    free(p.dat);
    free(dat);
    free(gp);
    return status;
}
