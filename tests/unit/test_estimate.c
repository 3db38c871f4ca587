#include "situations.h"

#include <time.h>

#include "plan/graph.h"
#include "plan/kv.h"

/* Estimates under wishes given as "name=value" texts, NULL-terminated. */
static struct estimates *make(const struct machine *m, const struct model *model, const char *const *wishes)
{
    struct wishes w = {0};
    struct estimates *s;
    struct error e = {0};
    for (; wishes && *wishes; wishes += 2)
        assert_ok(wishes_set(&w, wish_find(wishes[0]), wishes[1], &e), &e);
    wishes_defaults(&w, m, model);
    assert_ok(estimates_make(&s, m, model, &w, rules, &e), &e);
    wishes_done(&w);
    return s;
}
#define WISHES(...) (const char *const[]){__VA_ARGS__, NULL}

/* ---------------------------------------------------------------------- cache */

static struct kv_cache cache(int64_t context, enum quant_id type)
{
    const struct quant_type *t = quant_type(type);
    return (struct kv_cache){
        .context = context, .sequences = 1, .micro_batch = 512, .pad = 256, .windowed = true, .flash = true,
        .k = t, .v = t};
}

/* Llama-3.1-8B, 32768 tokens: 4, 2.125 and 1.125 GiB. */
static void cache_of_grouped_queries(void **state)
{
    static const struct shape shape = SHAPE_LLAMA31_8B;
    static const struct { enum quant_id type; double gib; } rows[] = {
        {QUANT_F16, 4.0}, {QUANT_Q8_0, 2.125}, {QUANT_Q4_0, 1.125},
    };
    struct model *m = shape_model(&shape);
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct kv_cache c = cache(32768, rows[i].type);
        assert_true((double)kv_bytes(&c, &m->hp) == rows[i].gib * GIB);
        c.sequences = 4;
        assert_true((double)kv_bytes(&c, &m->hp) == 4 * rows[i].gib * GIB);
        c.context = 32767; /* padded */
        assert_true((double)kv_bytes(&c, &m->hp) == 4 * rows[i].gib * GIB);
    }
    shape_free(m);
}

/* DeepSeek-V3: 61 layers keep 512 + 64 values a token, no V: 70,272 B a token. */
static void cache_of_latent_attention(void **state)
{
    struct layer_shape layer[61];
    struct hparams hp = {.layers = 61, .mla_rank = 512, .mla_rope = 64, .layer = layer};
    struct kv_cache c = cache(4096, QUANT_F16);
    (void)state;
    for (int i = 0; i < 61; i++)
        layer[i] = (struct layer_shape){128, 128, 192, 128, 18432, 0, 0};
    assert_int_equal(kv_bytes(&c, &hp), UINT64_C(70272) * 4096);
}

/* One layer in six sees all, the others a window of 1024 and the 512 tokens of a step. */
static void cache_of_sliding_windows(void **state)
{
    struct layer_shape layer[6];
    struct hparams hp = {.layers = 6, .layer = layer};
    struct kv_cache c = cache(32768, QUANT_F16);
    (void)state;
    for (int i = 0; i < 6; i++)
        layer[i] = (struct layer_shape){8, 4, 256, 256, 10240, i == 5 ? 0 : 1024, 0};
    const uint64_t token = 2 * 4 * 256 * 2;
    assert_int_equal(kv_bytes(&c, &hp), token * (5 * 1536 + 32768));
    c.windowed = false;
    assert_int_equal(kv_bytes(&c, &hp), token * 6 * 32768);
    c.windowed = true;
    c.context = 700; /* shorter than the window */
    assert_int_equal(kv_bytes(&c, &hp), token * 6 * 768);
}

