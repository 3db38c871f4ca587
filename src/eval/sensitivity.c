#include "eval/sensitivity.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/str.h"
#include "calib/imatrix.h"
#include "calib/weight_error.h"
#include "eval/findings.h"
#include "eval/probe.h"
#include "infer/decoder.h"
#include "text/samples.h"

enum { SCHEMA = 1, CHUNKS = 8, LENGTH = 256 }; /* of text that probes run on */

/* What share of the work each part is, about. */
static const double importance_share = 0.05, error_share = 0.15;

/* Weights of one role in neighbouring layers, which are probed together. */
struct group {
    enum tensor_role role;
    int first, last;       /* layers */
    int begins;            /* see probe_begins */
    int *members, count;   /* in the job's list */
};

struct measuring {
    const struct sensitivity_job *job;
    struct sensitivities *s;
    struct findings *findings;
    struct chunks text;
    struct imatrix inputs;
    double *error;         /* [tensor_count][type_count + 1]: the last one of the type it is probed with */
    struct group *groups;
    int group_count;
    struct probe *probe;   /* NULL until something has to be probed */
};

static const struct tensor *tensor_of(const struct measuring *m, int i)
{
    return &m->job->model->tensors[m->job->tensors[i]];
}

static double *errors_of(const struct measuring *m, int i)
{
    return m->error + (int64_t)i * (m->job->type_count + 1);
}

static const struct quant_type *probe_type(const struct measuring *m, int i)
{
    const struct quant_type *const *t = m->job->probes;
    while (t[1] && tensor_of(m, i)->shape[0] % (*t)->block)
        t++;
    return *t;
}

/* ------------------------------------------------------------------------- text */

static int read_text(struct measuring *m, struct error *e)
{
    struct tokenizer *t;
    int context = m->job->model->hp.context, length = context > 0 && context < LENGTH ? context : LENGTH;
    char *path;
    int rc = tokenizer_open(&t, m->job->model, NULL, e);
    if (rc)
        return rc;
    rc = calibration_path(&path, m->job->text, e);
    rc = rc ? rc : chunks_read(&m->text, path, t, length, CHUNKS, e);
    free(path);
    tokenizer_free(t);
    return rc;
}

/* Everything that the findings depend on. */
static void key_of(char key[static HASH_TEXT], const struct measuring *m)
{
    const struct sensitivity_job *j = m->job;
    char fingerprint[HASH_TEXT], text[HASH_TEXT];
    struct str s = {0};
    model_fingerprint(j->model, fingerprint);
    hash_bytes(text, m->text.tokens, (size_t)m->text.count * m->text.length * sizeof *m->text.tokens);
    str_addf(&s, "%d %s %s %d", SCHEMA, fingerprint, text, j->told);
    for (int i = 0; i < j->type_count; i++)
        str_addf(&s, " %s", j->types[i]->name);
    for (int i = 0; j->probes[i]; i++)
        str_addf(&s, " %s", j->probes[i]->name);
    hash_bytes(key, s.data, s.length);
    str_done(&s);
}

static int open_findings(struct measuring *m, struct error *e)
{
    char key[HASH_TEXT];
    key_of(key, m);
    char *name = xasprintf("sensitivity-%.16s.jsonl", key);
    int rc = findings_open(&m->findings, name, key, e);
    free(name);
    return rc;
}

/* ----------------------------------------------------------------------- errors */

static bool take_errors(struct measuring *m, int i)
{
    const json_t *list = findings_get(m->findings, "error", tensor_of(m, i)->name);
    for (int k = 0; k <= m->job->type_count; k++) {
        const json_t *v = json_array_get(list, k);
        if (!v || (!json_is_number(v) && !json_is_null(v)))
            return false;
        errors_of(m, i)[k] = json_is_null(v) ? NAN : json_number_value(v);
    }
    return true;
}

