#include "calib/layerwise.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "infer/decoder.h"

enum {
    SEQUENCES = 4,          /* go through a layer together */
    GROUP = 4,              /* weights that share their inputs, at most */
    ROWS_AT_ONCE = 4096,    /* of a weight in memory as floats */
};
#define DAMP 0.01

/* Weights that share their inputs: queries, keys and values; gate and up; of one expert where there are some. */
struct group {
    struct tensor *tensors[GROUP];
    int count, expert;
    struct hessian hessian;
};

/* What a group of the original met in the batch at present. */
struct inputs {
    const struct tensor *first; /* the group's, in the fork */
    float *x;                   /* [rows][columns] */
};

/* The residual stream of one of the two models. */
struct stream {
    struct decoder *decoder;
    float *x;               /* [text->count][text->length][embd] */
};

struct walk {
    struct layerwise *l;
    const struct model *source;
    struct model *model;    /* the fork */
    struct stream original, quantized;
    const struct chunks *text;
    struct inputs seen[GROUP];
    int seen_count;
    const float *last_seen;
    struct group *groups;   /* of the stage at present */
    int count, capacity;
    const float *last;      /* inputs of the group that was met last */
    uint64_t stored;
};

static int64_t columns_of(const struct tensor *t)
{
    return t->shape[0];
}

static int experts_of(const struct tensor *t)
{
    return t->dims > 2 ? (int)t->shape[2] : 1;
}

static struct layerwise_tensor *plan_of(const struct walk *w, const struct tensor *t)
{
    return &w->l->tensors[t - w->model->tensors];
}

/* ------------------------------------------------------------------- collecting */

static struct group *group_with(struct walk *w, const struct tensor *t, int expert)
{
    for (int i = 0; i < w->count; i++)
        for (int k = 0; k < w->groups[i].count; k++)
            if (w->groups[i].tensors[k] == t && w->groups[i].expert == expert)
                return &w->groups[i];
    return NULL;
}

/* Weights of a group are met one after another, with the same inputs. */
static struct group *join_or_make(struct walk *w, struct tensor *t, int expert, const float *x)
{
    struct group *g = w->count ? &w->groups[w->count - 1] : NULL;
    if (!g || w->last != x || g->expert != expert || g->hessian.columns != columns_of(t) || g->count == GROUP) {
        g = &array_push(w->groups, w->count, w->capacity);
        *g = (struct group){.expert = expert};
        hessian_init(&g->hessian, columns_of(t));
    }
    g->tensors[g->count++] = t;
    return g;
}

static bool is_wanted(const struct walk *w, const struct tensor *t)
{
    return plan_of(w, t)->type && !plan_of(w, t)->blocks;
}

/* Of the original. Tokens may choose other experts there, so that their inputs cannot be paired. */
static void see(void *user, const struct tensor *met, int expert, const float *x, int64_t rows, int64_t columns)
{
    struct walk *w = user;
    const struct tensor *t = &w->model->tensors[met - w->source->tensors];
    (void)expert;
    if (!is_wanted(w, t) || experts_of(t) > 1 || w->last_seen == x || w->seen_count == GROUP)
        return;
    struct inputs *in = &w->seen[w->seen_count++];
    *in = (struct inputs){t, xaligned(rows * columns * sizeof *x)};
    memcpy(in->x, x, rows * columns * sizeof *x);
    w->last_seen = x;
}

static void forget_seen(struct walk *w)
{
    for (int i = 0; i < w->seen_count; i++)
        free(w->seen[i].x);
    w->seen_count = 0;
    w->last_seen = NULL;
}

static void add_drift(const struct walk *w, struct group *g, const float *x, int64_t rows)
{
    for (int i = 0; i < w->seen_count; i++) {
        float *off = w->seen[i].x;
        if (w->seen[i].first != g->tensors[0])
            continue;
        for (int64_t k = 0; k < rows * g->hessian.columns; k++)
            off[k] -= x[k];
        hessian_add_drift(&g->hessian, off, x, rows);
    }
}

static void meet(void *user, const struct tensor *met, int expert, const float *x, int64_t rows, int64_t columns)
{
    struct walk *w = user;
    struct tensor *t = &w->model->tensors[met - w->model->tensors];
    (void)columns;
    if (!is_wanted(w, t))
        return;
    struct group *g = group_with(w, t, expert);
    if (!g)
        g = join_or_make(w, t, expert, x);
    if (g->tensors[0] == t) {
        hessian_add(&g->hessian, x, rows);
        add_drift(w, g, x, rows);
    }
    w->last = x;
}

