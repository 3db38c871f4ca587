#include "ui/jobs.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"

struct queue {
    struct job *first, *last;
};

struct jobs {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct queue waiting, finished;
    struct job *running;
    bool stopping;
    int fd;
    void *owner;
};

static void put(struct queue *q, struct job *j)
{
    j->next = NULL;
    if (q->last)
        q->last->next = j;
    else
        q->first = j;
    q->last = j;
}

static struct job *take(struct queue *q)
{
    struct job *j = q->first;
    if (j && !(q->first = j->next))
        q->last = NULL;
    return j;
}

static void announce(struct jobs *q)
{
    while (eventfd_write(q->fd, 1) && errno == EINTR)
        ;
}

static void *serve(void *user)
{
    struct jobs *q = user;
    pthread_mutex_lock(&q->lock);
    while (!q->stopping) {
        q->running = take(&q->waiting);
        if (!q->running) {
            pthread_cond_wait(&q->wake, &q->lock);
            continue;
        }
        pthread_mutex_unlock(&q->lock);
        q->running->work(q->running);
        pthread_mutex_lock(&q->lock);
        put(&q->finished, q->running);
        q->running = NULL;
        announce(q);
    }
    pthread_mutex_unlock(&q->lock);
    return NULL;
}

/* Signals are the screen's business: the thread takes none. */
struct jobs *jobs_start(void *owner)
{
    struct jobs *q = xcalloc(1, sizeof *q);
    sigset_t all, before;
    q->owner = owner;
    q->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    pthread_mutex_init(&q->lock, NULL);
    pthread_cond_init(&q->wake, NULL);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (q->fd < 0 || pthread_create(&q->thread, NULL, serve, q))
        die("cannot start a thread");
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return q;
}

/* What a `done` pushes while the queue ends is freed like all that was not begun. */
void jobs_push(struct jobs *q, struct job *j)
{
    pthread_mutex_lock(&q->lock);
    put(q->stopping ? &q->finished : &q->waiting, j);
    pthread_cond_signal(&q->wake);
    pthread_mutex_unlock(&q->lock);
}

static struct job *take_finished(struct jobs *q)
{
    pthread_mutex_lock(&q->lock);
    struct job *j = take(&q->finished);
    pthread_mutex_unlock(&q->lock);
    return j;
}

int jobs_collect(struct jobs *q)
{
    eventfd_t ignored;
    int count = 0;
    eventfd_read(q->fd, &ignored);
    for (struct job *j; (j = take_finished(q)); count++)
        j->done(j, q->owner);
    return count;
}

int jobs_fd(const struct jobs *q)
{
    return q->fd;
}

const char *jobs_busy(struct jobs *q)
{
    pthread_mutex_lock(&q->lock);
    const struct job *j = q->running ? q->running : q->waiting.first;
    const char *what = j ? j->what : NULL;
    pthread_mutex_unlock(&q->lock);
    return what;
}

static bool anything_left(struct jobs *q)
{
    pthread_mutex_lock(&q->lock);
    bool left = q->running || q->waiting.first || q->finished.first;
    pthread_mutex_unlock(&q->lock);
    return left;
}

void jobs_drain(struct jobs *q)
{
    while (anything_left(q)) {
        struct pollfd p = {.fd = q->fd, .events = POLLIN};
        poll(&p, 1, 1000);
        jobs_collect(q);
    }
}

bool jobs_stop(struct jobs *q)
{
    struct timespec limit;
    pthread_mutex_lock(&q->lock);
    q->stopping = true;
    for (struct job *j; (j = take(&q->waiting));)
        put(&q->finished, j);
    pthread_cond_signal(&q->wake);
    pthread_mutex_unlock(&q->lock);
    clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_sec += 2;
    if (pthread_timedjoin_np(q->thread, NULL, &limit))
        return false;
    jobs_collect(q);
    close(q->fd);
    free(q);
    return true;
}