static void find_errors(struct measuring *m, int i)
{
    const struct sensitivity_job *j = m->job;
    const struct quant_type **types = xcalloc(j->type_count + 1, sizeof *types);
    memcpy(types, j->types, j->type_count * sizeof *types);
    types[j->type_count] = probe_type(m, i);
    weight_errors(&(struct weight_error_job){.tensor = tensor_of(m, i), .types = types, .count = j->type_count + 1,
                                             .inputs = imatrix_find(&m->inputs, tensor_of(m, i)->name),
                                             .told = j->told}, errors_of(m, i));
    json_t *list = json_array();
    for (int k = 0; k <= j->type_count; k++)
        json_array_append_new(list, json_value(errors_of(m, i)[k]));
    findings_put(m->findings, "error", tensor_of(m, i)->name, list);
    free(types);
}

static bool all_errors_known(struct measuring *m)
{
    for (int i = 0; i < m->job->tensor_count; i++)
        if (!take_errors(m, i))
            return false;
    return true;
}

static int find_all_errors(struct measuring *m, struct error *e)
{
    struct watch_part part;
    struct watch *w = watch_part(&part, m->job->watch, 0, importance_share, 1, "importance");
    if (all_errors_known(m) && !m->job->told)
        return 0;
    int rc = imatrix_collect(&m->inputs, m->job->model, &m->text, m->job->text, w, e);
    w = watch_part(&part, m->job->watch, importance_share, importance_share + error_share, 1, "errors");
    for (int i = 0; i < m->job->tensor_count && !rc; i++) {
        if (!watch_tick(w, i, m->job->tensor_count, "errors"))
            return interrupt_error(e);
        if (!take_errors(m, i))
            find_errors(m, i);
    }
    return rc;
}

/* ----------------------------------------------------------------------- groups */

static bool belongs(const struct group *g, const struct tensor *t)
{
    return g->role == t->role && t->layer >= g->first && t->layer <= g->last;
}

/* The group of a weight, made where there is none: its role's layers are divided into `bands`. */
static struct group *group_for(struct measuring *m, int i, int bands)
{
    const struct tensor *t = tensor_of(m, i);
    int layers = m->job->model->hp.layers, band = t->layer < 0 ? 0 : t->layer * bands / layers;
    for (int k = 0; k < m->group_count; k++)
        if (belongs(&m->groups[k], t))
            return &m->groups[k];
    struct group *g = &m->groups[m->group_count++];
    *g = (struct group){.role = t->role, .begins = probe_begins(m->job->model, m->job->tensors[i]),
                        .first = t->layer < 0 ? -1 : (band * layers + bands - 1) / bands,
                        .last = t->layer < 0 ? -1 : ((band + 1) * layers - 1) / bands};
    g->members = xcalloc(m->job->tensor_count, sizeof *g->members);
    return g;
}

static int by_begin(const void *a, const void *b)
{
    const struct group *x = a, *y = b;
    return x->begins != y->begins ? (x->begins > y->begins) - (x->begins < y->begins)
                                  : (x->role > y->role) - (x->role < y->role);
}

static void make_groups(struct measuring *m)
{
    bool seen[ROLE_COUNT] = {false};
    int roles = 0, layers = m->job->model->hp.layers;
    for (int i = 0; i < m->job->tensor_count; i++) {
        roles += !seen[tensor_of(m, i)->role];
        seen[tensor_of(m, i)->role] = true;
    }
    int bands = roles ? m->job->groups / roles : 1;
    bands = bands < 1 ? 1 : bands > layers ? layers : bands;
    m->groups = xcalloc(m->job->tensor_count + 1, sizeof *m->groups);
    for (int i = 0; i < m->job->tensor_count; i++) {
        struct group *g = group_for(m, i, bands);
        int begins = probe_begins(m->job->model, m->job->tensors[i]);
        g->begins = begins < g->begins ? begins : g->begins;
        g->members[g->count++] = i;
    }
    qsort(m->groups, m->group_count, sizeof *m->groups, by_begin);
}

static char *group_name(const struct group *g)
{
    return xasprintf("%s %d-%d", tensor_role_name(g->role), g->first, g->last);
}

/* ----------------------------------------------------------------------- probing */

/* Importance for the encoder, all matrices one behind the other; NULL: none is known. */
static float *importance_of(const struct measuring *m, const struct tensor *t)
{
    const struct imatrix_entry *x = m->job->told ? imatrix_find(&m->inputs, t->name) : NULL;
    int64_t matrices = t->shape[2] * t->shape[3];
    if (!x || x->columns != t->shape[0] || x->matrices != matrices)
        return NULL;
    float *out = xmalloc(x->columns * matrices * sizeof *out);
    for (int k = 0; k < matrices; k++)
        if (!imatrix_means(x, k, out + k * x->columns))
            for (int64_t c = 0; c < x->columns; c++)
                out[k * x->columns + c] = 1;
    return out;
}

