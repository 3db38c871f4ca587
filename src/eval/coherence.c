#include "eval/coherence.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text/utf8.h"

enum { TEXT_MOST = 1 << 12 }; /* characters that are looked at: the search is quadratic */

/* The text's characters, at most TEXT_MOST; free() them. */
static uint32_t *characters(const char *text, int *count)
{
    size_t length = strlen(text), at = 0;
    uint32_t *list = xmalloc(TEXT_MOST * sizeof *list);
    for (*count = 0; at < length && *count < TEXT_MOST; ++*count)
        list[*count] = (uint32_t)utf8_next(text, length, &at);
    return list;
}

/* Does the run that ends before `end` stand earlier, too? It may overlap itself: "aaaa" does. */
static bool stands_before(const uint32_t *list, int end)
{
    const uint32_t *run = list + end - COHERENCE_RUN;
    for (const uint32_t *p = list; p < run; p++)
        if (memcmp(p, run, COHERENCE_RUN * sizeof *run) == 0)
            return true;
    return false;
}

double coherence_repeated(const char *text)
{
    int count, repeated = 0;
    uint32_t *list = characters(text, &count);
    for (int end = COHERENCE_RUN; end <= count; end++)
        repeated += stands_before(list, end);
    free(list);
    return count < 2 * COHERENCE_RUN ? 0 : (double)repeated / count;
}

/* Answers that repeat themselves where the base's do not. */
static int looping(const struct eval_result *r, const struct coherence_limits *l)
{
    int count = 0;
    for (int i = 0; i < r->sample_count; i++) {
        const struct eval_sample *s = &r->samples[i];
        count += s->answer && s->base && coherence_repeated(s->answer) >= l->repeated &&
                 coherence_repeated(s->base) < l->base_repeated;
    }
    return count;
}

const char *coherence_fault(const struct eval_result *r, const struct coherence_limits *l, struct arena *a)
{
    const struct eval_figures *f = &r->figures;
    int loops = looping(r, l);
    char text[128];
    if (!f->has_base)
        return NULL;
    if (loops && loops >= l->answers * r->sample_count)
        snprintf(text, sizeof text, "%d of %d answers repeat themselves where the original's do not", loops,
                 r->sample_count);
    else if (f->same_top < l->same_top)
        snprintf(text, sizeof text, "only %.0f %% of the likeliest tokens are the original's", 100 * f->same_top);
    else if (f->kld_mean > l->kld_mean)
        snprintf(text, sizeof text, "its predictions diverge by %.2f nats from the original's", f->kld_mean);
    else
        return NULL;
    return arena_strdup(a, text);
}