/* Layers without attention keep a state that does not grow with the context. */
static void cache_of_hybrids(void **state)
{
    struct layer_shape layer[4] = {{0, 0, 0, 0, 1024, 0, 1000},
                                   {8, 2, 64, 64, 1024, 0, 0},
                                   {0, 0, 0, 0, 1024, 0, 1000},
                                   {8, 0, 64, 64, 1024, 0, 0} /* shares another layer's */};
    struct hparams hp = {.layers = 4, .layer = layer};
    struct kv_cache c = cache(1024, QUANT_F16);
    (void)state;
    c.sequences = 3;
    assert_int_equal(kv_bytes(&c, &hp), 3 * (2000 + 1024 * 2 * 2 * 64 * 2));
}

/* -------------------------------------------------------------------- buffers */

/* "compute buffer size" of llama.cpp v0.5.0, in MiB, at these contexts. */
static void compute_buffers_are_llama_cpps(void **state)
{
    static const struct shape demo = SHAPE_DEMO, smollm2 = SHAPE_SMOLLM2;
    static const struct shape wide = {"llama", 4096, 11008, 2, 32, 32, 32000, 4096, .type = QUANT_F16};
    static const struct { const struct shape *shape; int ctx; double mib; bool stored; int batch; } rows[] = {
        {&demo, 256, 5.38},      {&demo, 512, 9.00},      {&demo, 1024, 11.51},    {&demo, 2048, 9.00},
        {&demo, 3072, 12.50},    {&demo, 4096, 12.50},    {&demo, 6144, 10.51},    {&demo, 8192, 12.51},
        {&demo, 65536, 68.51},   {&smollm2, 256, 49.13},  {&smollm2, 512, 98.25},  {&smollm2, 2048, 102.51},
        {&smollm2, 4096, 98.25}, {&smollm2, 65536, 98.25}, {&wide, 512, 97.01},    {&wide, 8192, 104.51},
        {&wide, 65536, 160.51},
        /* scores stored, where flash attention is off */
        {&demo, 512, 12.01, true}, {&demo, 1024, 21.01, true}, {&demo, 4096, 75.01, true},
        {&smollm2, 512, 98.25, true}, {&smollm2, 4096, 99.38, true}, {&smollm2, 8192, 166.38, true},
        {&smollm2, 65536, 1286.38, true}, {&wide, 512, 105.51, true}, {&wide, 8192, 584.01, true},
        /* steps of fewer tokens */
        {&demo, 1024, 5.76, false, 256}, {&demo, 4096, 3.13, false, 128}, {&smollm2, 8192, 24.56, false, 128},
        {&smollm2, 65536, 321.60, true, 128}, {&wide, 8192, 146.00, true, 128},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct model *m = shape_model(rows[i].shape);
        struct kv_cache c = cache(rows[i].ctx, QUANT_F16);
        int batch = rows[i].batch ? rows[i].batch : 512, tokens = rows[i].ctx < batch ? rows[i].ctx : batch;
        c.flash = !rows[i].stored;
        struct graph_part p = {&m->hp, &c, tokens, tokens, true};
        double mib = (double)graph_bytes(&p) / 1048576;
        if (fabs(mib - rows[i].mib) > 0.006)
            fail_msg("%d wide, context %d: %.3f MiB, not %.2f", rows[i].shape->embd, rows[i].ctx, mib,
                     rows[i].mib);
        shape_free(m);
    }
}

/* What llama.cpp v0.5.0 allocated on a CPU with AMX: mapped and repacked weights, cache, buffers. */
static void totals_are_llama_cpps_within_5_percent(void **state)
{
    static const struct shape smollm2 = SHAPE_SMOLLM2;
    static const struct { const char *ctx, *level; double mib; } rows[] = {
        {"512", "F16", 621.14},     {"512", "Q8_0", 397.49},    {"512", "Q4_K_M", 259.87},
        {"512", "Q4_0", 284.01},    {"512", "IQ4_XS", 283.42},  {"4096", "F16", 699.89},
        {"4096", "Q4_K_M", 338.62}, {"4096", "Q2_K", 345.16},   {"8192", "F16", 789.89},
        {"8192", "Q5_K_M", 436.65}, {"8192", "IQ4_NL", 453.43},
    };
    static const char *const features[] = {"avx2", "avx512f", "avx512_vnni", "amx_tile", "amx_int8", NULL};
    struct model *m = shape_model(&smollm2);
    struct test_machine t;
    (void)state;
    test_machine(&t, 16, 0, 0);
    t.machine.cpu.features = features;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct estimates *s = make(&t.machine, m, WISHES("ctx", rows[i].ctx));
        double mib = (double)row(s, rows[i].level)->total_bytes / 1048576;
        if (fabs(mib / rows[i].mib - 1) > 0.05)
            fail_msg("%s at %s: %.1f MiB, not %.1f", rows[i].level, rows[i].ctx, mib, rows[i].mib);
        estimates_free(s);
    }
    shape_free(m);
}

