#include "run/quantize.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/finite.h"
#include "base/mem.h"
#include "run/bad_number.h"
#include "run/calibrated.h"
#include "run/importance.h"
#include "run/journal.h"
#include "run/output.h"
#include "run/output_check.h"
#include "run/syncer.h"
#include "run/verify.h"

/* Both passes over all elements, in shares of the work: encoding costs far more than reading back. */
static const double verify_share = 0.1;
/* Going through the layers first takes most of the time, where it is done. */
static const double calibrate_share = 0.9;

struct quantizer {
    const struct quantize_job *job;
    struct layout layout;
    struct output out;
    struct journal journal;
    struct syncer *syncer;           /* NULL without a journal */
    bool *reused;                    /* [count] was on disk already */
    double *rmse;                    /* [count] */
    char (*hashes)[HASH_TEXT];       /* [count] of what was written */
    _Atomic bool hopeless;           /* another attempt would fail in the same way */
    struct watch watch;              /* scales a pass's progress to the whole's */
    double pass_from, pass_share;    /* of the whole: where the present pass began, and how far it goes */
    struct calibrated calibrated;
};

/* ------------------------------------------------------------------ listening */

static void tell_stage(const struct quantizer *q, const char *stage)
{
    const struct quantize_listener *l = q->job->listener;
    if (l && l->stage)
        l->stage(l->user, stage);
}

static void tell_note(const struct quantizer *q, const char *text)
{
    const struct quantize_listener *l = q->job->listener;
    if (l && l->note)
        l->note(l->user, text);
}

static struct quantize_tensor describe(const struct quantizer *q, int i, double seconds)
{
    const struct tensor_plan *p = &q->layout.recipe->tensors[i];
    return (struct quantize_tensor){
        .name = p->tensor->name,
        .from = p->tensor->type->name,
        .to = p->type->name,
        .wanted = p->wanted->name,
        .rmse = q->rmse[i],
        .seconds = seconds,
        .bytes = p->bytes,
        .source_bytes = p->tensor->bytes,
        .reused = q->reused[i],
    };
}

static void tell_end(const struct quantizer *q, int i, double seconds)
{
    const struct quantize_listener *l = q->job->listener;
    struct quantize_tensor t = describe(q, i, seconds);
    if (l && l->end)
        l->end(l->user, &t, i, q->layout.count);
}

static bool tick_share(struct watch *w, double done, double total, const char *what)
{
    const struct quantizer *q = w->user;
    double share = q->pass_from + q->pass_share * (total > 0 ? done / total : 1);
    return watch_tick(q->job->watch, share, 1, what);
}

/* A pass goes from where the one before ended to `to`: whatever is repeated or left out, progress never falls. */
static void begin_pass(struct quantizer *q, const char *stage, double to)
{
    q->watch = (struct watch){.tick = tick_share, .user = q};
    q->pass_from += q->pass_share;
    q->pass_share = fmax(to - q->pass_from, 0);
    if (stage)
        tell_stage(q, stage);
}

/* Of the whole, when this share of what follows the calibration is done. */
static double after_calibration(const struct quantizer *q, double share)
{
    double before = q->job->calibration ? calibrate_share : 0;
    return before + (1 - before) * share;
}

/* -------------------------------------------------------------- slice by slice */

static int too_large_error(const struct quantizer *q, const struct tensor_plan *p, struct error *e)
{
    return error_set(e, ERROR_FAILED, "%s: the tensor %s holds numbers too large for %s: give it another type"
                     " (--tensor-type '%s=BF16')", q->layout.model->path, p->tensor->name, p->type->name,
                     p->tensor->name);
}

static bool is_calibrated(const struct quantizer *q, int tensor)
{
    return q->calibrated.blocks && q->calibrated.blocks[tensor];
}

/* They are read once. */
static void take_blocks(const struct quantizer *q, const struct tensor_plan *p, const struct slice *s, void *to)
{
    const unsigned char *from = q->calibrated.blocks[s->tensor] + quant_bytes(p->type, s->first);
    uint64_t bytes = quant_bytes(p->type, s->count);
    memcpy(to, from, bytes);
    file_map_forget(from, bytes);
}

/* A slice's blocks, encoded from its numbers where no text decided them, and what they lost. */
static int encode_slice(struct quantizer *q, const struct tensor_plan *p, const struct slice *s,
                        struct slice_buffers *b, struct slice_result *r, struct error *e)
{
    if (is_calibrated(q, s->tensor))
        take_blocks(q, p, s, b->blocks);
    else
        p->type->encode(b->x, importance_of(q->job->importance, p, s->tensor, s->first, s->count, b->weight), b->blocks,
                        s->count);
    p->type->decode(b->blocks, b->y, s->count);
    quant_loss(b->x, b->y, s->count, &r->power, &r->error);
    if (isfinite(r->error))
        return 0;
    q->hopeless = true;
    return too_large_error(q, p, e);
}