static void forget_groups(struct walk *w)
{
    for (int i = 0; i < w->count; i++)
        hessian_done(&w->groups[i].hessian);
    w->count = 0;
    w->last = NULL;
}

/* -------------------------------------------------------------------- encoding */

static unsigned char *take_room(struct walk *w, const struct tensor *t, const struct quant_type *type)
{
    unsigned char *room = w->l->store + w->stored;
    w->stored += quant_bytes(type, tensor_elements(t));
    return room;
}

static void keep_worst(struct feedback_result *kept, const struct feedback_result *r)
{
    kept->plain |= r->plain;
    kept->damp = fmax(kept->damp, r->damp);
    kept->loss = fmax(kept->loss, r->loss);
}

/* An expert's rows, or all. */
static void encode_rows(struct walk *w, const struct feedback *f, const struct tensor *t, int expert,
                        unsigned char *blocks)
{
    struct layerwise_tensor *plan = plan_of(w, t);
    int64_t columns = columns_of(t), rows = t->shape[1], first = expert * rows;
    float *x = xaligned(ROWS_AT_ONCE * columns * sizeof *x);
    for (int64_t r = 0; r < rows; r += ROWS_AT_ONCE) {
        struct feedback_result result;
        int64_t n = rows - r < ROWS_AT_ONCE ? rows - r : ROWS_AT_ONCE;
        tensor_read(t, (first + r) * columns, n * columns, x);
        struct block_grid g = block_grid(plan->type, columns, blocks + quant_bytes(plan->type, (first + r) * columns));
        feedback_encode(f, &g.grid, x, n, &result);
        keep_worst(&plan->result, &result);
    }
    free(x);
}

/* Experts that no input reached have nothing to go by. */
static void encode_unreached(struct walk *w, const struct tensor *t, unsigned char *blocks)
{
    const struct hessian nothing = {.columns = columns_of(t)};
    const struct feedback plain = {.hessian = &nothing};
    for (int e = 0; e < experts_of(t); e++)
        if (!group_with(w, t, e))
            encode_rows(w, &plain, t, e, blocks);
}

static void encode_group(struct walk *w, const struct group *g, unsigned char *const *rooms)
{
    struct feedback f;
    feedback_init(&f, &g->hessian, DAMP);
    for (int k = 0; k < g->count; k++)
        encode_rows(w, &f, g->tensors[k], g->expert, rooms[g->tensors[k] - w->model->tensors]);
    feedback_done(&f);
}

/* From here on the tensor is what was made of it. */
static void replace(struct walk *w, struct tensor *t, unsigned char *blocks)
{
    struct layerwise_tensor *plan = plan_of(w, t);
    plan->blocks = blocks;
    t->type = plan->type;
    t->bytes = quant_bytes(t->type, tensor_elements(t));
    t->data = blocks;
    t->source = NULL;
}

static void encode_groups(struct walk *w)
{
    unsigned char **rooms = xcalloc(w->l->count, sizeof *rooms);
    for (int i = 0; i < w->count; i++)
        for (int k = 0; k < w->groups[i].count; k++) {
            struct tensor *t = w->groups[i].tensors[k];
            unsigned char **room = &rooms[t - w->model->tensors];
            if (!*room) {
                *room = take_room(w, t, plan_of(w, t)->type);
                encode_unreached(w, t, *room);
            }
        }
    for (int i = 0; i < w->count; i++)
        encode_group(w, &w->groups[i], rooms);
    for (int i = 0; i < w->l->count; i++)
        if (rooms[i])
            replace(w, &w->model->tensors[i], rooms[i]);
    free(rooms);
}

/* ---------------------------------------------------------------------- walking */

static void run_layer(const struct walk *w, const struct stream *s, int layer, enum decoder_stage until, int batch)
{
    int sequences = w->text->count - batch < SEQUENCES ? w->text->count - batch : SEQUENCES;
    float *x = s->x + (int64_t)batch * w->text->length * w->model->hp.embd;
    if (layer < 0)
        decoder_embed(s->decoder, w->text->tokens + (int64_t)batch * w->text->length, sequences, w->text->length, x);
    else
        decoder_layer(s->decoder, layer, until, sequences, w->text->length, x);
}

