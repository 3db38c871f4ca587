#include "run/syncer.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/mem.h"

static const uint64_t batch_bytes = 256 << 20;
static const int batch_seconds = 1;

struct syncer {
    struct output *out;
    struct journal *journal;
    pthread_t thread;
    pthread_mutex_t mutex;          /* guards what follows */
    pthread_cond_t changed;
    struct journal_claim *claims;
    const char **names;
    int count, claim_capacity, name_capacity;
    uint64_t waiting_bytes;
    int safe_count;
    bool stop;
    int rc;
    struct error error;
};

/* Sleeps until a batch is due; true while there is something to do. Called with the mutex held. After an error
 * nothing is: a later sync may succeed although bytes of before are lost. */
static bool wait_for_batch(struct syncer *s)
{
    struct timespec due;
    clock_gettime(CLOCK_REALTIME, &due);
    due.tv_sec += batch_seconds;
    while (!s->stop && s->waiting_bytes < batch_bytes)
        if (pthread_cond_timedwait(&s->changed, &s->mutex, &due) != 0)
            break;
    return !s->rc && (s->count || !s->stop);
}

/* Takes the waiting claims out and syncs them without the mutex. */
static void sync_batch(struct syncer *s)
{
    struct error e = {0};
    struct journal_claim *claims = s->claims;
    const char **names = s->names;
    int count = s->count;
    s->claims = NULL;
    s->names = NULL;
    s->count = s->claim_capacity = s->name_capacity = 0;
    s->waiting_bytes = 0;
    pthread_mutex_unlock(&s->mutex);
    int rc = output_sync(s->out, &e);
    if (rc == 0)
        rc = journal_add(s->journal, claims, names, count, &e);
    free(claims);
    free(names);
    pthread_mutex_lock(&s->mutex);
    s->safe_count += rc ? 0 : count;
    s->rc = rc;
    s->error = e;
}

static void *sync_thread(void *user)
{
    struct syncer *s = user;
    pthread_mutex_lock(&s->mutex);
    while (wait_for_batch(s))
        if (s->count)
            sync_batch(s);
    pthread_mutex_unlock(&s->mutex);
    return NULL;
}

struct syncer *syncer_start(struct output *out, struct journal *journal)
{
    struct syncer *s = xcalloc(1, sizeof *s);
    s->out = out;
    s->journal = journal;
    pthread_mutex_init(&s->mutex, NULL);
    pthread_cond_init(&s->changed, NULL);
    if (pthread_create(&s->thread, NULL, sync_thread, s) != 0)
        die("cannot start a thread for writing to disk");
    return s;
}

int syncer_add(struct syncer *s, const struct journal_claim *claim, const char *name, struct error *e)
{
    pthread_mutex_lock(&s->mutex);
    int count = s->count;
    array_push(s->names, count, s->name_capacity) = name;
    array_push(s->claims, s->count, s->claim_capacity) = *claim;
    s->waiting_bytes += claim->bytes;
    int rc = s->rc;
    if (rc)
        *e = s->error;
    pthread_cond_signal(&s->changed);
    pthread_mutex_unlock(&s->mutex);
    return rc;
}

int syncer_safe_count(struct syncer *s)
{
    pthread_mutex_lock(&s->mutex);
    int count = s->safe_count;
    pthread_mutex_unlock(&s->mutex);
    return count;
}

int syncer_stop(struct syncer *s, struct error *e)
{
    pthread_mutex_lock(&s->mutex);
    s->stop = true;
    pthread_cond_signal(&s->changed);
    pthread_mutex_unlock(&s->mutex);
    pthread_join(s->thread, NULL);
    int rc = s->rc;
    if (rc)
        *e = s->error;
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->mutex);
    free(s->claims);
    free(s->names);
    free(s);
    return rc;
}
