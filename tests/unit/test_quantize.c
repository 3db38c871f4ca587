/* GGUF to GGUF on the demo model: the same bytes however many threads work and however often they are killed;
 * nothing half-written, nothing overwritten, every refusal by name. */
#include "unit.h"

#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cpu.h"
#include "base/file.h"
#include "model/shard.h"
#include "run/output_check.h"
#include "run/quantize.h"
#include "run/verify.h"

static struct error e;
static char folder[] = "/tmp/quantwiz-quantize-XXXXXX";
static char *demo, *out, *part, *journal, *copy;

/* What a listener heard. */
static struct { int begun, ended, reused, verified; char note[200]; double rmse[100]; } heard;

static void on_begin(void *user, const struct quantize_tensor *t, int i, int n)
{
    (void)user, (void)t, (void)i, (void)n;
    heard.begun++;
}

static void on_end(void *user, const struct quantize_tensor *t, int i, int n)
{
    (void)user;
    assert_in_range(i, 0, n - 1);
    heard.ended++;
    heard.reused += t->reused;
    heard.rmse[i] = t->rmse;
}

static void on_stage(void *user, const char *stage)
{
    (void)user;
    heard.verified += strcmp(stage, "verify") == 0;
}

static void on_note(void *user, const char *text)
{
    (void)user;
    snprintf(heard.note, sizeof heard.note, "%s", text);
}

static const struct quantize_listener listener = {.begin = on_begin, .end = on_end, .stage = on_stage, .note = on_note};

/* --------------------------------------------------------------------- set-up */

static int set_up(void **state)
{
    (void)state;
    demo = unit_source("demo/quantwiz-demo-f16.gguf");
    if (!mkdtemp(folder))
        return -1;
    out = path_join(folder, "out.gguf");
    part = path_join(folder, "out.gguf.part");
    journal = path_join(folder, "journal");
    copy = path_join(folder, "copy.gguf");
    return 0;
}

static int clean(void **state)
{
    (void)state;
    unlink(out);
    unlink(part);
    unlink(journal);
    unlink(copy);
    threads_set(2);
    return 0;
}

static int tear_down(void **state)
{
    clean(state);
    free(demo);
    free(out);
    free(part);
    free(journal);
    free(copy);
    return rmdir(folder);
}

static int quantize_to(const char *source, const char *level, const char *path, bool resume, struct watch *w)
{
    struct model *m;
    struct recipe r;
    memset(&heard, 0, sizeof heard);
    assert_ok(model_open(&m, source, 0, &e), &e);
    assert_ok(recipe_apply(&r, m, level, NULL, &e), &e);
    const struct quantize_job job = {.model = m, .recipe = &r, .out = path, .journal = journal, .resume = resume,
                                     .listener = &listener, .watch = w};
    int rc = quantize_run(&job, &e);
    recipe_done(&r);
    model_close(m);
    return rc;
}

static char *contents(const char *path, size_t *length)
{
    char *text = NULL;
    assert_ok(file_read(path, 1 << 30, &text, length, &e), &e);
    return text;
}

static void assert_same_file(const char *path, const char *expected, size_t length)
{
    size_t n;
    char *text = contents(path, &n);
    assert_int_equal(n, length);
    assert_memory_equal(text, expected, n);
    free(text);
}

/* Demo model as `level`, made in one go. */
static char *reference(const char *level, size_t *length)
{
    assert_ok(quantize_to(demo, level, out, false, NULL), &e);
    char *text = contents(out, length);
    clean(NULL);
    return text;
}

/* ---------------------------------------------------------------------- tests */

static void any_number_of_threads(void **state)
{
    (void)state;
    static const char *const levels[] = {"Q4_K_M", "Q8_0", "F32", "Q3_K_S"};
    for (size_t l = 0; l < ARRAY_LENGTH(levels); l++) {
        size_t length;
        threads_set(1);
        char *expected = reference(levels[l], &length);
        for (int threads = 2; threads <= 3; threads++) {
            threads_set(threads);
            assert_ok(quantize_to(demo, levels[l], out, false, NULL), &e);
            assert_same_file(out, expected, length);
        }
        free(expected);
        clean(NULL);
    }
}

