/* Every rule of the recommendation that the product promises, by name. */
#include "situations.h"

#include "plan/recommend.h"

#define SHAPE_MISTRAL_7B {"llama", 4096, 14336, 32, 32, 8, 32768, 32768, .type = QUANT_F16}

/* The winner is one of `levels` ("Q6_K Q8_0"), and its reasons say why. */
static void assert_recommends(const struct situation *c, const char *levels, const char *because)
{
    struct outcome o;
    decide(&o, c);
    const char *won = winner(o.s);
    char padded[128], name[32];
    snprintf(padded, sizeof padded, " %s ", levels);
    snprintf(name, sizeof name, " %s ", won);
    if (!strstr(padded, name))
        fail_msg("%s was recommended, not one of %s (%s)", won, levels, o.s->headline);
    assert_reason(&o.s->rows[o.s->recommended], '+', because);
    done(&o);
}

static void default_is_q4_k_m(void **state)
{
    (void)state;
    assert_recommends(&(struct situation){SHAPE_LLAMA2_7B, 64, 1, 16, {"ctx", "4096"}}, "Q4_K_M",
                      "the default");
}

/* Llama 3 8B is published to lose 2.8 % at Q4_K_M. */
static void five_bits_where_four_lose_more_than_2_percent(void **state)
{
    struct outcome o;
    (void)state;
    assert_recommends(&(struct situation){SHAPE_LLAMA31_8B, 64, 1, 16, {NULL}}, "Q5_K_M Q5_K_S",
                      "more than 2.0 %");
    assert_recommends(&(struct situation){SHAPE_LLAMA2_7B, 64, 1, 16, {"max-loss", "0.5%", "ctx", "4096"}},
                      "Q5_K_M Q5_K_S", "more than 0.5 %");
    decide(&o, &(struct situation){SHAPE_LLAMA31_8B, 64, 1, 16, {"max-loss", "4%"}});
    assert_string_equal(winner(o.s), "Q4_K_M"); /* 4 % are allowed */
    done(&o);
}

static void never_below_q3_under_13b(void **state)
{
    struct outcome o;
    (void)state;
    /* So little memory that only Q2 would fit: then nothing does. */
    decide(&o, &(struct situation){SHAPE_LLAMA2_7B, 64, 1, 16, {"budget", "2700MiB", "ctx", "512"}});
    assert_int_equal(row(o.s, "Q2_K_S")->verdict, VERDICT_FITS);
    assert_int_equal(row(o.s, "Q3_K_S")->verdict, VERDICT_TOO_BIG);
    assert_true(row(o.s, "Q2_K")->forbidden && row(o.s, "Q2_K_S")->forbidden);
    assert_reason(row(o.s, "Q2_K"), 'x', "never under 13B");
    assert_int_equal(o.s->recommended, -1);
    done(&o);
    decide(&o, &(struct situation){SHAPE_LLAMA2_13B, 64, 1, 16, {NULL}});
    assert_false(row(o.s, "Q2_K")->forbidden);
    done(&o);
}

static void code_asks_for_q5_k_m_or_q6_k(void **state)
{
    (void)state;
    assert_recommends(&(struct situation){SHAPE_LLAMA2_7B, 64, 1, 16, {"use-case", "code"}}, "Q5_K_M Q6_K",
                      "code");
    assert_recommends(&(struct situation){SHAPE_LLAMA2_7B, 64, 1, 8, {"use-case", "code", "ctx", "2048"}},
                      "Q5_K_M Q6_K", "code");
    assert_recommends(&(struct situation){SHAPE_LLAMA2_7B, 64, 0, 0, {"use-case", "code"}}, "Q5_K_M Q6_K",
                      "code");
}

static void technical_asks_for_q6_k_or_q8_0(void **state)
{
    (void)state;
    assert_recommends(&(struct situation){SHAPE_LLAMA2_7B, 64, 1, 24, {"use-case", "technical"}}, "Q6_K Q8_0",
                      "medical");
    assert_recommends(&(struct situation){SHAPE_LLAMA2_7B, 64, 0, 0, {"use-case", "technical"}}, "Q6_K Q8_0",
                      "technical");
}

static void creative_is_content_with_q4_k_m(void **state)
{
    (void)state;
    assert_recommends(&(struct situation){SHAPE_LLAMA2_7B, 64, 1, 24, {"use-case", "creative"}}, "Q4_K_M",
                      "creative");
    assert_recommends(&(struct situation){SHAPE_LLAMA31_8B, 64, 0, 0, {"use-case", "creative"}}, "Q4_K_M",
                      "creative");
}

