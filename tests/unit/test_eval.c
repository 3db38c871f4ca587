/* The evaluation of the demo model beside itself, short: what is told to whom, and how it stops. The figures
 * themselves are held to llama.cpp's in tests/cli/eval.bats. */
#include "tests/unit/unit.h"

#include <math.h>
#include <unistd.h>

#include "base/file.h"
#include "eval/base_store.h"
#include "eval/eval.h"

struct heard {
    int chunks, tasks, items, samples, ticks, stop_after;
    double share;  /* of the work, at the last tick */
};

static void hear_chunk(void *user, const struct eval_figures *f)
{
    struct heard *h = user;
    assert_int_equal(f->chunks, ++h->chunks);
    assert_int_equal(f->chunks_planned, 2);
    assert_true(f->ppl > 1 && f->ppl < 4096);
}

static void hear_task(void *user, const struct eval_task *t, int done, int total)
{
    struct heard *h = user;
    assert_int_equal(done, ++h->tasks);
    assert_int_equal(total, 2);
    assert_string_equal(t->name, "test_eval.tasks");
}

static void hear_item(void *user, const struct eval_item *i)
{
    struct heard *h = user;
    assert_int_equal(i->index, h->items++);
    assert_int_equal(i->answer, 0);
    assert_true(i->has_base && i->model.right && i->base.right && i->model.chosen == 0);
    for (int k = 0; k < i->choices; k++)
        assert_true(i->model.ln_p[k] < 0 && i->model.ln_p[k] == i->base.ln_p[k]);
}

static void hear_sample(void *user, const struct eval_sample *s, int done, int total)
{
    struct heard *h = user;
    assert_int_equal(done, ++h->samples);
    assert_int_equal(total, 2);
    assert_int_equal(s->differs_at, -1);
}

static bool tick(struct watch *w, double done, double total, const char *what)
{
    struct heard *h = w->user;
    assert_true(done >= 0 && done <= total && done / total >= h->share);
    h->share = done / total;
    assert_non_null(what);
    return ++h->ticks != h->stop_after;
}

static struct model *demo(void)
{
    struct error e = {0};
    struct model *m;
    char *path = unit_source("demo/quantwiz-demo-f16.gguf");
    assert_ok(model_open(&m, path, 0, &e), &e);
    free(path);
    return m;
}

static void write_text(const char *path, const char *text)
{
    struct error e = {0};
    assert_ok(file_write(path, text, strlen(text), &e), &e);
}

static int evaluate(struct heard *h, struct eval_options *o, struct eval_result *r, struct error *e)
{
    char *text = unit_source("demo/eval.txt");
    struct model *m = demo();
    struct eval_listener l = {.chunk = hear_chunk, .task = hear_task, .item = hear_item, .sample = hear_sample, .user = h};
    struct watch w = {.tick = tick, .user = h};
    o->text = o->text ? o->text : text;
    int rc = eval_run(r, m, m, o, &l, &w, e);
    model_close(m);
    free(text);
    return rc;
}

static void tells_of_every_step(void **state)
{
    struct error e = {0};
    struct eval_result r;
    struct heard h = {0};
    struct eval_options o = {.context = 32, .chunks = 2, .max_loss = 0.02, .prompt_tokens = 4,
                             .tasks = "test_eval.tasks.jsonl", .prompts = "test_eval.prompts"};
    (void)state;
    write_text(o.tasks, "{\"question\": \"And the LORD said unto\", \"choices\": [\"Moses\", \"xqzxqz\"], \"answer\": 0}\n\n"
                        "{\"question\": \"The king\", \"choices\": [\"of Israel\", \"zzxxqq\", \"qqq\"], \"answer\": 0}\n");
    write_text(o.prompts, "The king\n\nROMEO:\\nO, she\n");
    assert_ok(evaluate(&h, &o, &r, &e), &e);
    assert_int_equal(h.chunks, 2);
    assert_int_equal(h.tasks, 2);
    assert_int_equal(h.items, 2);
    assert_int_equal(h.samples, 2);
    assert_true(r.tasks[0].accuracy == 1 && r.tasks[0].base == 1);
    assert_string_equal(r.samples[1].prompt, "ROMEO:\nO, she");
    assert_int_equal(r.figures.tokens, 2 * 15);
    assert_true(r.figures.delta_ln_ppl == 0 && r.figures.same_top == 1 && r.figures.kld_max == 0);
    assert_string_equal(r.figures.verdict, "accept");
    assert_true(r.figures.prefill_tokens_per_s > 0 && isnan(r.figures.decode_tokens_per_s));
    assert_true(r.bytes == r.bytes_base && r.bytes > 9000000);
    eval_result_done(&r);
    unlink(o.tasks);
    unlink(o.prompts);
}