/* Straight from the definition, tensor by tensor, in doubles. */
static double plain_rmse(const struct tensor *a, const struct tensor *b)
{
    int64_t n = tensor_elements(a);
    float *x = xmalloc(n * sizeof *x), *y = xmalloc(n * sizeof *y);
    double power = 0, error = 0;
    a->type->decode(a->data, x, n);
    b->type->decode(b->data, y, n);
    for (int64_t i = 0; i < n; i++) {
        power += (double)x[i] * x[i];
        error += (double)(x[i] - y[i]) * (x[i] - y[i]);
    }
    free(x);
    free(y);
    return sqrt(error / power);
}

static void what_is_told_is_true(void **state)
{
    (void)state;
    struct model *m, *q;
    assert_ok(quantize_to(demo, "Q4_K_M", out, false, NULL), &e);
    assert_ok(model_open(&m, demo, 0, &e), &e);
    assert_ok(model_open(&q, out, 0, &e), &e);
    assert_int_equal(heard.begun, m->tensor_count);
    assert_int_equal(heard.ended, m->tensor_count);
    assert_int_equal(heard.verified, 1);
    assert_int_equal(heard.reused, 0);
    assert_int_equal(q->tensor_count, m->tensor_count);
    for (int i = 0; i < m->tensor_count; i++) {
        double expected = plain_rmse(&m->tensors[i], &q->tensors[i]);
        assert_string_equal(m->tensors[i].name, q->tensors[i].name);
        assert_true(fabs(heard.rmse[i] - expected) <= 1e-6 * expected);
        assert_true(expected > 0 ? m->tensors[i].type != q->tensors[i].type : true);
    }
    int64_t value;
    assert_true(gguf_integer(&q->shards[0], "general.file_type", &value));
    assert_int_equal(value, 15);
    assert_true(gguf_integer(&q->shards[0], "general.quantization_version", &value));
    assert_int_equal(value, 2);
    assert_string_equal(q->name, m->name);
    model_close(m);
    model_close(q);
}

static void same_types_are_copied(void **state)
{
    (void)state;
    struct model *m, *q;
    assert_ok(quantize_to(demo, "F16", out, false, NULL), &e);
    assert_ok(model_open(&m, demo, 0, &e), &e);
    assert_ok(model_open(&q, out, 0, &e), &e);
    for (int i = 0; i < m->tensor_count; i++) {
        assert_int_equal(m->tensors[i].bytes, q->tensors[i].bytes);
        assert_memory_equal(m->tensors[i].data, q->tensors[i].data, m->tensors[i].bytes);
        assert_true(heard.rmse[i] == 0);
    }
    model_close(m);
    model_close(q);
}

/* ------------------------------------------------------ interrupted and resumed */

/* Stops at a tick; waits at an earlier one until the journal lists something. */
struct stopping { struct watch watch; int ticks, wait_at, stop_at; bool kill; double share; };

/* Claims in the journal, and where the last byte of the first one's tensor lies. */
static int count_claims(uint64_t *last_byte)
{
    FILE *f = fopen(journal, "r");
    char line[512];
    int count = -1, index;
    unsigned long long offset, bytes;
    for (; fgets(line, sizeof line, f); count++)
        if (count == 0 && sscanf(line, "tensor %d %llu %llu", &index, &offset, &bytes) == 3)
            *last_byte = offset + bytes - 1;
    fclose(f);
    return count;
}

static void wait_for_claims(void)
{
    uint64_t ignored;
    for (int i = 0; i < 100 && count_claims(&ignored) < 1; i++)
        usleep(50000);
    assert_true(count_claims(&ignored) > 0);
}

