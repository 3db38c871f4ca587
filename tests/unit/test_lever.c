/* What can be changed where a level does not fit or is too slow: which levers there are, what each gains, which of them
 * helps, and that what was promised comes true when it is taken. */
#include "situations.h"

#include "plan/lever.h"

static const struct lever *find(const struct levers *l, const char *name)
{
    for (int i = 0; i < l->count; i++)
        if (strcmp(l->items[i].name, name) == 0)
            return &l->items[i];
    return NULL;
}

static const struct lever *lever(const struct levers *l, const char *name)
{
    const struct lever *found = find(l, name);
    if (!found)
        fail_msg("no lever %s among %d", name, l->count);
    return found;
}

/* The order is that of rules/levers.yaml, which begins with what costs the person least. */
static void assert_order(const struct levers *l, const char *const *names)
{
    int at = 0;
    for (; *names; names++) {
        while (at < l->count && strcmp(l->items[at].name, *names) != 0)
            at++;
        if (at == l->count)
            fail_msg("%s does not come in its turn", *names);
    }
}

/* Llama 2 7B on a GPU that leaves 4 GiB: the smallest levels need more. 32 layers x 2 x 4096 values x 4096 tokens take
 * 2 GiB in F16 and 17/32 of that in q8_0 (blocks of 32 values in 34 bytes). */
static void each_gain_is_what_the_formulas_say(void **state)
{
    const double kv = 2.0 * 32 * 4096 * 4096 * 2;
    struct outcome o;
    (void)state;
    decide(&o, &(struct situation){SHAPE_LLAMA2_7B, 64, 1, 8, {"budget", "4GiB", "ctx", "4096"}});
    const struct levers *l = &o.s->levers;
    assert_int_equal(l->goal, LEVERS_FIT_ANY);
    assert_true(lever(l, "kv-q8_0")->gain_bytes == (int64_t)(kv * 15 / 32));
    assert_true(lever(l, "kv-q4_0")->gain_bytes == (int64_t)(kv * 23 / 32));
    assert_true(lever(l, "half-the-context")->gain_bytes >= (int64_t)(kv / 2));
    assert_true(lever(l, "half-the-context")->gain_bytes < (int64_t)(kv / 2 + 64e6)); /* and half the mask */
    assert_true(lever(l, "kv-q8_0")->loss == 0.0004);
    assert_true(isnan(lever(l, "kv-q4_0")->loss));
    assert_order(l, (const char *const[]){"kv-q8_0", "smaller-micro-batch", "half-the-context", "kv-q4_0",
                                          "layers-in-ram", "all-in-ram", NULL});
    assert_null(find(l, "flash-attention"));  /* it is on */
    assert_null(find(l, "fewer-sequences"));  /* there is one */
    assert_null(find(l, "more-gpus"));        /* llama.cpp cuts no weights */
    assert_non_null(strstr(lever(l, "kv-q8_0")->text, "(--kv-type q8_0), halved almost without loss: 960 MiB less"));
    done(&o);
}

/* Whoever takes the lever gets what it says. */
static void assert_comes_true(const struct situation *c, const struct outcome *before, const struct lever *l)
{
    struct situation after = *c;
    struct outcome o;
    int n = 0;
    while (after.wishes[n])
        n += 2;
    after.wishes[n] = wish_specs[l->wish].name;
    after.wishes[n + 1] = l->value;
    decide(&o, &after);
    const struct estimate *then = find_row(o.s, before->s->levers.wanted->name);
    if (l->enough != (o.s->recommended >= 0))
        fail_msg("%s: %s then wins", l->name, winner(o.s));
    if (l->enough)
        assert_string_equal(winner(o.s), l->level->name);
    if (before->wishes.value[WISH_FIT].choice == FIT_GPU && then)
        assert_int_equal((int64_t)(find_row(before->s, then->level->name)->gpu_bytes - then->gpu_bytes), l->gain_bytes);
    done(&o);
}