/* Going by a text has counted those as 0 already, and said so. */
static int check_numbers(struct quantizer *q, const struct tensor *t, const struct slice *s, float *x, struct error *e)
{
    if (is_calibrated(q, s->tensor)) {
        drop_not_finite(x, s->count);
        return 0;
    }
    int64_t bad = find_not_finite(x, s->count);
    if (bad < 0)
        return 0;
    q->hopeless = true;
    struct tensor_place place = tensor_place(q->layout.model, t, s->first + bad);
    return bad_number_error(&place, x[bad], e);
}

/* The source is read ahead by so many elements (16 MiB of F16), so that a slow disk works while we do. */
enum { READ_AHEAD = 8 << 20 };

static int make_slice(void *user, const struct slice *s, struct slice_buffers *b, struct slice_result *r,
                      struct error *e)
{
    struct quantizer *q = user;
    const struct tensor_plan *p = &q->layout.recipe->tensors[s->tensor];
    const struct tensor *t = p->tensor;
    const void *blocks = b->blocks;
    int rc = 0;
    tensor_ahead(t, s->first + READ_AHEAD, s->count);
    if (t->type->decode) {
        tensor_read(t, s->first, s->count, b->x);
        rc = check_numbers(q, t, s, b->x, e);
    }
    if (!rc && p->type != t->type)
        rc = encode_slice(q, p, s, b, r, e);
    else
        blocks = tensor_blocks(t, s->first, s->count, b->blocks);
    if (rc)
        return rc;
    uint64_t size = quant_bytes(p->type, s->count);
    hash_bytes(r->hash, blocks, size);
    rc = output_write(&q->out, s->tensor, quant_bytes(p->type, s->first), blocks, size, e);
    tensor_forget(t, s->first, s->count);
    return rc;
}

static void begin_tensor(void *user, int i)
{
    const struct quantizer *q = user;
    const struct quantize_listener *l = q->job->listener;
    struct quantize_tensor t = describe(q, i, NAN);
    if (l && l->begin)
        l->begin(l->user, &t, i, q->layout.count);
}

static int end_tensor(void *user, int i, const struct slice_result *r, double seconds, struct error *e)
{
    struct quantizer *q = user;
    int rc = 0;
    q->rmse[i] = r->error > 0 ? sqrt(r->error / r->power) : 0;
    memcpy(q->hashes[i], r->hash, HASH_TEXT);
    if (q->syncer) {
        struct journal_claim claim = {.index = i, .offset = layout_offset(&q->layout, i),
                                      .bytes = q->layout.recipe->tensors[i].bytes, .rmse = q->rmse[i]};
        memcpy(claim.hash, r->hash, HASH_TEXT);
        rc = syncer_add(q->syncer, &claim, q->layout.slices[i].name, e);
    }
    tell_end(q, i, seconds);
    return rc;
}

/* ------------------------------------------------------------------- resuming */

/* Sets `reused` for the claims that the files still fulfil, under their final names or as parts; returns their number,
 * or an error. */
static int check_claims(struct quantizer *q, bool parts, struct error *e)
{
    const struct layout *l = &q->layout;
    const struct journal_claim **claims = xcalloc(l->count, sizeof *claims);
    bool *skip = xcalloc(l->count, sizeof *skip);
    int count = 0;
    for (int i = 0; i < q->journal.count; i++) {
        const struct journal_claim *c = &q->journal.claims[i];
        if (c->index >= 0 && c->index < l->count && c->offset == layout_offset(l, c->index))
            claims[c->index] = c;
    }
    for (int i = 0; i < l->count; i++)
        skip[i] = !claims[i];
    begin_pass(q, NULL, verify_share);
    int rc = verify_hashes(l, q->job->out, parts, skip, q->hashes, &q->watch, e);
    for (int i = 0; !rc && i < l->count; i++)
        if (claims[i] && strcmp(q->hashes[i], claims[i]->hash) == 0) {
            q->reused[i] = true;
            q->rmse[i] = claims[i]->rmse;
            count++;
        }
    free(skip);
    free(claims);
    return rc ? rc : count;
}

static void tell_reused(const struct quantizer *q, int count)
{
    if (count < q->journal.count) {
        char *text = xasprintf("%d of %d tensors in the journal are not on disk as written: making them again",
                               q->journal.count - count, q->journal.count);
        tell_note(q, text);
        free(text);
    }
    for (int i = 0; i < q->layout.count; i++)
        if (q->reused[i])
            tell_end(q, i, NAN);
}

/* 1 where an earlier attempt got as far as the final name: then only the last check was left to do. */
static int finished_before(struct quantizer *q, struct error *e)
{
    if (!q->journal.count || q->journal.count != q->layout.count)
        return 0;
    int rc = check_claims(q, false, e);
    if (rc == q->layout.count) {
        begin_pass(q, "verify", 1);
        rc = verify_files(&q->layout, q->job->out, false, q->hashes, &q->watch, e);
        if (rc == 0)
            return 1;
    }
    memset(q->reused, 0, q->layout.count * sizeof *q->reused);
    return rc == ERROR_INTERRUPTED ? rc : 0;
}

/* ---------------------------------------------------------------- making a file */

static int take_reused(struct quantizer *q, struct error *e)
{
    int count = q->journal.count ? check_claims(q, true, e) : 0;
    if (count == ERROR_INTERRUPTED)
        return count;
    tell_reused(q, count < 0 ? 0 : count);
    return 0;
}

