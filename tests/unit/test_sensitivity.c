/* What types cost, on a few weights of the demo model: it is what the model then really diverges by, it is measured once,
 * and a measurement that was cut short, or whose cache was spoilt, comes to the same. */
#include "unit.h"

#include <glob.h>
#include <math.h>
#include <unistd.h>

#include "base/file.h"
#include "eval/findings.h"
#include "eval/probe.h"
#include "eval/sensitivity.h"
#include "text/tokenizer.h"

enum { TENSORS = 3, TYPES = 3 };

static char cache[] = "/tmp/quantwiz-sensitivity-XXXXXX";
static struct model *model;
static char *text;
static const struct quant_type *types[TYPES], *probes[2];
static int tensors[TENSORS];

static int begin(void **state)
{
    static const char *const names[TENSORS] = {"token_embd.weight", "blk.3.ffn_down.weight", "blk.5.attn_v.weight"};
    static const char *const type_names[TYPES] = {"Q3_K", "Q4_K", "Q6_K"};
    struct error e = {0};
    char *path = unit_source("demo/quantwiz-demo-f16.gguf");
    (void)state;
    setenv("XDG_CACHE_HOME", mkdtemp(cache), 1);
    assert_ok(model_open(&model, path, 0, &e), &e);
    free(path);
    text = unit_source("demo/eval.txt");
    for (int i = 0; i < TENSORS; i++)
        tensors[i] = (int)(model_tensor(model, names[i]) - model->tensors);
    for (int i = 0; i < TYPES; i++)
        types[i] = quant_type_named(type_names[i]);
    probes[0] = types[0];
    return 0;
}

static int end(void **state)
{
    char *command = xasprintf("rm -r %s", cache);
    (void)state;
    model_close(model);
    free(text);
    assert_int_equal(system(command), 0);
    free(command);
    return 0;
}

static int measure(struct sensitivities *s, struct watch *w, struct error *e)
{
    const struct sensitivity_job job = {.model = model, .tensors = tensors, .tensor_count = TENSORS, .types = types,
                                        .type_count = TYPES, .probes = probes, .text = text, .groups = 100, .watch = w};
    return sensitivities_measure(s, &job, e);
}

/* The one file that there is in the cache. */
static char *cache_file(void)
{
    char *pattern = xasprintf("%s/quantwiz/sensitivity-*.jsonl", cache);
    glob_t g;
    assert_int_equal(glob(pattern, 0, NULL, &g), 0);
    assert_int_equal(g.gl_pathc, 1);
    char *path = xstrdup(g.gl_pathv[0]);
    globfree(&g);
    free(pattern);
    return path;
}

struct stop { int ticks; };

static bool stop(struct watch *w, double done, double total, const char *what)
{
    struct stop *s = w->user;
    assert_true(done >= 0 && done <= total * (1 + 1e-9) && what);
    return s->ticks-- > 0;
}

static void an_interrupted_measurement_goes_on(void **state)
{
    struct sensitivities s;
    struct error e = {0};
    struct stop after = {12};
    struct watch w = {.tick = stop, .user = &after};
    int rounds = 0, measured = 0;
    (void)state;
    for (int rc = ERROR_INTERRUPTED; rc; rounds++) {
        rc = measure(&s, &w, &e);
        assert_true(rc == 0 || rc == ERROR_INTERRUPTED);
        measured += rc ? 0 : s.measured;
        after.ticks = 12;
        sensitivities_done(&s);
        assert_true(rounds < 20);
    }
    assert_true(rounds > 1 && measured < TENSORS);
}

static void what_is_known_is_not_measured_again(void **state)
{
    struct sensitivities once, again;
    struct error e = {0};
    (void)state;
    assert_ok(measure(&once, NULL, &e), &e);
    assert_int_equal(once.measured, 0);
    assert_int_equal(once.groups, TENSORS);
    for (int i = 0; i < TENSORS; i++) {
        const double *loss = once.loss + i * TYPES;
        assert_true(loss[0] > loss[1] && loss[1] > loss[2] && loss[2] > 0);
    }
    for (int spoil = 0; spoil < 3; spoil++) { /* cut in the last line; another beginning; garbage in the middle */
        char *path = cache_file(), *was;
        size_t length;
        assert_ok(file_read(path, 1 << 20, &was, &length, &e), &e);
        if (spoil == 0)
            length -= 3;
        else
            memset(was + (spoil == 1 ? 0 : length / 2), '#', 20);
        assert_ok(file_write(path, was, length, &e), &e);
        assert_ok(measure(&again, NULL, &e), &e);
        assert_true(again.measured > 0);
        for (int i = 0; i < TENSORS * TYPES; i++)
            assert_true(once.loss[i] == again.loss[i]);
        sensitivities_done(&again);
        free(was);
        free(path);
    }
    sensitivities_done(&once);
}

static void costs_add_up_to_what_the_model_does(void **state)
{
    struct sensitivities s;
    struct error e = {0};
    struct tokenizer *t;
    struct chunks c;
    struct probe *p;
    double kld, predicted = 0;
    struct probe_change changes[TENSORS];
    (void)state;
    assert_ok(measure(&s, NULL, &e), &e);
    for (int i = 0; i < TENSORS; i++) {
        changes[i] = (struct probe_change){tensors[i], types[1], NULL};
        predicted += s.loss[i * TYPES + 1];
    }
    assert_ok(tokenizer_open(&t, model, NULL, &e), &e);
    assert_ok(chunks_read(&c, text, t, 256, 8, &e), &e);
    assert_ok(probe_open(&p, model, &c, NULL, &e), &e);
    assert_ok(probe_divergence(p, changes, 0, &kld, NULL, &e), &e);
    assert_true(fabs(kld) < 1e-7); /* nothing was changed */
    probe_close(p);
    assert_ok(probe_open(&p, model, &c, NULL, &e), &e);
    assert_ok(probe_divergence(p, changes, TENSORS, &kld, NULL, &e), &e);
    assert_true(kld > 0.75 * predicted && kld < 1.33 * predicted);
    probe_close(p);
    chunks_done(&c);
    tokenizer_free(t);
    sensitivities_done(&s);
}

static void one_process_at_a_time(void **state)
{
    struct findings *f, *g;
    struct error e = {0};
    (void)state;
    assert_ok(findings_open(&f, "same", "key", &e), &e);
    findings_put(f, "kind", "name", json_integer(7));
    assert_int_equal(findings_open(&g, "same", "key", &e), ERROR_FAILED);
    assert_says(&e, "another quantwiz is measuring");
    findings_close(g);
    findings_close(f);
    assert_ok(findings_open(&f, "same", "key", &e), &e);
    assert_int_equal(json_integer_value(findings_get(f, "kind", "name")), 7);
    findings_close(f);
    assert_ok(findings_open(&f, "same", "other key", &e), &e);
    assert_null(findings_get(f, "kind", "name"));
    findings_close(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_interrupted_measurement_goes_on),
        cmocka_unit_test(what_is_known_is_not_measured_again),
        cmocka_unit_test(costs_add_up_to_what_the_model_does),
        cmocka_unit_test(one_process_at_a_time),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