/* One stage of one layer over all of the text, and what its weights then become. Layer -1: the embedding. */
static int walk_stage(struct walk *w, int layer, enum decoder_stage stage, struct watch *watch, struct error *e)
{
    int stages = STAGE_WHOLE + 1, total = w->model->hp.layers * stages * w->text->count;
    int before = layer < 0 ? 0 : (layer * stages + stage) * w->text->count;
    for (int i = 0; i < w->text->count; i += SEQUENCES) {
        if (!watch_tick(watch, before + i, total, "layers"))
            return interrupt_error(e);
        run_layer(w, &w->original, layer, stage, i);
        run_layer(w, &w->quantized, layer, stage, i);
        forget_seen(w);
    }
    encode_groups(w);
    forget_groups(w);
    return 0;
}

static int walk_layers(struct walk *w, struct watch *watch, struct error *e)
{
    int rc = walk_stage(w, -1, STAGE_WHOLE, watch, e);
    for (int layer = 0; layer < w->model->hp.layers && !rc; layer++)
        for (enum decoder_stage s = STAGE_QKV; s <= STAGE_WHOLE && !rc; s++)
            rc = walk_stage(w, layer, s, watch, e);
    return rc;
}

static int open_stream(struct walk *w, struct stream *s, const struct model *m, product_tap *tap, struct error *e)
{
    struct decoder_options o = {.context = w->text->length, .sequences = SEQUENCES, .tap = tap, .tap_user = w};
    s->x = xaligned((size_t)w->text->count * w->text->length * m->hp.embd * sizeof *s->x);
    return decoder_open(&s->decoder, m, &o, e);
}

static void close_stream(struct stream *s)
{
    decoder_free(s->decoder);
    free(s->x);
}

/* ------------------------------------------------------------------------ store */

static int open_store(struct layerwise *l, const char *folder, struct error *e)
{
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_errno(e, "cannot make a file in %s", folder);
    int failed = posix_fallocate(fd, 0, (off_t)l->store_bytes);
    if (failed) {
        errno = failed;
        error_errno(e, "cannot reserve %llu bytes in %s", (unsigned long long)l->store_bytes, folder);
    } else {
        void *at = mmap(NULL, l->store_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        l->store = at == MAP_FAILED ? NULL : at;
        failed = !l->store;
        if (failed)
            error_errno(e, "cannot map a file in %s", folder);
    }
    close(fd);
    return failed ? e->code : 0;
}

/* Weights of layers with a grid. */
static void plan_tensors(struct layerwise *l, const struct model *m, const struct quant_type *const *types)
{
    *l = (struct layerwise){.tensors = xcalloc(m->tensor_count, sizeof *l->tensors), .count = m->tensor_count};
    for (int i = 0; i < m->tensor_count; i++) {
        const struct tensor *t = &m->tensors[i];
        if (t->layer < 0 || t->dims < 2 || !types[i] || !types[i]->sub || types[i] == t->type)
            continue;
        l->tensors[i] = (struct layerwise_tensor){.type = types[i], .result.loss = NAN};
        l->store_bytes += quant_bytes(types[i], tensor_elements(t));
    }
}

int layerwise_run(struct layerwise *l, const struct model *model, const struct quant_type *const *types,
                  const struct chunks *text, const char *folder, struct watch *watch, struct error *e)
{
    plan_tensors(l, model, types);
    l->fork = model_fork(model);
    struct walk w = {.l = l, .source = model, .model = l->fork, .text = text};
    int rc = l->store_bytes ? open_store(l, folder, e) : 0;
    rc = rc ? rc : open_stream(&w, &w.original, model, see, e);
    rc = rc ? rc : open_stream(&w, &w.quantized, l->fork, meet, e);
    rc = rc ? rc : walk_layers(&w, watch, e);
    forget_groups(&w);
    close_stream(&w.original);
    close_stream(&w.quantized);
    free(w.groups);
    return rc;
}

void layerwise_done(struct layerwise *l)
{
    if (l->store)
        munmap(l->store, l->store_bytes);
    model_fork_free(l->fork);
    free(l->tensors);
    *l = (struct layerwise){0};
}