static bool stopping_tick(struct watch *w, double done, double total, const char *what)
{
    struct stopping *s = w->user;
    (void)what;
    assert_true(done <= total && done / total >= s->share);
    s->share = done / total;
    s->ticks++;
    if (s->ticks == s->wait_at)
        wait_for_claims();
    if (s->ticks == s->stop_at && s->kill)
        kill(getpid(), SIGKILL);
    return s->ticks != s->stop_at;
}

static struct stopping stopping(int wait_at, int stop_at)
{
    return (struct stopping){.watch = {.tick = stopping_tick}, .wait_at = wait_at, .stop_at = stop_at};
}

/* All that the demo model takes, reading back included. */
static int all_ticks(void)
{
    struct stopping s = stopping(0, 0);
    s.watch.user = &s;
    assert_ok(quantize_to(demo, "Q4_K_M", out, false, &s.watch), &e);
    clean(NULL);
    assert_true(s.ticks > 100);
    return s.ticks;
}

static void stopped_and_resumed(void **state)
{
    (void)state;
    size_t length;
    char *expected = reference("Q4_K_M", &length);
    struct stopping s = stopping(40, 50);
    s.watch.user = &s;
    assert_int_equal(quantize_to(demo, "Q4_K_M", out, false, &s.watch), ERROR_INTERRUPTED);
    assert_false(file_exists(out));
    assert_true(file_exists(part));
    int before = heard.ended;
    assert_true(before > 5 && before < 56);
    s = stopping(0, 0);
    s.watch.user = &s;
    assert_ok(quantize_to(demo, "Q4_K_M", out, true, &s.watch), &e);
    assert_true(heard.reused > 0 && heard.reused <= before);
    assert_int_equal(heard.ended, 56);
    assert_int_equal(heard.begun, 56 - heard.reused);
    assert_same_file(out, expected, length);
    assert_false(file_exists(part));
    free(expected);
}

/* Before anything is safely on disk there is nothing to go on from. */
static void stopped_at_once(void **state)
{
    (void)state;
    struct stopping s = stopping(0, 1);
    s.watch.user = &s;
    assert_int_equal(quantize_to(demo, "Q4_K_M", out, false, &s.watch), ERROR_INTERRUPTED);
    assert_false(file_exists(out));
    assert_false(file_exists(part));
    assert_false(file_exists(journal));
}