static int passes(const char *folder, const struct eval_options *with, struct eval_result *r)
{
    struct error e = {0};
    struct heard h = {0};
    struct eval_options o = *with;
    o.base_store = folder;
    assert_ok(evaluate(&h, &o, r, &e), &e);
    assert_true(r->figures.kld_max == 0 && r->figures.same_top == 1 && r->tasks[0].base == 1);
    assert_int_equal(r->samples[0].differs_at, -1);
    return h.ticks;
}

/* With what it made of the text before, the base says the same to the last bit, and takes no pass; a file that was cut
 * off is read as far as it is whole. */
static void the_base_is_evaluated_once(void **state)
{
    struct eval_result first, second, third;
    struct eval_options o = {.context = 32, .chunks = 2, .max_loss = 0.02, .prompt_tokens = 4, .speed = true,
                             .tasks = "test_eval.tasks.jsonl", .prompts = "test_eval.prompts"};
    static const char folder[] = "test_eval.store";
    (void)state;
    base_store_remove(folder); /* of a test that was broken off */
    write_text(o.tasks, "{\"question\": \"The king\", \"choices\": [\"of Israel\", \"zzxxqq\", \"qqq\"], \"answer\": 0}\n"
                        "{\"question\": \"The king\", \"choices\": [\"of Israel\", \"zzxxqq\", \"qqq\"], \"answer\": 0}\n");
    write_text(o.prompts, "The king\nO, she\n");
    int before = passes(folder, &o, &first), after = passes(folder, &o, &second);
    assert_true(after < before);
    assert_true(first.figures.ppl_base == second.figures.ppl_base && first.figures.rms_dp == second.figures.rms_dp);
    assert_true(first.base_decode_tokens_per_s == second.base_decode_tokens_per_s);
    assert_true(first.base_prefill_tokens_per_s == second.base_prefill_tokens_per_s);
    assert_string_equal(first.samples[1].base, second.samples[1].base);
    assert_int_equal(system("for f in test_eval.store/*.hidden; do truncate -s -5 $f; done"), 0);
    assert_true(passes(folder, &o, &third) > after);
    assert_true(first.figures.ppl_base == third.figures.ppl_base);
    base_store_remove(folder);
    assert_false(file_exists(folder));
    eval_result_done(&first);
    eval_result_done(&second);
    eval_result_done(&third);
    unlink(o.tasks);
    unlink(o.prompts);
}

static void stops_when_told(void **state)
{
    struct error e = {0};
    struct eval_result r;
    struct heard h = {.stop_after = 3};
    struct eval_options o = {.context = 32, .chunks = 2, .max_loss = 0.02};
    (void)state;
    assert_int_equal(evaluate(&h, &o, &r, &e), ERROR_INTERRUPTED);
    assert_int_equal(h.ticks, 3);
    assert_int_equal(h.chunks, 0);
    eval_result_done(&r);
}

static void refuse(struct eval_options *o, int code, const char *why)
{
    struct error e = {0};
    struct eval_result r;
    struct heard h = {0};
    assert_int_equal(evaluate(&h, o, &r, &e), code);
    assert_says(&e, why);
    eval_result_done(&r);
}

static void says_what_is_wrong(void **state)
{
    static const struct { const char *line, *why; } tasks[] = {
        {"{\"question\"", "test_eval.bad.jsonl:2: not JSON"},
        {"{\"choices\": [\"a\", \"b\"], \"answer\": 0}", "test_eval.bad.jsonl:2: expected a text as question"},
        {"{\"question\": \"q\", \"choices\": [\"a\"], \"answer\": 0}", "expected 2 to 26 choices"},
        {"{\"question\": \"q\", \"choices\": [\"a\", 1], \"answer\": 0}", "expected only texts as choices"},
        {"{\"question\": \"q\", \"choices\": [\"a\", \"b\"], \"answer\": 2}", "expected a choice as answer, by its index from 0"},
        {"", "no tasks in it"},
    };
    struct eval_options o = {.context = 32, .chunks = 2, .text = "test_eval.short"};
    (void)state;
    write_text(o.text, "too short");
    refuse(&o, ERROR_USAGE, "and a chunk takes 32");
    unlink(o.text);
    refuse(&(struct eval_options){.context = 32, .text = "nowhere.txt"}, ERROR_FAILED, "cannot open nowhere.txt");
    refuse(&(struct eval_options){.context = 1}, ERROR_USAGE, "too short to score");
    for (size_t i = 0; i < ARRAY_LENGTH(tasks); i++) {
        char *text = xasprintf("\n%s\n", tasks[i].line);
        write_text("test_eval.bad.jsonl", text);
        refuse(&(struct eval_options){.context = 32, .chunks = 2, .tasks = "test_eval.bad.jsonl"}, ERROR_USAGE, tasks[i].why);
        free(text);
    }
    unlink("test_eval.bad.jsonl");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_of_every_step),
        cmocka_unit_test(the_base_is_evaluated_once),
        cmocka_unit_test(stops_when_told),
        cmocka_unit_test(says_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