static void edge_asks_for_q3_k_s_or_q2_k(void **state)
{
    (void)state;
    assert_recommends(&(struct situation){SHAPE_LLAMA2_13B, 12, 0, 0, {"use-case", "edge", "ctx", "2048"}},
                      "Q3_K_S Q2_K", "edge");
    assert_recommends(&(struct situation){SHAPE_LLAMA32_1B, 2, 0, 0, {"use-case", "edge", "ctx", "2048"}},
                      "Q3_K_S", "edge");
}

/* Edge asks for Q2_K, a small model forbids it: the prohibition wins, and says so. */
static void a_prohibition_wins_over_a_preference(void **state)
{
    struct outcome o;
    (void)state;
    decide(&o, &(struct situation){SHAPE_LLAMA2_7B, 8, 0, 0, {"use-case", "edge", "ctx", "2048"}});
    assert_string_equal(winner(o.s), "Q3_K_S");
    assert_reason(row(o.s, "Q2_K"), '+', "edge");
    assert_reason(row(o.s, "Q2_K"), 'x', "never under 13B");
    assert_reason(row(o.s, "Q2_K"), 'x', "the prohibition wins over what favours it (usecases.yaml:");
    assert_true(row(o.s, "Q2_K")->forbidden);
    done(&o);
}

static void gpus_of_8_to_12_gb_take_4_or_5_bits(void **state)
{
    (void)state;
    assert_recommends(&(struct situation){SHAPE_MISTRAL_7B, 64, 1, 8, {"ctx", "8192"}}, "Q4_K_M Q5_K_M",
                      "8 to 12 GB");
    assert_recommends(&(struct situation){SHAPE_MISTRAL_7B, 64, 1, 12, {"ctx", "8192"}}, "Q4_K_M Q5_K_M",
                      "8 to 12 GB");
}

static void gpus_of_24_gb_take_8_or_16_bits(void **state)
{
    (void)state;
    assert_recommends(&(struct situation){SHAPE_MISTRAL_7B, 64, 1, 24, {NULL}}, "Q8_0 F16", "24 GB");
    assert_recommends(&(struct situation){SHAPE_LLAMA2_13B, 64, 1, 80, {NULL}}, "Q8_0 F16", "24 GB");
}

static void a_cpu_alone_takes_4_or_5_bits(void **state)
{
    (void)state;
    assert_recommends(&(struct situation){SHAPE_LLAMA2_7B, 64, 0, 0, {NULL}}, "Q4_K_M Q5_K_M", "on a CPU");
    assert_recommends(&(struct situation){SHAPE_LLAMA31_8B, 64, 1, 24, {"fit", "cpu"}}, "Q4_K_M Q5_K_M",
                      "on a CPU");
}

static void seventy_billion_on_consumer_hardware(void **state)
{
    (void)state;
    assert_recommends(&(struct situation){SHAPE_LLAMA2_70B, 64, 1, 24, {"fit", "split"}}, "Q3_K_M Q4_K_S",
                      "consumer");
    assert_recommends(&(struct situation){SHAPE_LLAMA2_70B, 64, 2, 24, {NULL}}, "Q3_K_M Q4_K_S", "consumer");
    assert_recommends(&(struct situation){SHAPE_LLAMA2_70B, 64, 0, 0, {NULL}}, "Q3_K_M Q4_K_S", "consumer");
}

static void models_under_3b_are_questioned(void **state)
{
    struct outcome o;
    (void)state;
    decide(&o, &(struct situation){SHAPE_LLAMA32_1B, 16, 0, 0, {NULL}});
    assert_string_equal(winner(o.s), "F16");
    assert_non_null(strstr(o.s->headline, "keep F16: a model of 1.24B is small as it is"));
    assert_true(said(&o.s->doubts, "costs more quality than in larger ones"));
    done(&o);
    /* Where it would not fit, 8 bits. */
    assert_recommends(&(struct situation){SHAPE_LLAMA32_1B, 16, 0, 0, {"budget", "2400MiB", "ctx", "2048"}},
                      "Q8_0", "8 bits");
}

static void says_when_memory_is_not_the_bottleneck(void **state)
{
    struct outcome o;
    (void)state;
    decide(&o, &(struct situation){SHAPE_LLAMA2_7B, 64, 0, 0, {NULL}});
    assert_reason(row(o.s, "F16"), 'i', "memory is not the bottleneck");
    done(&o);
    decide(&o, &(struct situation){SHAPE_LLAMA2_7B, 64, 1, 8, {NULL}});
    assert_false(says(row(o.s, "F16"), 'i', "memory is not the bottleneck"));
    done(&o);
}