/* Sizes of what llama.cpp's own quantize writes for the demo model. */
static void files_of_the_demo_have_llama_cpps_sizes(void **state)
{
    static const struct { const char *level; uint64_t bytes; } rows[] = {
        {"F16", 9322016},    {"BF16", 9322016},   {"Q8_0", 5021216}, {"Q6_K", 3910176},   {"Q5_1", 3661344},
        {"Q5_K_M", 3483680}, {"Q5_K_S", 3440160}, {"Q5_0", 3440160}, {"Q4_1", 3218976},   {"Q4_K_M", 3082272},
        {"Q4_K_S", 3014176}, {"IQ4_NL", 2997792}, {"Q4_0", 2997792}, {"Q3_K_L", 2882592}, {"IQ4_XS", 2887200},
        {"Q3_K_M", 2718752}, {"Q3_K_S", 2527776}, {"Q2_K", 2308128},
        /* with an importance matrix, less what the file says of that */
        {"IQ3_M", 2606112},  {"IQ3_S", 2527776},  {"IQ3_XS", 2438688}, {"IQ3_XXS", 2204192}, {"Q2_K_S", 2168352},
        {"IQ2_M", 2065952},  {"IQ2_S", 1973792},  {"IQ2_XS", 1898528}, {"IQ2_XXS", 1794080}, {"IQ1_M", 1678880},
        {"IQ1_S", 1609760},
    };
    char *path = unit_source("demo/quantwiz-demo-f16.gguf");
    struct error e = {0};
    struct model *m;
    struct test_machine t;
    (void)state;
    assert_ok(model_open(&m, path, 0, &e), &e);
    struct estimates *s = make(test_machine(&t, 16, 0, 0), m, WISHES("calibration", "text.txt"));
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        assert_int_equal(row(s, rows[i].level)->file_bytes, rows[i].bytes);
    assert_true(row(s, "F16")->is_source);
    estimates_free(s);
    model_close(m);
    free(path);
}

/* ------------------------------------------------------------------ placement */

static void what_is_unknown_stays_unknown(void **state)
{
    static const struct shape shape = SHAPE_LLAMA2_7B;
    struct model *m = shape_model(&shape);
    struct test_machine t;
    (void)state;
    struct estimates *s = make(test_machine(&t, 0, 0, 0), m, NULL);
    assert_int_equal(row(s, "Q4_K_M")->verdict, VERDICT_UNKNOWN);
    assert_true(isnan(row(s, "Q4_K_M")->tokens_per_s));
    assert_true(isnan(row(s, "Q4_K_M")->prefill_tokens_per_s));
    assert_false(s->cpu_budget_known);
    estimates_free(s);
    test_machine(&t, 16, 1, 8);
    t.gpus[0].vram_free_bytes = (struct fact){0};
    t.gpus[0].bandwidth = (struct fact){0};
    s = make(&t.machine, m, NULL);
    assert_int_equal(row(s, "Q4_K_M")->verdict, VERDICT_UNKNOWN);
    assert_true(isnan(row(s, "Q4_K_M")->tokens_per_s));
    assert_int_equal(row(s, "F16")->verdict, VERDICT_TOO_BIG); /* more than the 8 GiB that there are at all */
    assert_false(s->gpu_budget_known);
    estimates_free(s);
    s = make(NULL, m, WISHES("budget", "6GiB", "fit", "cpu")); /* nothing known but what the person says */
    assert_int_equal(row(s, "Q4_K_S")->verdict, VERDICT_FITS);
    assert_int_equal(row(s, "Q8_0")->verdict, VERDICT_TOO_BIG);
    estimates_free(s);
    shape_free(m);
}