static void what_is_promised_comes_true(void **state)
{
    static const struct situation rows[] = {
        {SHAPE_LLAMA2_7B, 64, 1, 8, {"budget", "4GiB", "ctx", "4096"}},
        {SHAPE_LLAMA2_7B, 64, 1, 8, {"budget", "5GiB", "ctx", "4096", "parallel", "4"}},
        {SHAPE_LLAMA31_8B, 64, 1, 8, {"ctx", "131072"}},
        {SHAPE_LLAMA31_8B, 64, 1, 12, {"ctx", "65536", "flash-attention", "off"}},
        {SHAPE_LLAMA2_70B, 64, 1, 8, {NULL}},
        {SHAPE_LLAMA2_70B, 64, 1, 8, {"runtime", "ollama"}},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct outcome o;
        decide(&o, &rows[i]);
        if (o.s->recommended >= 0)
            fail_msg("row %zu: %s fits", i, winner(o.s));
        assert_true(o.s->levers.count > 0);
        for (int k = 0; k < o.s->levers.count; k++)
            assert_comes_true(&rows[i], &o, &o.s->levers.items[k]);
        done(&o);
    }
}

/* Where none is enough alone, those that are together are marked; taken one after the other they are. */
static void several_are_enough_together(void **state)
{
    struct situation c = {SHAPE_LLAMA2_7B, 3.4, 0, 0, {"ctx", "4096"}};
    struct outcome o;
    int n = 2;
    (void)state;
    decide(&o, &c);
    assert_int_equal(o.s->levers.goal, LEVERS_FIT_ANY);
    /* 2.4 + 1.1 + 0.1 of 2.9 with q8_0, 3.0 with half the context as well; the cache of the last counts. */
    assert_string_equal(o.s->headline, "nothing fits, but with these together something does: --micro-batch 256, --ctx 2048,"
                                       " --kv-type q4_0");
    assert_false(lever(&o.s->levers, "kv-q8_0")->together);
    for (int i = 0; i < o.s->levers.count; i++) {
        const struct lever *l = &o.s->levers.items[i];
        assert_false(l->enough);
        if (l->together && n + 2 < (int)ARRAY_LENGTH(c.wishes)) {
            c.wishes[n++] = wish_specs[l->wish].name;
            c.wishes[n++] = arena_strdup(&o.model->arena, l->value);
        }
    }
    assert_true(n > 4);
    struct outcome then;
    decide(&then, &c);
    assert_true(then.s->recommended >= 0);
    done(&then);
    done(&o);
}

/* Code asks for Q5_K_M or Q6_K: on 8 GB only a smaller cache makes room for it. */
static void a_better_level_is_named(void **state)
{
    struct outcome o;
    (void)state;
    decide(&o, &(struct situation){SHAPE_LLAMA2_7B, 64, 1, 8, {"use-case", "code", "budget", "6.4GiB", "ctx", "4096"}});
    assert_string_equal(winner(o.s), "Q4_K_M");
    assert_int_equal(o.s->levers.goal, LEVERS_FIT_BETTER);
    assert_string_equal(lever(&o.s->levers, "kv-q8_0")->level->name, "Q5_K_M");
    for (int i = 0; i < o.s->levers.count; i++)
        assert_true(o.s->levers.items[i].enough);
    done(&o);
    decide(&o, &(struct situation){SHAPE_LLAMA2_7B, 64, 1, 24, {"ctx", "4096"}});
    assert_int_equal(o.s->levers.goal, LEVERS_NONE); /* what is favoured most fits */
    assert_int_equal(o.s->levers.count, 0);
    done(&o);
}

