#include "base/child.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"

extern char **environ;

char *child_find(const char *program)
{
    const char *path = getenv("PATH");
    char *list = xstrdup(path ? path : ""), *rest = list, *folder, *found = NULL;
    while (!found && (folder = strsep(&rest, ":"))) {
        char *file = path_join(*folder ? folder : ".", program);
        if (access(file, X_OK) == 0 && !file_is_folder(file))
            found = file;
        else
            free(file);
    }
    free(list);
    return found;
}

/* ------------------------------------------------------------------- starting */

/* A program of our own that is watched: `pipes` are read until both are at their end. */
struct running {
    struct child *c;
    pid_t pid;
    int pipes[2];           /* its standard output and error; -1: at its end */
    double started;
    bool ended;
};

/* Signals that this process ignores would be ignored there, too. */
static void set_signals(posix_spawnattr_t *a)
{
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(a, &none);
    posix_spawnattr_setsigdefault(a, &all);
    posix_spawnattr_setpgroup(a, 0);
    posix_spawnattr_setflags(a, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
}

static int spawn(struct running *r, const char *const *argv, const int out[2], const int err[2], struct error *e)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, out[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&files, err[1], STDERR_FILENO);
    set_signals(&attributes);
    errno = posix_spawn(&r->pid, argv[0], &files, &attributes, (char **)argv, environ);
    int rc = errno ? error_errno(e, "cannot start %s", argv[0]) : 0;
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    return rc;
}

static int start(struct running *r, const char *const *argv, struct error *e)
{
    int out[2], err[2];
    if (pipe2(out, O_CLOEXEC) != 0)
        return error_errno(e, "cannot start %s", argv[0]);
    if (pipe2(err, O_CLOEXEC) != 0) {
        close(out[0]);
        close(out[1]);
        return error_errno(e, "cannot start %s", argv[0]);
    }
    int rc = spawn(r, argv, out, err, e);
    close(out[1]);
    close(err[1]);
    r->pipes[0] = out[0];
    r->pipes[1] = err[0];
    for (int i = 0; i < 2; i++)
        fcntl(r->pipes[i], F_SETFL, O_NONBLOCK);
    r->started = clock_monotonic();
    return rc;
}

/* -------------------------------------------------------------------- watching */

static void take_output(struct running *r, int i)
{
    struct str *to = i ? &r->c->err : &r->c->out;
    char bytes[16384];
    ssize_t n;
    while (r->pipes[i] >= 0 && (n = read(r->pipes[i], bytes, sizeof bytes)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n < 0)
            break;
        if (to->length + n <= CHILD_OUTPUT)
            str_add_bytes(to, bytes, n);
    }
    if (r->pipes[i] >= 0)
        close(r->pipes[i]);
    r->pipes[i] = -1;
}

/* Its own peak: what wait4 tells counts what this process had when it started the other one. */
static void read_peak(struct running *r)
{
    char path[32], line[128];
    unsigned long long kib;
    snprintf(path, sizeof path, "/proc/%d/status", (int)r->pid);
    FILE *f = fopen(path, "re");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "VmHWM: %llu kB", &kib) == 1)
            r->c->peak_rss_bytes = (double)(kib << 10);
    if (f)
        fclose(f);
}

/* A twentieth of a second at most. */
static void wait_for_output(struct running *r)
{
    struct pollfd fds[2] = {{.fd = r->pipes[0], .events = POLLIN}, {.fd = r->pipes[1], .events = POLLIN}};
    poll(fds, 2, 50);
    read_peak(r);
    take_output(r, 0);
    take_output(r, 1);
}

static void look_for_end(struct running *r)
{
    int status;
    if (r->ended || waitpid(r->pid, &status, WNOHANG) != r->pid)
        return;
    r->ended = true;
    r->c->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    r->c->seconds = clock_monotonic() - r->started;
}

/* With all that it has started, which may have outlived it. A moment for tidying up, then for good. */
static void stop(struct running *r)
{
    const double moment = 2;
    double since = clock_monotonic();
    kill(-r->pid, SIGTERM);
    while (!r->ended && clock_monotonic() - since < moment) {
        wait_for_output(r);
        look_for_end(r);
    }
    kill(-r->pid, SIGKILL);
    while (!r->ended) {
        usleep(10000);
        look_for_end(r);
    }
}

static int watch_over(struct running *r, const char *program, double limit, struct watch *w, struct error *e)
{
    int rc = 0;
    while (!rc && !r->ended) {
        double seconds = clock_monotonic() - r->started;
        if (w && !watch_tick(w, seconds < limit ? seconds : limit, limit, program))
            rc = interrupt_error(e);
        else if (seconds > limit)
            rc = error_set(e, ERROR_FAILED, "%s took longer than %.0f seconds and was ended", program, limit);
        else
            wait_for_output(r);
        look_for_end(r);
    }
    stop(r);
    take_output(r, 0);
    take_output(r, 1);
    return rc;
}

int child_run(struct child *c, const char *const *argv, double seconds, struct watch *w, struct error *e)
{
    struct running r = {.c = c, .pipes = {-1, -1}};
    *c = (struct child){.peak_rss_bytes = NAN};
    int rc = start(&r, argv, e);
    if (!rc)
        rc = watch_over(&r, path_name(argv[0]), seconds, w, e);
    for (int i = 0; i < 2; i++)
        if (r.pipes[i] >= 0)
            close(r.pipes[i]);
    return rc;
}

void child_done(struct child *c)
{
    str_done(&c->out);
    str_done(&c->err);
}
