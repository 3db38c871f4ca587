/* What a run's own record says, and how it was planned to be served. */
#include <string.h>

#include "base/file.h"
#include "doctor/checks.h"

static enum finding rejected(struct look *l)
{
    const struct run_state *s = &l->p->run;
    const char *verdict = s->eval.figures.verdict;
    if (!s->has_result || !verdict)
        return look_say(l, FINDING_UNKNOWN, "it was not evaluated");
    return look_say(l, strcmp(verdict, "reject") == 0 ? FINDING_FOUND : FINDING_NOT, "%s%s%s", verdict,
                    s->proposal ? "; proposed instead: " : "", s->proposal ? s->proposal : "");
}

static enum finding quantized_twice(struct look *l)
{
    struct model *source;
    struct error e;
    if (model_open_as(&source, l->p->plan->source, l->p->plan->source_pre, MODEL_HEADER_ONLY, &e))
        return look_say(l, FINDING_UNKNOWN, "%.200s", e.text);
    enum finding f = look_say(l, source->quantized ? FINDING_FOUND : FINDING_NOT, "the source has %s", source->file_type);
    model_close(source);
    return f;
}

static enum finding beyond_training(struct look *l)
{
    double context = l->p->wishes.value[WISH_CTX].number;
    int trained = l->p->model->hp.context;
    if (trained <= 0)
        return look_say(l, FINDING_UNKNOWN, "the file does not say how long a context it was trained for");
    return look_say(l, context > trained ? FINDING_FOUND : FINDING_NOT, "%.0f tokens, trained for %d", context, trained);
}

static enum finding cache_of_four_bits(struct look *l)
{
    const char *type = wishes_choice(&l->p->wishes, WISH_KV_TYPE);
    return look_say(l, strcmp(type, "q4_0") == 0 ? FINDING_FOUND : FINDING_NOT, "%s", type);
}

static enum finding run_failed(struct look *l)
{
    const struct run_state *s = &l->p->run;
    bool failed = s->over && s->status && strcmp(s->status, "failed") == 0;
    return failed ? look_say(l, FINDING_FOUND, "%.300s", s->error ? s->error : "it does not say why")
                  : look_say(l, FINDING_NOT, "%s", s->status ? s->status : "it goes on");
}

static enum finding worker_died(struct look *l)
{
    const struct run_state *s = &l->p->run;
    bool died = s->status && strcmp(s->status, "died") == 0;
    return look_say(l, died ? FINDING_FOUND : FINDING_NOT, "%s", s->status ? s->status : "it goes on");
}

/* What is still to be written; of a finished run nothing. */
static double bytes_to_write(const struct run_state *s)
{
    bool finished = s->artefact.path || !(s->planned_bytes > 0);
    return finished ? 0 : s->planned_bytes - (s->written_bytes > 0 ? s->written_bytes : 0);
}

static enum finding disk_full(struct look *l)
{
    enum { ROOM = 64 << 20 }; /* for the journal, the events and the document */
    const struct patient *p = l->p;
    const char *path = p->plan ? p->plan->run_folder : ".";
    double need = ROOM + (p->plan ? bytes_to_write(&p->run) : 0);
    char a[FORMAT_SIZE], b[FORMAT_SIZE];
    uint64_t unused;
    struct error e;
    if (file_free_bytes(path, &unused, &e))
        return look_say(l, FINDING_UNKNOWN, "%.200s", e.text);
    return look_say(l, (double)unused < need ? FINDING_FOUND : FINDING_NOT, "%s are free, %s are to be written",
                    format_bytes(a, (double)unused), format_bytes(b, need));
}

const struct check run_checks[] = {
    {"rejected", NEEDS_RUN, rejected},
    {"quantized-twice", NEEDS_RUN, quantized_twice},
    {"beyond-training", NEEDS_MODEL, beyond_training},
    {"cache-of-four-bits", 0, cache_of_four_bits},
    {"run-failed", NEEDS_RUN, run_failed},
    {"worker-died", NEEDS_RUN, worker_died},
    {"disk-full", 0, disk_full},
    {0},
};