/* Every tensor in turn asks what all before it became: what is on disk already saves nothing here. */
static int calibrate(struct quantizer *q, struct error *e)
{
    if (!q->job->calibration)
        return 0;
    begin_pass(q, "calibrate", calibrate_share);
    return calibrated_make(&q->calibrated, q->job, q->layout.fingerprint, q->layout.bytes, &q->watch, e);
}

static int write_tensors(struct quantizer *q, struct error *e)
{
    struct slice_tensor *tensors = xcalloc(q->layout.count, sizeof *tensors);
    memcpy(tensors, q->layout.slices, q->layout.count * sizeof *tensors);
    for (int i = 0; i < q->layout.count; i++)
        tensors[i].skip = q->reused[i];
    const struct slice_work work = {
        .tensors = tensors,
        .count = q->layout.count,
        .begin = begin_tensor,
        .process = make_slice,
        .end = end_tensor,
        .user = q,
        .watch = &q->watch,
    };
    begin_pass(q, "quantize", after_calibration(q, 1 - verify_share));
    int rc = slices_run(&work, e);
    free(tensors);
    return rc;
}

/* The last batches go to disk while the file is read back from the system's cache. */
static int write_and_verify(struct quantizer *q, struct error *e)
{
    struct error late = {0};
    int rc = calibrate(q, e);
    rc = rc ? rc : output_begin(&q->out, e);
    if (q->job->journal)
        q->syncer = syncer_start(&q->out, &q->journal);
    if (!rc)
        rc = write_tensors(q, e);
    if (!rc) {
        begin_pass(q, "verify", 1);
        rc = verify_files(&q->layout, q->job->out, true, q->hashes, &q->watch, e);
        q->hopeless = rc && rc != ERROR_INTERRUPTED;
    }
    if (q->syncer && syncer_stop(q->syncer, &late) && !rc) {
        *e = late;
        rc = late.code;
    }
    return rc;
}

static void give_up(struct quantizer *q)
{
    bool keep = q->journal.lines > 0 && !q->hopeless;
    output_abandon(&q->out, keep);
    if (q->job->journal && !keep)
        unlink(q->job->journal);
}

static int make_file(struct quantizer *q, struct error *e)
{
    int rc = 0;
    if (q->journal.found == JOURNAL_SAME)
        rc = take_reused(q, e);
    else
        rc = output_clear(&q->out, e);
    if (!rc)
        rc = write_and_verify(q, e);
    if (!rc)
        return output_commit(&q->out, e);
    give_up(q);
    return rc;
}

/* The parts' locks also guard the journal. */
static int open_files(struct quantizer *q, struct error *e)
{
    const struct quantize_job *j = q->job;
    int rc = output_open(&q->out, &q->layout, j->out, j->resume, e);
    if (rc || !j->journal)
        return rc;
    rc = journal_open(&q->journal, j->journal, q->layout.fingerprint, j->resume, e);
    if (rc)
        output_abandon(&q->out, output_begun(&q->out));
    else if (q->journal.found == JOURNAL_OTHER)
        tell_note(q, "the unfinished file was made from other inputs: starting again");
    return rc;
}

static int run_layout(struct quantizer *q, struct error *e)
{
    int done = 0, rc = output_check(&q->layout, q->job->out, e);
    if (!rc)
        rc = open_files(q, e);
    if (rc)
        return rc;
    if (!output_begun(&q->out))
        done = finished_before(q, e);
    if (done == 0)
        rc = make_file(q, e);
    else
        output_abandon(&q->out, false);
    if (done > 0)
        tell_reused(q, q->layout.count);
    if (q->job->journal)
        journal_close(&q->journal);
    return done < 0 ? done : rc;
}

int quantize_run(const struct quantize_job *j, struct error *e)
{
    struct quantizer q = {.job = j};
    layout_make(&q.layout, j->model, j->recipe, j->split);
    q.reused = xcalloc(q.layout.count, sizeof *q.reused);
    q.rmse = xcalloc(q.layout.count, sizeof *q.rmse);
    q.hashes = xcalloc(q.layout.count, sizeof *q.hashes);
    int rc = calibrated_read(&q.calibrated, j, e);
    calibrated_mix(&q.calibrated, q.layout.fingerprint);
    if (j->importance)
        importance_mix(j->importance, j->recipe, q.layout.fingerprint);
    rc = rc ? rc : run_layout(&q, e);
    calibrated_done(&q.calibrated, rc && !q.hopeless);
    free(q.reused);
    free(q.rmse);
    free(q.hashes);
    layout_done(&q.layout);
    return rc;
}

int quantize_check(const struct quantize_job *j, struct error *e)
{
    struct layout l;
    layout_make(&l, j->model, j->recipe, j->split);
    int rc = output_check(&l, j->out, e);
    layout_done(&l);
    return rc;
}

uint64_t quantize_output_bytes(const struct model *m, const struct recipe *r, const struct split *split)
{
    struct layout l;
    layout_make(&l, m, r, split);
    uint64_t bytes = l.bytes;
    layout_done(&l);
    return bytes;
}