/* A Q4_0 checkpoint: nothing above it, and what it is comes first. */
static void never_above_a_quantized_source(void **state)
{
    struct outcome o;
    struct situation c = {SHAPE_LLAMA2_7B, 64, 1, 24, {NULL}};
    (void)state;
    c.shape.type = QUANT_Q4_0;
    decide(&o, &c);
    assert_string_equal(winner(o.s), "Q4_0");
    assert_true(o.s->rows[o.s->recommended].is_source);
    static const char *const above[] = {"F16", "BF16", "Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M"};
    for (size_t i = 0; i < ARRAY_LENGTH(above); i++) {
        assert_true(row(o.s, above[i])->forbidden);
        assert_reason(row(o.s, above[i]), 'x', "the checkpoint is Q4_0 already");
    }
    assert_false(row(o.s, "Q3_K_M")->forbidden);
    assert_reason(row(o.s, "Q3_K_M"), '-', "loses twice");
    assert_true(isnan(row(o.s, "Q3_K_M")->expected_loss));
    done(&o);
}

static void wishes_are_held(void **state)
{
    struct outcome o;
    (void)state;
    /* Slower than asked for: 13B at 50 GB/s. */
    decide(&o, &(struct situation){SHAPE_LLAMA2_13B, 64, 0, 0, {"min-speed", "5", "ctx", "2048"}});
    assert_reason(row(o.s, "Q8_0"), '-', "below your wish of 5.0");
    assert_true(o.s->rows[o.s->recommended].tokens_per_s >= 5);
    done(&o);
    /* A limit on the loss that only 8 bits hold. */
    decide(&o, &(struct situation){SHAPE_LLAMA31_8B, 64, 1, 16, {"max-loss", "0.1%"}});
    assert_string_equal(winner(o.s), "Q8_0");
    assert_reason(row(o.s, "Q6_K"), '-', "more than your limit of 0.1 %");
    done(&o);
}

static void runtimes_refuse_what_they_cannot_read(void **state)
{
    struct outcome o;
    (void)state;
    decide(&o, &(struct situation){SHAPE_LLAMA2_7B, 64, 1, 24, {"runtime", "tensorrt-llm"}});
    assert_int_equal(o.s->recommended, -1);
    assert_reason(row(o.s, "Q4_K_M"), 'x', "TensorRT-LLM does not read gguf files");
    done(&o);
    decide(&o, &(struct situation){SHAPE_LLAMA2_7B, 64, 1, 24, {"runtime", "vllm"}});
    assert_reason(row(o.s, "Q4_K_M"), 'i', "plugin");
    done(&o);
    /* transformers dequantizes: every level takes 16 bits a weight in memory. */
    decide(&o, &(struct situation){SHAPE_LLAMA2_7B, 64, 1, 24, {"runtime", "transformers", "ctx", "512"}});
    assert_true(row(o.s, "Q4_K_M")->weights_bytes > UINT64_C(13) * 1000 * 1000 * 1000);
    done(&o);
}

static void every_row_says_why(void **state)
{
    static const struct situation rows[] = {
        {SHAPE_LLAMA2_7B, 64, 1, 8, {NULL}},
        {SHAPE_LLAMA2_70B, 8, 0, 0, {NULL}},
        {SHAPE_LLAMA32_1B, 0, 0, 0, {NULL}},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct outcome o;
        decide(&o, &rows[i]);
        assert_true(*o.s->headline != 0);
        for (int k = 0; k < o.s->count; k++) {
            const struct estimate *r = &o.s->rows[k];
            bool decided = false;
            for (int n = 0; n < r->reason_count; n++)
                decided = decided || strchr(r->recommended ? "+i" : "-x", r->reasons[n].sign);
            assert_true(decided);
        }
        done(&o);
    }
}

/* "Q4_K_M is favoured more: 30 points to 0 (cpu-only +20, default +10)": the parts are the difference. */
static bool names_what_made_the_difference(const struct estimate *r)
{
    const char *text = r->reasons[r->reason_count - 1].text, *at = strchr(text, '(');
    double winner = 0, own = 0, sum = 0, points;
    const char *numbers = strstr(text, " favoured more: ");
    if (!numbers || !at || strstr(at, "others") || sscanf(numbers, " favoured more: %lf points to %lf", &winner, &own) != 2)
        return false;
    for (int n; *at == '(' || *at == ','; at += 1 + n) {
        assert_int_equal(sscanf(at + 1, " %*s %lf%n", &points, &n), 1);
        sum += points;
    }
    if (sum != winner - own)
        fail_msg("%s: %s", r->level->name, text);
    return true;
}