static void a_model_lies_on_the_gpu_from_the_last_layer_back(void **state)
{
    static const struct shape shape = SHAPE_LLAMA2_13B;
    struct model *m = shape_model(&shape);
    struct test_machine t;
    const struct machine *machine = test_machine(&t, 32, 1, 8);
    (void)state;
    struct estimates *s = make(machine, m, WISHES("ctx", "4096"));
    const struct estimate *q8 = row(s, "Q8_0"), *q2 = row(s, "Q2_K");
    assert_int_equal(q8->verdict, VERDICT_TOO_BIG);
    assert_true(q8->gpu_layers > 0 && q8->gpu_layers < 41);
    assert_int_equal(q2->layers, 41); /* the output layer counts */
    assert_int_equal(q8->gpu_bytes + q8->cpu_bytes, q8->total_bytes);
    assert_int_equal(q8->total_bytes,
                     q8->weights_bytes + q8->kv_bytes + q8->compute_bytes + q8->overhead_bytes);
    estimates_free(s);
    s = make(machine, m, WISHES("fit", "split", "ctx", "4096"));
    q8 = row(s, "Q8_0");
    assert_int_equal(q8->verdict, VERDICT_SPLIT);
    assert_true(q8->gpu_bytes <= s->gpu_budget && q8->cpu_bytes <= s->cpu_budget);
    assert_int_equal(q8->layers_on_gpu[0], q8->gpu_layers);
    /* One more layer would not have fitted. */
    assert_true(q8->gpu_bytes + (q8->weights_bytes + q8->kv_bytes) / 41 > s->gpu_budget);
    estimates_free(s);
    s = make(machine, m, WISHES("fit", "cpu", "ctx", "4096"));
    assert_int_equal(row(s, "Q8_0")->gpu_layers, 0);
    assert_int_equal(row(s, "Q8_0")->gpu_bytes, 0);
    assert_int_equal(row(s, "Q8_0")->verdict, VERDICT_FITS);
    estimates_free(s);
    shape_free(m);
}

static void several_gpus_share_by_their_free_memory(void **state)
{
    static const struct shape shape = SHAPE_LLAMA2_13B;
    struct model *m = shape_model(&shape);
    struct test_machine t;
    (void)state;
    test_machine(&t, 32, 2, 8);
    t.gpus[1].vram_total_bytes = found(16 * GIB);
    t.gpus[1].vram_free_bytes = found(15.7 * GIB);
    struct estimates *s = make(&t.machine, m, WISHES("ctx", "4096"));
    const struct estimate *q6 = row(s, "Q6_K");
    assert_int_equal(q6->verdict, VERDICT_FITS);
    assert_int_equal(q6->layers_on_gpu[0] + q6->layers_on_gpu[1], 41);
    /* 6.7 and 14.7 GiB after the margin of 1 GiB each: 0.31 of 41 layers on the first. */
    assert_true(q6->layers_on_gpu[0] >= 12 && q6->layers_on_gpu[0] <= 14);
    assert_int_equal(s->gpu_budget, (uint64_t)(6.7 * GIB) + (uint64_t)(14.7 * GIB));
    estimates_free(s);
    shape_free(m);
}

