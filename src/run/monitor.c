#include "run/monitor.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/usage.h"

static const double control_seconds = 0.2, resources_seconds = 1;

struct monitor {
    struct event_log *log;
    const char *folder, *out;
    pthread_t thread;
    pthread_mutex_t mutex;           /* guards stop and paused */
    pthread_cond_t changed;
    bool stop, paused;
    atomic_uint_fast64_t planned, written;
    double told, told_cpu;           /* when resources were last told, and the CPU seconds then */
};

static json_t *bytes_or_null(uint64_t bytes)
{
    return bytes ? json_value((double)bytes) : json_null();
}

static void tell_resources(struct monitor *m)
{
    struct usage u;
    struct error e;
    uint64_t disk = 0;
    double now = clock_monotonic();
    usage_read(&u);
    double busy = u.cpu_seconds - m->told_cpu;
    file_free_bytes(m->out, &disk, &e);
    json_t *j = json_object();
    json_object_set_new(j, "rss_bytes", bytes_or_null(u.rss_bytes));
    json_object_set_new(j, "private_bytes", bytes_or_null(u.private_bytes));
    json_object_set_new(j, "cpu_percent", json_value(round(100 * busy / fmax(now - m->told, 1e-3))));
    json_object_set_new(j, "written_bytes", json_value((double)atomic_load(&m->written)));
    json_object_set_new(j, "planned_bytes", bytes_or_null(atomic_load(&m->planned)));
    json_object_set_new(j, "disk_free_bytes", bytes_or_null(disk));
    event_send(m->log, EVENT_RESOURCES, j);
    m->told = now;
    m->told_cpu = u.cpu_seconds;
}

/* With the mutex held. */
static void obey(struct monitor *m)
{
    enum run_control c;
    if (!control_take(m->folder, &c))
        return;
    if (c == RUN_STOP)
        interrupt_raise();
    bool paused = c == RUN_PAUSE;
    if (paused == m->paused)
        return;
    m->paused = paused;
    json_t *j = json_object();
    json_object_set_new(j, "paused", json_boolean(paused));
    event_send(m->log, EVENT_PAUSE, j);
    pthread_cond_broadcast(&m->changed);
}

/* With the mutex held; lets go of it meanwhile. */
static void wait_seconds(struct monitor *m, double seconds)
{
    struct timespec due;
    clock_gettime(CLOCK_REALTIME, &due);
    long nanoseconds = due.tv_nsec + (long)(seconds * 1e9);
    due.tv_sec += nanoseconds / 1000000000;
    due.tv_nsec = nanoseconds % 1000000000;
    pthread_cond_timedwait(&m->changed, &m->mutex, &due);
}

static void *monitor_thread(void *user)
{
    struct monitor *m = user;
    pthread_mutex_lock(&m->mutex);
    while (!m->stop) {
        obey(m);
        if (clock_monotonic() - m->told >= resources_seconds)
            tell_resources(m);
        wait_seconds(m, control_seconds);
    }
    pthread_mutex_unlock(&m->mutex);
    return NULL;
}

struct monitor *monitor_start(struct event_log *log, const char *folder, const char *out)
{
    struct usage u;
    struct monitor *m = xcalloc(1, sizeof *m);
    usage_read(&u);
    m->log = log;
    m->folder = folder;
    m->out = out;
    m->told = clock_monotonic();
    m->told_cpu = u.cpu_seconds;
    pthread_mutex_init(&m->mutex, NULL);
    pthread_cond_init(&m->changed, NULL);
    if (pthread_create(&m->thread, NULL, monitor_thread, m) != 0)
        die("cannot start a thread to watch the run");
    return m;
}

/* A run of less than a second has its resources told here. */
void monitor_stop(struct monitor *m)
{
    pthread_mutex_lock(&m->mutex);
    m->stop = true;
    pthread_cond_broadcast(&m->changed);
    pthread_mutex_unlock(&m->mutex);
    pthread_join(m->thread, NULL);
    tell_resources(m);
    pthread_cond_destroy(&m->changed);
    pthread_mutex_destroy(&m->mutex);
    free(m);
}

void monitor_plan_bytes(struct monitor *m, uint64_t planned)
{
    atomic_store(&m->planned, planned);
}

void monitor_add_written(struct monitor *m, uint64_t bytes)
{
    atomic_fetch_add(&m->written, bytes);
}

void monitor_all_written(struct monitor *m)
{
    atomic_store(&m->written, atomic_load(&m->planned));
}

void monitor_wait(struct monitor *m)
{
    pthread_mutex_lock(&m->mutex);
    while (m->paused && !interrupt_pending())
        wait_seconds(m, control_seconds);
    pthread_mutex_unlock(&m->mutex);
}