static void losers_say_which_rules_made_the_difference(void **state)
{
    static const struct situation rows[] = {
        {SHAPE_LLAMA2_7B, 64, 1, 16, {"ctx", "4096"}},
        {SHAPE_LLAMA2_7B, 64, 0, 0, {"use-case", "code"}},
        {SHAPE_LLAMA32_1B, 64, 1, 24, {NULL}},
    };
    struct outcome o;
    int named = 0;
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        decide(&o, &rows[i]);
        for (int k = 0; k < o.s->count; k++)
            named += names_what_made_the_difference(&o.s->rows[k]);
        done(&o);
    }
    assert_true(named > 30);
    decide(&o, &(struct situation){SHAPE_LLAMA2_7B, 64, 0, 0, {"ctx", "4096"}});
    assert_reason(row(o.s, "Q8_0"), '-', "Q4_K_M is favoured more: 30 points to 0 (cpu-only +20, default +10)");
    assert_reason(row(o.s, "Q5_K_M"), '-', "Q4_K_M is favoured more: 30 points to 19 (default +10, cpu-only +1)");
    done(&o);
}

static void nothing_fits_is_said(void **state)
{
    struct outcome o;
    (void)state;
    decide(&o, &(struct situation){SHAPE_LLAMA2_70B, 64, 1, 8, {NULL}});
    assert_int_equal(o.s->recommended, -1);
    assert_string_equal(o.s->headline, "nothing fits; --fit split makes Q4_K_S fit, --fit cpu makes Q4_K_S fit");
    assert_reason(row(o.s, "Q2_K"), '-', "too big: needs");
    done(&o);
    decide(&o, &(struct situation){SHAPE_LLAMA2_7B, 64, 0, 0, {"fit", "gpu"}});
    assert_reason(row(o.s, "Q4_K_M"), '-', "none was found; --fit cpu");
    done(&o);
}

static void habits_are_warned_of(void **state)
{
    static const struct { struct situation c; const char *part; } rows[] = {
        {{SHAPE_LLAMA2_7B, 64, 1, 24, {"use-case", "code"}},
         "judged on general text unless you give a domain text"},
        {{SHAPE_LLAMA2_7B, 64, 1, 24, {"ctx", "8192"}}, "trained on 4096 tokens"},
        {{SHAPE_LLAMA2_7B, 64, 1, 24, {"kv-type", "q4_0"}}, "q4_0 cache costs quality of its own"},
        {{SHAPE_MIXTRAL, 64, 0, 0, {NULL}}, "leave some of the experts out"},
    };
    struct outcome o;
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        decide(&o, &rows[i].c);
        assert_true(warned(o.s, rows[i].part));
        done(&o);
    }
    decide(&o, &(struct situation){SHAPE_LLAMA31_8B, 64, 1, 24, {"ctx", "65536"}});
    assert_true(said(&o.s->doubts, "nobody has told what quantizing does at 65536"));
    done(&o);
    decide(&o, &(struct situation){SHAPE_LLAMA2_7B, 64, 1, 24, {"ctx", "4096"}});
    assert_int_equal(o.s->warnings.count, 0);
    int q2 = (int)(row(o.s, "Q2_K") - o.s->rows);
    recommend_warnings(o.s, &(struct chosen){.row = q2}, &o.machine.machine, o.model, &o.wishes, rules);
    assert_true(warned(o.s, "nothing will be measured"));
    assert_true(warned(o.s, "below Q3 a model of 6.74B falls apart"));
    done(&o);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(default_is_q4_k_m),
        cmocka_unit_test(five_bits_where_four_lose_more_than_2_percent),
        cmocka_unit_test(never_below_q3_under_13b),
        cmocka_unit_test(code_asks_for_q5_k_m_or_q6_k),
        cmocka_unit_test(technical_asks_for_q6_k_or_q8_0),
        cmocka_unit_test(creative_is_content_with_q4_k_m),
        cmocka_unit_test(edge_asks_for_q3_k_s_or_q2_k),
        cmocka_unit_test(a_prohibition_wins_over_a_preference),
        cmocka_unit_test(gpus_of_8_to_12_gb_take_4_or_5_bits),
        cmocka_unit_test(gpus_of_24_gb_take_8_or_16_bits),
        cmocka_unit_test(a_cpu_alone_takes_4_or_5_bits),
        cmocka_unit_test(seventy_billion_on_consumer_hardware),
        cmocka_unit_test(models_under_3b_are_questioned),
        cmocka_unit_test(says_when_memory_is_not_the_bottleneck),
        cmocka_unit_test(never_above_a_quantized_source),
        cmocka_unit_test(wishes_are_held),
        cmocka_unit_test(runtimes_refuse_what_they_cannot_read),
        cmocka_unit_test(every_row_says_why),
        cmocka_unit_test(losers_say_which_rules_made_the_difference),
        cmocka_unit_test(nothing_fits_is_said),
        cmocka_unit_test(habits_are_warned_of),
    };
    return cmocka_run_group_tests(tests, situations_load, situations_unload);
}