/* Of a row that a person has chosen; a smaller level is one of its levers. */
static void a_row_has_levers_of_its_own(void **state)
{
    struct outcome o;
    struct levers l;
    struct arena a = {0};
    (void)state;
    decide(&o, &(struct situation){SHAPE_LLAMA2_7B, 64, 1, 8, {"ctx", "4096"}});
    levers_find(&l, &a, o.s, (int)(row(o.s, "Q8_0") - o.s->rows), &o.machine.machine, o.model, &o.wishes, rules);
    assert_int_equal(l.goal, LEVERS_FIT_ROW);
    assert_int_equal(lever(&l, "smaller-level")->wish, -1);
    assert_string_equal(lever(&l, "smaller-level")->value, winner(o.s));
    assert_int_equal(lever(&l, "smaller-level")->gain_bytes,
                     (int64_t)(row(o.s, "Q8_0")->gpu_bytes - row(o.s, winner(o.s))->gpu_bytes));
    assert_string_equal(lever(&l, "layers-in-ram")->level->name, "Q8_0");
    assert_non_null(strstr(lever(&l, "layers-in-ram")->text, "of 33 layers on the GPU"));
    levers_find(&l, &a, o.s, o.s->recommended, &o.machine.machine, o.model, &o.wishes, rules);
    assert_int_equal(l.goal, LEVERS_NONE);
    levers_find(&l, &a, o.s, (int)(row(o.s, "Q2_K") - o.s->rows), &o.machine.machine, o.model, &o.wishes, rules);
    assert_int_equal(l.goal, LEVERS_NONE); /* what is forbidden is not helped */
    arena_done(&a);
    done(&o);
}

/* 13B on two GPUs of 16 GB: one does not hold it in 16 bits, both do. */
static void more_gpus_are_taken(void **state)
{
    static const struct shape shape = {"llama", 5120, 13824, 40, 40, 40, 32000, 4096, .folder = true, .type = QUANT_BF16};
    struct outcome o;
    struct levers l;
    struct arena a = {0};
    (void)state;
    decide(&o, &(struct situation){shape, 64, 2, 16, {"runtime", "vllm", "ctx", "2048"}});
    levers_find(&l, &a, o.s, (int)(row(o.s, "original") - o.s->rows), &o.machine.machine, o.model, &o.wishes, rules);
    assert_string_equal(lever(&l, "more-gpus")->value, "2");
    assert_true(lever(&l, "more-gpus")->enough);
    assert_null(find(&l, "kv-q8_0"));  /* a type of llama.cpp's */
    assert_null(find(&l, "all-in-ram"));
    arena_done(&a);
    done(&o);
    /* 70B in 4 bits takes 37 GiB: two of 16 do not hold it, four do. */
    decide(&o, &(struct situation){{"llama", 8192, 28672, 80, 64, 8, 32000, 4096, .folder = true, .type = QUANT_BF16},
                                   64, 4, 16, {"runtime", "vllm"}});
    assert_int_equal(o.s->recommended, -1);
    assert_string_equal(lever(&o.s->levers, "more-gpus")->value, "4");
    assert_string_equal(lever(&o.s->levers, "more-gpus")->level->name, "awq-int4-g128");
    assert_true(lever(&o.s->levers, "more-gpus")->lossy); /* 2.7 % */
    done(&o);
}

/* Reading half the cache makes a token faster. */
static void speed_is_gained_too(void **state)
{
    struct outcome o;
    (void)state;
    decide(&o, &(struct situation){SHAPE_LLAMA31_8B, 64, 0, 0,
                                   {"ctx", "131072", "min-speed", "4", "max-loss", "3%", "parallel", "1"}});
    assert_int_equal(o.s->levers.goal, LEVERS_SPEED);
    const struct lever *kv = lever(&o.s->levers, "kv-q8_0");
    assert_true(kv->tokens_per_s > o.s->rows[o.s->recommended].tokens_per_s);
    assert_true(kv->enough == (kv->tokens_per_s >= 4));
    assert_null(find(&o.s->levers, "smaller-micro-batch"));  /* it makes nothing faster */
    done(&o);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_gain_is_what_the_formulas_say),
        cmocka_unit_test(what_is_promised_comes_true),
        cmocka_unit_test(several_are_enough_together),
        cmocka_unit_test(a_better_level_is_named),
        cmocka_unit_test(a_row_has_levers_of_its_own),
        cmocka_unit_test(more_gpus_are_taken),
        cmocka_unit_test(speed_is_gained_too),
    };
    return cmocka_run_group_tests(tests, situations_load, situations_unload);
}
