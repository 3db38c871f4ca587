/* Starting a worker that outlives us, and finding those that run or were cut off. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "run/run.h"
#include "run/run_lock.h"
#include "run/run_state.h"

/* ------------------------------------------------------------------- starting */

/* All that the new process needs, made before the fork: after it, in a program with threads, only calls that are safe
 * in a signal handler may follow. */
struct launch {
    int log, null, status;      /* `status`: gets errno where the program cannot be started; closed when it can */
    const char *const *argv;
};

__attribute__((noreturn)) static void become_worker(const struct launch *l)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    dup2(l->null, STDIN_FILENO);
    dup2(l->log, STDOUT_FILENO);
    dup2(l->log, STDERR_FILENO);
    execv("/proc/self/exe", (char **)l->argv);
    int code = errno;
    if (write(l->status, &code, sizeof code) < 0)
        _exit(126);
    _exit(127);
}

/* A session of its own, and a second fork so that init inherits the worker and no terminal can become its. */
static void launch_in_child(const struct launch *l)
{
    setsid();
    if (fork() == 0)
        become_worker(l);
    _exit(0);
}

static int launch(const struct launch *l, int status_reader, struct error *e)
{
    int code = 0;
    pid_t child = fork();
    if (child < 0)
        return error_errno(e, "cannot start a worker");
    if (child == 0)
        launch_in_child(l);
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
        ;
    close(l->status);
    if (read(status_reader, &code, sizeof code) != sizeof code)
        return 0;
    errno = code;
    return error_errno(e, "cannot start a worker: this program cannot be run again");
}

static int launch_with_log(const char *log_path, const char *const *argv, struct error *e)
{
    int status[2];
    if (pipe2(status, O_CLOEXEC) != 0)
        return error_errno(e, "cannot start a worker");
    struct launch l = {.log = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666),
                       .null = open("/dev/null", O_RDONLY | O_CLOEXEC), .status = status[1], .argv = argv};
    int rc = 0;
    if (l.log < 0 || l.null < 0) {
        rc = error_errno(e, "cannot open %s", l.log < 0 ? log_path : "/dev/null");
        close(status[1]);
    } else {
        rc = launch(&l, status[0], e);
    }
    close(status[0]);
    if (l.log >= 0)
        close(l.log);
    if (l.null >= 0)
        close(l.null);
    return rc;
}

/* Borrows its parts; free() it. */
static const char **worker_arguments(const char *plan_path, const char *const *options)
{
    const char **argv = NULL;
    int count = 0, capacity = 0;
    array_push(argv, count, capacity) = "quantwiz";
    array_push(argv, count, capacity) = "run";
    array_push(argv, count, capacity) = plan_path;
    for (; options && *options; options++)
        array_push(argv, count, capacity) = *options;
    array_push(argv, count, capacity) = NULL;
    return argv;
}

int run_start_worker(const char *plan_path, const char *const *options, struct error *e)
{
    struct plan *p;
    struct run_lock lock;
    int rc = plan_load(&p, plan_path, e);
    if (rc)
        return rc;
    rc = file_make_folder(p->run_folder, e);
    /* Taken for a moment, for its message where somebody holds it; the worker takes it for good. */
    if (!rc && (rc = run_lock_take(&lock, p->run_folder, e)) == 0)
        run_lock_drop(&lock);
    if (!rc) {
        char *log_path = path_join(p->run_folder, "log");
        const char **argv = worker_arguments(plan_path, options);
        rc = launch_with_log(log_path, argv, e);
        free(argv);
        free(log_path);
    }
    plan_free(p);
    return rc;
}

/* -------------------------------------------------------------------- finding */

/* Runs lie beside their artefacts; models in folders of folders are common, deeper trees are not searched. */
enum { FIND_DEPTH = 3 };

struct finds { char **paths; int count, capacity; };

static bool worth_attaching(const char *folder)
{
    struct run_state s;
    struct error e;
    run_state_init(&s, folder);
    bool told = run_state_poll(&s, &e) > 0;
    bool cut_off = s.over && s.status && (strcmp(s.status, "died") == 0 || strcmp(s.status, "interrupted") == 0);
    bool alive = !s.over && run_state_alive(&s);
    run_state_done(&s);
    return told && (cut_off || alive);
}

/* Links are not followed, so there are no loops. */
static bool is_folder(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static void find_in(struct finds *f, const char *folder, int depth);

static void consider(struct finds *f, const char *path, int depth)
{
    bool run = str_ends(path, ".quantwiz");
    if (run && worth_attaching(path))
        array_push(f->paths, f->count, f->capacity) = xstrdup(path);
    else if (!run && depth < FIND_DEPTH)
        find_in(f, path, depth + 1);
}

static void find_in(struct finds *f, const char *folder, int depth)
{
    DIR *d = opendir(folder);
    struct dirent *entry;
    while (d && (entry = readdir(d))) {
        char *path = path_join(folder, entry->d_name);
        if (entry->d_name[0] != '.' && is_folder(path))
            consider(f, path, depth);
        free(path);
    }
    if (d)
        closedir(d);
}

static int compare_paths(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

char **run_find(const char *folder)
{
    struct finds f = {0};
    find_in(&f, folder, 1);
    if (f.count)
        qsort(f.paths, f.count, sizeof *f.paths, compare_paths);
    array_push(f.paths, f.count, f.capacity) = NULL;
    return f.paths;
}