static int probe_group(struct measuring *m, const struct group *g, double *kld, struct watch *w, struct error *e)
{
    struct probe_change *changes = xcalloc(g->count, sizeof *changes);
    for (int i = 0; i < g->count; i++)
        changes[i] = (struct probe_change){m->job->tensors[g->members[i]], probe_type(m, g->members[i]),
                                           importance_of(m, tensor_of(m, g->members[i]))};
    int rc = probe_divergence(m->probe, changes, g->count, kld, w, e);
    for (int i = 0; i < g->count; i++)
        free((void *)changes[i].importance);
    free(changes);
    return rc;
}

/* What has been found before is taken; the rest is measured. */
static int divergence_of(struct measuring *m, const struct group *g, double *kld, struct watch *w, struct error *e)
{
    char *name = group_name(g);
    const json_t *known = findings_get(m->findings, "probe", name);
    int rc = 0;
    *kld = json_number_value(known);
    if (!json_is_number(known)) {
        if (!m->probe)
            rc = probe_open(&m->probe, m->job->model, &m->text, NULL, e);
        rc = rc ? rc : probe_group(m, g, kld, w, e);
        if (!rc)
            findings_put(m->findings, "probe", name, json_real(*kld));
        m->s->measured++;
    }
    free(name);
    return rc;
}

static void fill_losses(struct measuring *m, const struct group *g, double kld)
{
    int types = m->job->type_count;
    double sum = 0;
    for (int i = 0; i < g->count; i++)
        sum += errors_of(m, g->members[i])[types];
    double slope = sum > 0 ? kld / sum : 0;
    for (int i = 0; i < g->count; i++)
        for (int k = 0; k < types; k++)
            m->s->loss[(int64_t)g->members[i] * types + k] = slope * errors_of(m, g->members[i])[k];
}

static int probe_groups(struct measuring *m, struct error *e)
{
    double begins = importance_share + error_share, share = (1 - begins) / m->group_count;
    int rc = 0;
    for (int i = 0; i < m->group_count && !rc; i++) {
        struct watch_part part;
        double kld = 0;
        struct watch *w = watch_part(&part, m->job->watch, begins + i * share, begins + (i + 1) * share, 1, "probes");
        rc = divergence_of(m, &m->groups[i], &kld, w, e);
        fill_losses(m, &m->groups[i], kld);
    }
    return rc;
}

/* --------------------------------------------------------------------- the story */

static int measure(struct measuring *m, struct error *e)
{
    int rc = read_text(m, e);
    rc = rc ? rc : open_findings(m, e);
    rc = rc ? rc : find_all_errors(m, e);
    if (rc)
        return rc;
    make_groups(m);
    m->s->groups = m->group_count;
    return probe_groups(m, e);
}

static void finish(struct measuring *m)
{
    for (int i = 0; i < m->group_count; i++)
        free(m->groups[i].members);
    free(m->groups);
    free(m->error);
    probe_close(m->probe);
    findings_close(m->findings);
    imatrix_done(&m->inputs);
    chunks_done(&m->text);
}

int sensitivities_measure(struct sensitivities *s, const struct sensitivity_job *j, struct error *e)
{
    struct measuring m = {.job = j, .s = s};
    double started = clock_monotonic();
    *s = (struct sensitivities){.tensor_count = j->tensor_count, .type_count = j->type_count};
    s->loss = xcalloc((size_t)j->tensor_count * j->type_count, sizeof *s->loss);
    m.error = xcalloc((size_t)j->tensor_count * (j->type_count + 1), sizeof *m.error);
    int rc = decoder_check(j->model, e);
    rc = rc ? error_context(e, "a mix cannot be measured") : measure(&m, e);
    s->seconds = clock_monotonic() - started;
    finish(&m);
    return rc;
}

void sensitivities_done(struct sensitivities *s)
{
    free(s->loss);
    *s = (struct sensitivities){0};
}