/* Token embeddings stay in RAM; where they are the output matrix too, the GPU gets a copy. */
static void tied_embeddings_are_there_twice(void **state)
{
    static const struct shape shape = SHAPE_LLAMA32_1B;
    struct model *m = shape_model(&shape);
    struct test_machine t;
    (void)state;
    struct estimates *s = make(test_machine(&t, 32, 1, 12), m, NULL);
    const struct estimate *f16 = row(s, "F16");
    const uint64_t table = UINT64_C(2048) * 128256 * 2, logits = 128256 * 4;
    assert_int_equal(f16->overhead_bytes, table + logits);
    assert_true(f16->cpu_bytes > table && f16->cpu_bytes < table + logits + (16 << 20));
    estimates_free(s);
    shape_free(m);
}

/* ---------------------------------------------------------------------- speed */

static void speed_follows_the_bytes_that_a_token_reads(void **state)
{
    static const struct shape dense = SHAPE_LLAMA2_7B, mixed = SHAPE_MIXTRAL;
    struct model *m = shape_model(&dense), *x = shape_model(&mixed);
    struct test_machine t;
    const struct machine *machine = test_machine(&t, 128, 0, 0);
    (void)state;
    struct estimates *s = make(machine, m, WISHES("ctx", "512")),
                     *moe = make(machine, x, WISHES("ctx", "512"));
    const struct estimate *q8 = row(s, "Q8_0");
    /* All but the embeddings, and half the cache, at 0.75 of 50 GB/s. */
    double bytes = (double)q8->weights_bytes - 32000.0 * 4096 * 34 / 32 + (double)q8->kv_bytes / 2;
    if (fabs(q8->tokens_per_s * bytes / (0.75 * 50e9) - 1) > 0.001)
        fail_msg("%g tokens/s of %g B", q8->tokens_per_s, bytes);
    /* 2 of 8 experts: 46.7 billion parameters read like 12.9. */
    double ratio = row(moe, "Q8_0")->tokens_per_s / q8->tokens_per_s;
    assert_true(ratio > 6.7 / 13.2 && ratio < 6.7 / 12.2);
    estimates_free(s);
    estimates_free(moe);
    s = make(test_machine(&t, 32, 1, 24), m, WISHES("ctx", "512"));
    assert_true(row(s, "Q4_K_M")->tokens_per_s > 60 && row(s, "Q4_K_M")->prefill_tokens_per_s > 1000);
    t.gpus[0].bandwidth = (struct fact){0};
    struct estimates *unknown = make(&t.machine, m, WISHES("ctx", "512"));
    assert_true(isnan(row(unknown, "Q4_K_M")->tokens_per_s));
    estimates_free(s);
    estimates_free(unknown);
    shape_free(m);
    shape_free(x);
}

/* ----------------------------------------------------------------------- loss */

static void losses_come_from_models_of_a_like_size(void **state)
{
    static const struct { struct shape shape; const char *level; double loss; const char *from; } rows[] = {
        {SHAPE_LLAMA2_7B, "Q4_K_M", 0.0532 / 5.9066, "published, LLaMA-1-7B"},
        {SHAPE_LLAMA31_8B, "Q4_K_M", 6.407115 / 6.233160 - 1, "published, Llama-3-8B"},
        {SHAPE_LLAMA2_70B, "Q3_K_M", 3.5932 / 3.4313 - 1, "published, Llama-2-70B"},
        {SHAPE_LLAMA32_1B, "Q8_0", 10.1670 / 10.1512 - 1, "published, Qwen2.5-1.5B"},
        {SHAPE_LLAMA2_7B, "F16", 0, "the checkpoint itself"},
        {SHAPE_LLAMA2_7B, "BF16", 0, "not quantized"},
        {{"llama", 256, 512, 6, 8, 4, 4096, 1024, .type = QUANT_F16}, "Q4_K_M", NAN, NULL},
    };
    struct test_machine t;
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct model *m = shape_model(&rows[i].shape);
        struct estimates *s = make(test_machine(&t, 64, 0, 0), m, NULL);
        const struct estimate *r = row(s, rows[i].level);
        if (rows[i].from) {
            assert_string_equal(r->loss_from, rows[i].from);
            assert_true(fabs(r->expected_loss - rows[i].loss) < 1e-9);
        } else {
            assert_true(isnan(r->expected_loss));
            assert_null(r->loss_from);
        }
        estimates_free(s);
        shape_free(m);
    }
}