static void killed_in_a_child(int wait_at, int stop_at)
{
    pid_t child = fork();
    if (child == 0) {
        struct stopping s = stopping(wait_at, stop_at);
        s.watch.user = &s;
        s.kill = true;
        quantize_to(demo, "Q4_K_M", out, true, &s.watch);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* OpenMP does not survive a fork from a process that used its threads: these tests come first. */
static void killed_again_and_again(void **state)
{
    (void)state;
    static const int moments[][2] = {{0, 1}, {0, 17}, {30, 35}, {0, 50}, {0, 70}, {0, 90}};
    for (size_t i = 0; i < ARRAY_LENGTH(moments); i++) {
        killed_in_a_child(moments[i][0], moments[i][1]);
        assert_false(file_exists(out));
    }
    assert_ok(quantize_to(demo, "Q4_K_M", out, true, NULL), &e);
    assert_true(heard.reused > 0);
    size_t length;
    char *resumed = contents(out, &length);
    clean(NULL);
    assert_ok(quantize_to(demo, "Q4_K_M", out, false, NULL), &e);
    assert_same_file(out, resumed, length);
    free(resumed);
}

/* The source is cut short under our hands: a page of it cannot be read. */
static bool cutting_tick(struct watch *w, double done, double total, const char *what)
{
    struct stopping *s = w->user;
    (void)done, (void)total, (void)what;
    if (++s->ticks == s->stop_at && truncate(copy, 1 << 20) != 0)
        _exit(2);
    return true;
}

static void a_source_that_vanishes(void **state)
{
    (void)state;
    size_t length;
    char *text = contents(demo, &length), said[512] = "";
    assert_ok(file_write(copy, text, length, &e), &e);
    free(text);
    int pipe_ends[2], status;
    assert_int_equal(pipe(pipe_ends), 0);
    pid_t child = fork();
    if (child == 0) {
        struct stopping s = {.watch = {.tick = cutting_tick, .user = &s}, .stop_at = 20};
        dup2(pipe_ends[1], STDERR_FILENO);
        file_bus_guard();
        quantize_to(copy, "Q8_0", out, false, &s.watch);
        _exit(0);
    }
    close(pipe_ends[1]);
    assert_true(read(pipe_ends[0], said, sizeof said - 1) > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
    assert_non_null(strstr(said, copy));
    assert_non_null(strstr(said, "cut short"));
    assert_false(file_exists(out));
    close(pipe_ends[0]);
}

/* While it is read back everything is written, but nothing has its name. */
static void stopped_while_verifying(void **state)
{
    (void)state;
    int last = all_ticks();
    struct stopping s = stopping(0, last);
    s.watch.user = &s;
    assert_int_equal(quantize_to(demo, "Q4_K_M", out, false, &s.watch), ERROR_INTERRUPTED);
    assert_int_equal(heard.verified, 1);
    assert_false(file_exists(out));
    assert_ok(quantize_to(demo, "Q4_K_M", out, true, NULL), &e);
    assert_int_equal(heard.reused, 56);
    assert_int_equal(heard.begun, 0);
}

static void flip_byte(const char *path, uint64_t offset)
{
    unsigned char byte;
    int fd = open(path, O_RDWR);
    assert_int_equal(pread(fd, &byte, 1, offset), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, offset), 1);
    close(fd);
}

static void what_changed_on_disk_is_made_again(void **state)
{
    (void)state;
    size_t length;
    char *expected = reference("Q4_K_M", &length);
    uint64_t last_byte = 0;
    struct stopping s = stopping(60, 70);
    s.watch.user = &s;
    assert_int_equal(quantize_to(demo, "Q4_K_M", out, false, &s.watch), ERROR_INTERRUPTED);
    int claims = count_claims(&last_byte);
    assert_true(claims > 1);
    flip_byte(part, last_byte);
    assert_ok(quantize_to(demo, "Q4_K_M", out, true, NULL), &e);
    assert_int_equal(heard.reused, claims - 1);
    assert_non_null(strstr(heard.note, "1 of "));
    assert_same_file(out, expected, length);
    free(expected);
}

static void other_inputs_start_again(void **state)
{
    (void)state;
    size_t length;
    char *expected = reference("Q8_0", &length);
    struct stopping s = stopping(40, 50);
    s.watch.user = &s;
    assert_int_equal(quantize_to(demo, "Q4_K_M", out, false, &s.watch), ERROR_INTERRUPTED);
    assert_ok(quantize_to(demo, "Q8_0", out, true, NULL), &e);
    assert_int_equal(heard.reused, 0);
    assert_non_null(strstr(heard.note, "other inputs"));
    assert_same_file(out, expected, length);
    free(expected);
}

/* Killed after the rename: the finished file is recognised, and left alone. */
static void finished_before(void **state)
{
    (void)state;
    struct stat first, second;
    assert_ok(quantize_to(demo, "Q4_K_M", out, false, NULL), &e);
    stat(out, &first);
    assert_ok(quantize_to(demo, "Q4_K_M", out, true, NULL), &e);
    stat(out, &second);
    assert_int_equal(heard.reused, 56);
    assert_int_equal(first.st_ino, second.st_ino);
    assert_false(file_exists(part));
    flip_byte(out, first.st_size - 100);
    assert_ok(quantize_to(demo, "Q4_K_M", out, true, NULL), &e);
    assert_int_equal(heard.reused, 0);
    stat(out, &second);
    assert_int_not_equal(first.st_ino, second.st_ino);
}

/* -------------------------------------------------------------------- refusals */

static uint64_t offset_of(const char *path, const char *tensor)
{
    struct model *m;
    assert_ok(model_open(&m, path, 0, &e), &e);
    uint64_t offset = model_tensor(m, tensor)->data - m->shards[0].map.data;
    model_close(m);
    return offset;
}

static void poke(const char *path, uint64_t offset, const void *bytes, size_t size)
{
    int fd = open(path, O_WRONLY);
    assert_int_equal(pwrite(fd, bytes, size, offset), size);
    close(fd);
}

static void bad_numbers_are_named(void **state)
{
    (void)state;
    static const uint16_t nan = 0x7e00;
    static const float large = 1e6f;
    size_t length;
    char *text = contents(demo, &length);
    assert_ok(file_write(copy, text, length, &e), &e);
    free(text);
    /* Row 3, column 2 of a matrix with rows of 256. */
    poke(copy, offset_of(copy, "blk.2.attn_q.weight") + 2 * (3 * 256 + 2), &nan, sizeof nan);
    assert_int_equal(quantize_to(copy, "Q4_K_M", out, false, NULL), ERROR_FAILED);
    assert_says(&e, "blk.2.attn_q.weight holds NaN at row 3, column 2");
    assert_false(file_exists(out) || file_exists(part) || file_exists(journal));
    unlink(copy);
    assert_ok(quantize_to(demo, "F32", copy, false, NULL), &e);
    poke(copy, offset_of(copy, "blk.1.ffn_up.weight"), &large, sizeof large);
    assert_int_equal(quantize_to(copy, "F16", out, false, NULL), ERROR_FAILED);
    assert_says(&e, "blk.1.ffn_up.weight holds numbers too large for F16");
    assert_false(file_exists(out) || file_exists(part) || file_exists(journal));
}

static void the_input_is_not_the_output(void **state)
{
    (void)state;
    struct stat before, after;
    stat(demo, &before);
    assert_int_equal(quantize_to(demo, "Q8_0", demo, false, NULL), ERROR_USAGE);
    assert_says(&e, "is the input");
    assert_int_equal(symlink(demo, out), 0);
    assert_int_equal(quantize_to(demo, "Q8_0", out, false, NULL), ERROR_USAGE);
    assert_says(&e, "is the input");
    size_t length;
    char *text = contents(demo, &length);
    assert_ok(file_write(copy, text, length, &e), &e);
    unlink(out);
    assert_int_equal(link(copy, out), 0);
    assert_int_equal(quantize_to(copy, "Q8_0", out, false, NULL), ERROR_USAGE);
    assert_says(&e, "is the input");
    unlink(out);
    assert_int_equal(link(copy, part), 0);
    assert_int_equal(quantize_to(copy, "Q8_0", out, false, NULL), ERROR_USAGE);
    assert_same_file(copy, text, length);
    stat(demo, &after);
    assert_int_equal(before.st_size, after.st_size);
    free(text);
}

static void bad_places_are_named(void **state)
{
    (void)state;
    char *nowhere = path_join(folder, "nowhere/out.gguf");
    assert_int_equal(quantize_to(demo, "Q8_0", nowhere, false, NULL), ERROR_FAILED);
    assert_says(&e, "there is no folder");
    assert_int_equal(quantize_to(demo, "Q8_0", folder, false, NULL), ERROR_USAGE);
    assert_says(&e, "it is a folder");
    assert_int_equal(quantize_to(demo, "Q8_0", "/dev/full", false, NULL), ERROR_USAGE);
    assert_says(&e, "not an ordinary file");
    free(nowhere);
}

static void a_full_disk_is_seen_before(void **state)
{
    (void)state;
    struct model *m;
    struct recipe r;
    struct layout l;
    assert_ok(model_open(&m, demo, 0, &e), &e);
    assert_ok(recipe_apply(&r, m, "Q8_0", NULL, &e), &e);
    layout_make(&l, m, &r, NULL);
    assert_ok(output_check(&l, out, &e), &e);
    l.bytes = UINT64_C(1) << 60;
    assert_int_equal(output_check(&l, out, &e), ERROR_FAILED);
    assert_says(&e, "it needs 1024 PiB (1152921504640401408 bytes), the disk has ");
    layout_done(&l);
    recipe_done(&r);
    model_close(m);
}

static void two_at_once_are_refused(void **state)
{
    (void)state;
    struct file_out other;
    assert_ok(file_out_open(&other, out, false, &e), &e);
    assert_ok(file_out_write(&other, "mine", 4, &e), &e);
    assert_int_equal(quantize_to(demo, "Q8_0", out, false, NULL), ERROR_FAILED);
    assert_says(&e, "another process is writing it");
    assert_same_file(part, "mine", 4);
    file_out_abandon(&other, false);
}

static void reading_back_sees_everything(void **state)
{
    (void)state;
    struct model *m;
    struct recipe r;
    struct layout l;
    assert_ok(quantize_to(demo, "Q8_0", out, false, NULL), &e);
    assert_ok(model_open(&m, demo, 0, &e), &e);
    assert_ok(recipe_apply(&r, m, "Q8_0", NULL, &e), &e);
    layout_make(&l, m, &r, NULL);
    char (*hashes)[HASH_TEXT] = xcalloc(l.count, sizeof *hashes);
    bool *skip = xcalloc(l.count, sizeof *skip);
    assert_ok(verify_hashes(&l, out, false, skip, hashes, NULL, &e), &e);
    assert_ok(verify_files(&l, out, false, hashes, NULL, &e), &e);
    flip_byte(out, layout_offset(&l, 7));
    assert_int_equal(verify_files(&l, out, false, hashes, NULL, &e), ERROR_FAILED);
    assert_says(&e, l.slices[7].name);
    assert_says(&e, "its bytes");
    flip_byte(out, layout_offset(&l, 7));
    flip_byte(out, l.files[0].header_bytes - 20);
    assert_int_equal(verify_files(&l, out, false, hashes, NULL, &e), ERROR_FAILED);
    assert_int_equal(truncate(out, l.bytes - 32), 0);
    assert_int_equal(verify_files(&l, out, false, hashes, NULL, &e), ERROR_FAILED);
    free(skip);
    free(hashes);
    layout_done(&l);
    recipe_done(&r);
    model_close(m);
}

/* -------------------------------------------------------------------- shards */

static void assert_whole(const struct layout *l, const struct split *s)
{
    int tensors = 0;
    uint64_t bytes = 0;
    for (int f = 0; f < l->file_count; f++) {
        assert_int_equal(l->files[f].first, tensors);
        assert_true(l->files[f].count > 0);
        if (s->max_tensors)
            assert_true(l->files[f].count <= s->max_tensors);
        if (s->max_bytes && l->files[f].count > 1)
            assert_true(l->files[f].bytes <= s->max_bytes);
        for (int i = tensors; i < tensors + l->files[f].count; i++) {
            assert_int_equal(layout_file(l, i), f);
            assert_true(layout_offset(l, i) + l->recipe->tensors[i].bytes <= l->files[f].bytes);
        }
        tensors += l->files[f].count;
        bytes += l->files[f].bytes;
    }
    assert_int_equal(tensors, l->count);
    assert_int_equal(bytes, l->bytes);
}

static void every_cut_is_whole(void **state)
{
    (void)state;
    struct model *m;
    struct recipe r;
    struct layout l;
    assert_ok(model_open(&m, demo, 0, &e), &e);
    assert_ok(recipe_apply(&r, m, "Q4_K_M", NULL, &e), &e);
    for (uint64_t limit = 1 << 16; limit < 4 << 20; limit += 77777) {
        const struct split by_size = {.max_bytes = limit};
        layout_make(&l, m, &r, &by_size);
        assert_whole(&l, &by_size);
        layout_done(&l);
    }
    for (int limit = 1; limit < 60; limit++) {
        const struct split by_count = {.max_tensors = limit};
        layout_make(&l, m, &r, &by_count);
        assert_whole(&l, &by_count);
        assert_int_equal(l.file_count, (l.count + limit - 1) / limit);
        layout_done(&l);
    }
    recipe_done(&r);
    model_close(m);
}

/* A cut at the very size of a file keeps it whole, one byte less does not. */
static void a_limit_is_met_exactly(void **state)
{
    (void)state;
    struct model *m;
    struct recipe r;
    struct layout l;
    assert_ok(model_open(&m, demo, 0, &e), &e);
    assert_ok(recipe_apply(&r, m, "Q8_0", NULL, &e), &e);
    layout_make(&l, m, &r, &(struct split){.max_tensors = 20});
    uint64_t bytes = l.files[0].bytes;
    layout_done(&l);
    layout_make(&l, m, &r, &(struct split){.max_bytes = bytes});
    assert_int_equal(l.files[0].count, 20);
    layout_done(&l);
    layout_make(&l, m, &r, &(struct split){.max_bytes = bytes - 32});
    assert_true(l.files[0].count < 20);
    layout_done(&l);
    recipe_done(&r);
    model_close(m);
}

/* Killed between the renames: the last shards have their names, the first is still a part. */
static void killed_between_renames(void **state)
{
    (void)state;
    struct model *m;
    struct recipe r;
    const struct split by_count = {.max_tensors = 20};
    assert_ok(model_open(&m, demo, 0, &e), &e);
    assert_ok(recipe_apply(&r, m, "Q8_0", NULL, &e), &e);
    struct quantize_job job = {.model = m, .recipe = &r, .out = out, .split = &by_count, .journal = journal,
                               .listener = &listener};
    assert_ok(quantize_run(&job, &e), &e);
    char *first = shard_path(out, 1, 3), *first_part = xasprintf("%s.part", first), *last = shard_path(out, 3, 3);
    size_t length, last_length;
    char *expected = contents(first, &length), *last_expected = contents(last, &last_length);
    assert_int_equal(rename(first, first_part), 0);
    memset(&heard, 0, sizeof heard);
    job.resume = true;
    assert_ok(quantize_run(&job, &e), &e);
    assert_int_equal(heard.reused, 20); /* those of the part */
    assert_same_file(first, expected, length);
    assert_same_file(last, last_expected, last_length);
    assert_false(file_exists(first_part));
    for (int i = 1; i <= 3; i++) {
        char *path = shard_path(out, i, 3);
        assert_int_equal(unlink(path), 0);
        free(path);
    }
    free(expected);
    free(last_expected);
    free(first);
    free(first_part);
    free(last);
    recipe_done(&r);
    model_close(m);
}

int main(void)
{
#define ROW(test) cmocka_unit_test_teardown(test, clean)
    const struct CMUnitTest tests[] = {
        ROW(killed_again_and_again),
        ROW(a_source_that_vanishes),
        ROW(any_number_of_threads),
        ROW(what_is_told_is_true),
        ROW(same_types_are_copied),
        ROW(stopped_and_resumed),
        ROW(stopped_at_once),
        ROW(stopped_while_verifying),
        ROW(what_changed_on_disk_is_made_again),
        ROW(other_inputs_start_again),
        ROW(finished_before),
        ROW(bad_numbers_are_named),
        ROW(the_input_is_not_the_output),
        ROW(bad_places_are_named),
        ROW(a_full_disk_is_seen_before),
        ROW(two_at_once_are_refused),
        ROW(reading_back_sees_everything),
        ROW(every_cut_is_whole),
        ROW(a_limit_is_met_exactly),
        ROW(killed_between_renames),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
