#include "base/watch.h"

#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"

static volatile sig_atomic_t interrupted;

static void on_interrupt(int sig)
{
    static volatile time_t first;
    time_t now = time(NULL);
    if (interrupted && sig == SIGINT && now - first <= 1) {
        signal(sig, SIG_DFL);
        raise(sig);
    }
    first = now;
    interrupted = 1;
}

void interrupt_catch(void)
{
    struct sigaction sa = {.sa_handler = on_interrupt};
    sigaction(SIGINT, &sa, NULL);
    sigaction(SIGTERM, &sa, NULL);
}

bool interrupt_pending(void)
{
    return interrupted;
}

void interrupt_raise(void)
{
    interrupted = 1;
}

int interrupt_error(struct error *e)
{
    return error_set(e, ERROR_INTERRUPTED, "interrupted");
}

bool watch_tick(struct watch *w, double done, double total, const char *what)
{
    bool go_on = !w || !w->tick || w->tick(w, done, total, what);
    return go_on && !interrupted;
}

static bool part_tick(struct watch *w, double done, double total, const char *what)
{
    const struct watch_part *p = w->user;
    double share = total > 0 ? done / total : 0;
    (void)what;
    return watch_tick(p->whole, p->from + share * (p->to - p->from), p->total, p->what);
}

struct watch *watch_part(struct watch_part *p, struct watch *whole, double from, double to, double total,
                         const char *what)
{
    *p = (struct watch_part){.watch = {.tick = part_tick, .user = p}, .whole = whole, .from = from, .to = to,
                             .total = total, .what = what};
    return &p->watch;
}

/* ----------------------------------------------------------------- progress */

/* "48 %  ETA 7.0 s  what"; without a total nobody knows how far it is, and there is only what. */
static char *describe(const struct progress *p, double share, bool known, const char *what)
{
    char eta[FORMAT_SIZE] = "";
    double gone = clock_monotonic() - p->started, gained = share - p->first;
    if (!known)
        return xstrdup(what);
    if (gained > 0.001)
        format_duration(eta, gone * (1 - share) / gained);
    return xasprintf("%3.0f %%%s%s  %s", share * 100, *eta ? "  ETA " : "", eta, what);
}

/* One line, cut where the terminal ends: a line that wraps cannot be drawn over. */
static void draw_bar(double share, const char *text)
{
    enum { CELLS = 24 };
    char bar[CELLS + 1] = "";
    struct winsize size = {0};
    int columns = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : 80;
    for (int i = 0; i < CELLS; i++)
        bar[i] = i < share * CELLS ? '#' : '.';
    fprintf(stderr, "\r%s %.*s\033[K", bar, columns > CELLS + 2 ? columns - CELLS - 2 : 0, text);
}

static bool progress_tick(struct watch *w, double done, double total, const char *what)
{
    struct progress *p = w->user;
    double now = clock_monotonic(), share = total > 0 ? done / total : 0;
    if (isnan(p->first) && total > 0)
        p->first = share;
    if (p->quiet || now - p->drawn < (p->terminal ? 0.1 : 5.0))
        return true;
    if (p->drawn == 0 && now - p->started < 0.5)
        return true;
    char *text = describe(p, share, total > 0, what);
    if (p->terminal)
        draw_bar(share, text);
    else
        fprintf(stderr, "%s\n", text);
    fflush(stderr);
    free(text);
    p->drawn = now;
    p->shown = true;
    return true;
}

void progress_init(struct progress *p, bool quiet)
{
    *p = (struct progress){.watch = {.tick = progress_tick, .user = p},
                           .started = clock_monotonic(),
                           .first = NAN,
                           .quiet = quiet,
                           .terminal = isatty(STDERR_FILENO)};
}

void progress_done(struct progress *p)
{
    if (p->shown && p->terminal)
        fputs("\r\033[K", stderr);
}

void progress_say(struct progress *p, const char *fmt, ...)
{
    va_list ap;
    progress_done(p);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
}