/* -------------------------------------------------------------- on a key press */

static double milliseconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void a_70b_model_takes_less_than_5_ms(void **state)
{
    static const struct shape shape = SHAPE_LLAMA2_70B;
    struct model *m = shape_model(&shape);
    struct test_machine t;
    double best = 1e9;
    (void)state;
    test_machine(&t, 64, 2, 24);
    for (int i = 0; i < 5; i++) {
        double start = milliseconds();
        estimates_free(make(&t.machine, m, WISHES("fit", "split")));
        best = fmin(best, milliseconds() - start);
    }
    shape_free(m);
#ifdef UNIT_SANITIZED
    skip();
#endif
    if (best >= 5)
        fail_msg("%.2f ms", best);
}

static void the_arithmetic_is_told(void **state)
{
    static const struct shape shape = SHAPE_LLAMA31_8B;
    static const char *const parts[] = {
        "Q4_K_M of shapes.gguf, llama.cpp",
        "Q4_K   193 tensors",
        "256 x 144 B",
        "32 layers: 8 heads x (128 + 128) values in q8_0 = 2176 B a token, x 32768 cells x 1 sequences = ",
        "= 2.1 GiB (2281701376 B)",
        "logits: 128256 words x 512 tokens x 4 B",
        "total: ",
        "GPU: 500 GB/s (found) x 0.63",
        "loss: 2.79 %, of Llama-3-8B",
    };
    struct model *m = shape_model(&shape);
    struct test_machine t;
    struct wishes w = {0};
    struct estimates *s;
    struct error e = {0};
    int count, index = -1;
    (void)state;
    test_machine(&t, 32, 1, 24);
    assert_ok(wishes_set(&w, WISH_CTX, "32k", &e), &e);
    assert_ok(wishes_set(&w, WISH_KV_TYPE, "q8_0", &e), &e);
    wishes_defaults(&w, &t.machine, m);
    assert_ok(estimates_make(&s, &t.machine, m, &w, rules, &e), &e);
    for (int i = 0; i < s->count; i++)
        if (strcmp(s->rows[i].level->name, "Q4_K_M") == 0)
            index = i;
    const char **lines = estimate_explain(s, index, &t.machine, m, &w, rules, &count);
    for (size_t k = 0; k < ARRAY_LENGTH(parts); k++) {
        int hits = 0;
        for (int i = 0; i < count; i++)
            hits += strstr(lines[i], parts[k]) != NULL;
        if (!hits)
            fail_msg("nothing says '%s'", parts[k]);
    }
    estimates_free(s);
    wishes_done(&w);
    shape_free(m);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(cache_of_grouped_queries),
        cmocka_unit_test(cache_of_latent_attention),
        cmocka_unit_test(cache_of_sliding_windows),
        cmocka_unit_test(cache_of_hybrids),
        cmocka_unit_test(compute_buffers_are_llama_cpps),
        cmocka_unit_test(totals_are_llama_cpps_within_5_percent),
        cmocka_unit_test(files_of_the_demo_have_llama_cpps_sizes),
        cmocka_unit_test(what_is_unknown_stays_unknown),
        cmocka_unit_test(a_model_lies_on_the_gpu_from_the_last_layer_back),
        cmocka_unit_test(several_gpus_share_by_their_free_memory),
        cmocka_unit_test(tied_embeddings_are_there_twice),
        cmocka_unit_test(speed_follows_the_bytes_that_a_token_reads),
        cmocka_unit_test(losses_come_from_models_of_a_like_size),
        cmocka_unit_test(a_70b_model_takes_less_than_5_ms),
        cmocka_unit_test(the_arithmetic_is_told),
    };
    return cmocka_run_group_tests(tests, situations_load, situations_unload);
}
