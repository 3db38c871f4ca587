/* Formats of checkpoint folders as candidates: which rows there are, what they take, which wins on which GPU, which kernel
 * serves them and what forbids one. */
#include "situations.h"

#include <time.h>

#include "plan/checkpoint.h"
#include "plan/kernel.h"
#include "plan/runtime.h"

#define FOLDER .folder = true, .type = QUANT_BF16
#define LLAMA2_7B {"llama", 4096, 11008, 32, 32, 32, 32000, 4096, FOLDER}
#define LLAMA31_8B {"llama", 4096, 14336, 32, 32, 8, 128256, 131072, FOLDER}
#define LLAMA2_13B {"llama", 5120, 13824, 40, 40, 40, 32000, 4096, FOLDER}
#define LLAMA2_70B {"llama", 8192, 28672, 80, 64, 8, 32000, 4096, FOLDER}
#define LLAMA32_1B {"llama", 2048, 8192, 16, 32, 8, 128256, 131072, .tied = true, FOLDER}
#define SMOLLM2 {"llama", 576, 1536, 30, 9, 3, 49152, 8192, .tied = true, FOLDER}
#define MIXTRAL {"llama", 4096, 14336, 32, 32, 8, 32000, 32768, .experts = 8, .experts_used = 2, FOLDER}

/* ------------------------------------------------------------------------ rows */

static void rows_are_what_the_runtime_reads_and_the_source_can_become(void **state)
{
    static const struct { const char *runtime, *level; bool there, there_of_gguf; } rows[] = {
        {"llama.cpp", "Q4_K_M", true, true},      {"llama.cpp", "BF16", true, true},
        {"llama.cpp", "awq-int4-g128", false, false}, {"llama.cpp", "original", false, false},
        {"ollama", "gptq-int4-g128", false, false},
        {"vllm", "Q4_K_M", true, true},           {"vllm", "awq-int4-g128", true, false},
        {"vllm", "w4a16-g128", true, false},      {"vllm", "original", true, false},
        {"vllm", "BF16", false, true},            {"tgi", "Q4_K_M", false, true},
        {"tgi", "gptq-int4-g128", true, false},   {"tgi", "w4a16-g128", false, false},
        {"tensorrt-llm", "fp8", true, false},     {"tensorrt-llm", "nf4", false, false},
        {"transformers", "nf4", true, false},     {"transformers", "Q4_K_M", true, true},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        for (int folder = 0; folder < 2; folder++) {
            struct outcome o;
            struct situation c = {LLAMA2_7B, 64, 1, 24, {"runtime", rows[i].runtime}, 8.9};
            c.shape.folder = folder;
            decide(&o, &c);
            bool there = find_row(o.s, rows[i].level) != NULL;
            if (there != (folder ? rows[i].there : rows[i].there_of_gguf))
                fail_msg("%s under %s of a %s: %d", rows[i].level, rows[i].runtime, folder ? "folder" : "file", there);
            done(&o);
        }
}

/* 576 columns: 128 does not divide them, 64 does. */
static void the_group_is_the_largest_that_divides_the_rows(void **state)
{
    static const struct { struct shape shape; const char *there[6], *absent[6]; } rows[] = {
        {LLAMA2_7B, {"gptq-int4-g128", "awq-int4-g128", "w4a16-g128", "gptq-int8-g128"},
         {"gptq-int4-g64", "awq-int4-g32", "gptq-int4-grow", "w4a16-g64"}},
        {SMOLLM2, {"gptq-int4-g64", "awq-int4-g64", "w4a16-g64", "gptq-int8-g64"},
         {"gptq-int4-g128", "awq-int4-g128", "gptq-int4-g32", "gptq-int8-g128"}},
        {{"llama", 96, 224, 2, 3, 3, 1000, 512, FOLDER}, {"gptq-int4-g32", "awq-int4-g32"}, {"gptq-int4-g64"}},
        {{"llama", 80, 240, 2, 5, 5, 1000, 512, FOLDER}, {"gptq-int4-grow", "gptq-int8-grow", "nf4", "fp8"},
         {"gptq-int4-g32", "awq-int4-g32", "w4a16-g32"}},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct outcome o;
        decide(&o, &(struct situation){rows[i].shape, 64, 1, 24, {"runtime", "vllm"}, 8.0});
        for (const char *const *l = rows[i].there; *l; l++)
            row(o.s, *l);
        for (const char *const *l = rows[i].absent; *l; l++)
            if (find_row(o.s, *l))
                fail_msg("%s has a row in shape %zu", *l, i);
        done(&o);
    }
}

/* What is no candidate has a row when it is asked for, under its full name. */
static void a_level_that_is_asked_for_has_a_row(void **state)
{
    struct outcome o;
    (void)state;
    decide_with(&o, &(struct situation){LLAMA2_7B, 64, 1, 24, {"runtime", "vllm"}, 8.0}, "GPTQ-int4-g32");
    assert_true(row(o.s, "gptq-int4-g32")->asked);
    assert_string_equal(row(o.s, "gptq-int4-g32")->level->format, "gptq");
    done(&o);
    decide_with(&o, &(struct situation){LLAMA2_7B, 64, 1, 24, {"runtime", "vllm"}, 8.0}, "gptq-int4");
    assert_true(row(o.s, "gptq-int4-g128")->asked);
    done(&o);
    decide_with(&o, &(struct situation){LLAMA2_7B, 64, 1, 24, {"runtime", "vllm"}, 8.0}, "gptq-int3-g64-act");
    assert_true(row(o.s, "gptq-int3-g64-act")->asked && row(o.s, "gptq-int3-g64-act")->level->calibrated);
    assert_true(isnan(row(o.s, "gptq-int3-g64-act")->expected_loss));
    done(&o);
    decide_with(&o, &(struct situation){LLAMA2_7B, 64, 1, 24, {"runtime", "transformers"}, 8.0}, "gptq-int2-g64");
    assert_reason(row(o.s, "gptq-int2-g64"), 'x', "with 2 bits a model of 6.74B falls apart");
    done(&o);
}

static void what_cannot_be_made_is_refused(void **state)
{
    static const struct { struct shape shape; const char *level, *says; } rows[] = {
        {SMOLLM2, "gptq-int4-g128", "gptq-int4-g128 cannot store blk.0.attn_q.weight of 576 outputs and 576 inputs"},
        {SHAPE_LLAMA2_7B, "awq-int4-g128", "start from the folder that it was made of"},
        {LLAMA2_7B, "gptq-int5", "no format of a checkpoint folder"},
        {LLAMA2_7B, "Q9", "there is no quant level 'Q9'"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct model *m = shape_model(&rows[i].shape);
        struct wishes w = {0};
        struct estimates *s;
        struct error e = {0};
        wishes_defaults(&w, NULL, m);
        assert_int_equal(estimates_make_with(&s, NULL, m, &w, rules, rows[i].level, &e), ERROR_USAGE);
        assert_says(&e, rows[i].says);
        assert_null(s);
        wishes_done(&w);
        shape_free(m);
    }
}

/* ----------------------------------------------------------------------- bytes */

/* One layer by hand: 4-bit codes, 16-bit scales for 64 columns, packed zero points, the groups' numbers of the columns;
 * what is no linear layer has 16 bits. */
static void bytes_are_those_of_the_parts(void **state)
{
    static const struct shape shape = {"llama", 128, 256, 1, 2, 2, 1000, 512, FOLDER};
    struct model *m = shape_model(&shape);
    struct recipe r;
    const uint64_t linear = 4 * 128 * 128 + 3 * 128 * 256, plain = 2 * 1000 * 128 + 3 * 128;
    const uint64_t groups = linear / 64;
    (void)state;
    checkpoint_sketch(&r, m, rules_level(rules, "gptq-int4-g64"));
    assert_int_equal(r.data_bytes, linear / 2 + groups * 2 + groups / 2 + 4 * (6 * 128 + 256) + 2 * plain);
    recipe_done(&r);
    checkpoint_sketch(&r, m, rules_level(rules, "original"));
    assert_int_equal(r.data_bytes, 2 * (linear + plain));
    assert_true(r.bits_per_weight == 16);
    recipe_done(&r);
    shape_free(m);
}

/* vLLM has the embeddings on the GPU, and no second copy of tied ones; transformers unpacks GGUF alone. */
static void memory_follows_the_runtime(void **state)
{
    struct outcome o, l;
    const uint64_t table = UINT64_C(2048) * 128256 * 2;
    (void)state;
    decide(&o, &(struct situation){LLAMA32_1B, 64, 1, 12, {"runtime", "vllm", "ctx", "2048"}, 8.9});
    decide(&l, &(struct situation){LLAMA32_1B, 64, 1, 12, {"runtime", "llama.cpp", "ctx", "2048"}, 8.9});
    assert_true(row(o.s, "original")->weights_bytes >= 2 * o.model->parameters);
    assert_true(row(o.s, "original")->weights_bytes < 2 * o.model->parameters + table / 2);
    assert_true(row(o.s, "original")->overhead_bytes < table / 2);
    assert_true(row(l.s, "BF16")->overhead_bytes >= table);
    done(&l);
    done(&o);
    decide(&o, &(struct situation){LLAMA2_7B, 64, 1, 24, {"runtime", "transformers", "ctx", "512"}, 8.9});
    assert_true(row(o.s, "Q4_K_M")->weights_bytes > UINT64_C(13000000000));
    assert_true(row(o.s, "nf4")->weights_bytes < UINT64_C(4200000000));
    done(&o);
}

/* Two GPUs that share each weight hold half of it each, and read at the same time. */
static void tensor_parallelism_uses_as_many_gpus_as_it_is_told_to(void **state)
{
    struct outcome one, two;
    (void)state;
    decide(&one, &(struct situation){LLAMA2_13B, 64, 2, 24, {"runtime", "vllm", "ctx", "2048"}, 8.0});
    decide(&two, &(struct situation){LLAMA2_13B, 64, 2, 24, {"runtime", "vllm", "ctx", "2048", "tensor-parallel", "2"}, 8.0});
    assert_int_equal(row(one.s, "original")->verdict, VERDICT_TOO_BIG);
    assert_int_equal(row(two.s, "original")->verdict, VERDICT_FITS);
    assert_int_equal(two.s->gpu_budget, 2 * one.s->gpu_budget);
    double ratio = row(two.s, "awq-int4-g128")->tokens_per_s / row(one.s, "awq-int4-g128")->tokens_per_s;
    assert_true(ratio > 1.99 && ratio < 2.01);
    done(&one);
    done(&two);
}

/* ------------------------------------------------------------------- decisions */

/* GPU by GPU what wins, and a part of the reason. */
static void each_gpu_has_its_format(void **state)
{
    static const struct { struct situation c; const char *wins, *because; } rows[] = {
        /* Turing: no FP8, INT8 and 4 bits */
        {{LLAMA2_7B, 64, 1, 16, {"runtime", "vllm"}, 7.5}, "w8a8", "computes in INT8"},
        {{LLAMA2_7B, 64, 1, 8, {"runtime", "vllm", "ctx", "2048"}, 7.5}, "awq-int4-g128", "8 to 12 GB"},
        /* Ampere */
        {{LLAMA2_7B, 64, 1, 40, {"runtime", "vllm"}, 8.0}, "w8a8", "24 GB"},
        {{LLAMA31_8B, 64, 1, 24, {"runtime", "vllm"}, 8.6}, "w8a8", "24 GB"},
        {{LLAMA2_7B, 64, 1, 8, {"runtime", "vllm", "ctx", "2048"}, 8.6}, "awq-int4-g128", "AWQ before GPTQ"},
        {{LLAMA2_13B, 64, 1, 24, {"runtime", "sglang", "ctx", "2048"}, 8.6}, "w8a8", "computes in INT8"},
        /* Ada, Hopper, Blackwell: FP8 */
        {{LLAMA31_8B, 64, 1, 24, {"runtime", "vllm"}, 8.9}, "fp8", "24 GB"},
        {{LLAMA2_7B, 64, 1, 16, {"runtime", "vllm"}, 8.9}, "fp8", "computes in FP8"},
        {{LLAMA2_7B, 64, 1, 8, {"runtime", "vllm", "ctx", "2048"}, 8.9}, "awq-int4-g128", "8 to 12 GB"},
        {{LLAMA2_13B, 64, 1, 80, {"runtime", "vllm"}, 9.0}, "fp8", "24 GB"},
        {{LLAMA2_13B, 64, 1, 180, {"runtime", "vllm"}, 10.0}, "fp8", "compute capability 10.0 computes in FP8"},
        {{LLAMA31_8B, 64, 1, 32, {"runtime", "sglang"}, 12.0}, "fp8", "24 GB"},
        {{LLAMA31_8B, 64, 1, 24, {"runtime", "tgi"}, 8.9}, "fp8", "24 GB"},
        {{LLAMA31_8B, 64, 1, 80, {"runtime", "tensorrt-llm"}, 9.0}, "fp8", "24 GB"},
        /* unknown: what all GPUs of today run */
        {{LLAMA2_7B, 64, 1, 16, {"runtime", "vllm"}, NAN}, "gptq-int8-g128", "8 bits with scales for groups"},
        {{LLAMA2_7B, 64, 1, 8, {"runtime", "vllm", "ctx", "2048"}, NAN}, "awq-int4-g128", "AWQ before GPTQ"},
        /* in process */
        {{LLAMA2_13B, 64, 1, 16, {"runtime", "transformers", "ctx", "512"}, 8.6}, "nf4", "in process"},
        {{LLAMA2_7B, 64, 1, 24, {"runtime", "transformers", "ctx", "512"}, 8.6}, "original", "no format of transformers"},
        /* use cases and small models */
        {{LLAMA31_8B, 64, 1, 24, {"runtime", "vllm", "use-case", "creative"}, 8.6}, "awq-int4-g128", "creative"},
        {{LLAMA31_8B, 64, 1, 12, {"runtime", "vllm", "use-case", "code", "ctx", "2048"}, 8.9}, "fp8", "code"},
        {{LLAMA32_1B, 64, 1, 24, {"runtime", "vllm"}, 8.9}, "original", "small as it is"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct outcome o;
        decide(&o, &rows[i].c);
        if (strcmp(winner(o.s), rows[i].wins) != 0)
            fail_msg("row %zu: %s wins, not %s: %s", i, winner(o.s), rows[i].wins, o.s->headline);
        assert_reason(&o.s->rows[o.s->recommended], '+', rows[i].because);
        done(&o);
    }
}

static void what_a_gpu_cannot_do_is_refused(void **state)
{
    static const struct { struct situation c; const char *level, *why; } rows[] = {
        {{LLAMA2_7B, 64, 1, 24, {"runtime", "vllm"}, 6.1}, "awq-int4-g128", "wants compute capability 7.5 for awq"},
        {{LLAMA2_7B, 64, 1, 24, {"runtime", "transformers"}, 5.2}, "nf4", "no kernel of transformers for bitsandbytes"},
        {{LLAMA2_7B, 64, 1, 24, {"runtime", "vllm"}, 7.0}, "w8a8", "wants compute capability 7.5 for int8"},
        {{LLAMA2_7B, 64, 1, 24, {"runtime", "vllm"}, 10.0}, "w8a8", "no INT8 arithmetic for compute capability 10.0"},
        {{LLAMA2_7B, 64, 1, 24, {"runtime", "sglang"}, 12.0}, "w8a8", "no INT8 arithmetic"},
        {{LLAMA2_7B, 64, 1, 24, {"runtime", "tgi"}, 8.6}, "fp8", "wants compute capability 8.9 for fp8"},
        {{LLAMA2_7B, 64, 1, 24, {"runtime", "tensorrt-llm"}, 8.0}, "fp8", "wants compute capability 8.9 for fp8"},
        {{LLAMA2_7B, 64, 1, 24, {"runtime", "vllm", "fit", "cpu"}, 8.9}, "awq-int4-g128", "are made for GPUs"},
        {{LLAMA2_7B, 64, 0, 0, {"runtime", "transformers"}, 8.9}, "gptq-int4-g128", "are made for GPUs"},
        {{MIXTRAL, 64, 1, 80, {"runtime", "transformers"}, 8.0}, "nf4", "puts none together that are stored in bitsandbytes"},
        {{MIXTRAL, 64, 1, 80, {"runtime", "transformers"}, 8.0}, "w8a8", "puts none together"},
    };
    struct outcome o;
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        decide(&o, &rows[i].c);
        assert_true(row(o.s, rows[i].level)->forbidden);
        assert_reason(row(o.s, rows[i].level), 'x', rows[i].why);
        done(&o);
    }
    decide(&o, &(struct situation){LLAMA2_7B, 64, 1, 24, {"runtime", "vllm"}, 8.6});
    assert_reason(row(o.s, "fp8"), '-', "does not compute in FP8");
    assert_false(row(o.s, "fp8")->forbidden);
    assert_reason(row(o.s, "nf4"), 'x', "for development and for transformers in process");
    done(&o);
}

static void habits_are_warned_of(void **state)
{
    static const struct { struct situation c; const char *part; bool warned; } rows[] = {
        {{LLAMA2_7B, 64, 1, 24, {"runtime", "vllm"}, NAN}, "compute capability of the GPU is unknown", true},
        {{LLAMA2_7B, 64, 1, 24, {"runtime", "vllm"}, 8.9}, "compute capability of the GPU is unknown", false},
        {{SHAPE_LLAMA2_7B, 64, 1, 24, {"runtime", "vllm"}, 8.9}, "a GGUF file cannot become AWQ", true},
        {{LLAMA2_7B, 64, 1, 24, {"runtime", "vllm"}, 8.9}, "a GGUF file cannot become AWQ", false},
        {{SHAPE_LLAMA2_7B, 64, 1, 24, {NULL}, 8.9}, "a GGUF file cannot become AWQ", false},
        {{LLAMA2_13B, 64, 1, 16, {"runtime", "transformers", "ctx", "512"}, 8.6}, "not a static format", true},
        {{LLAMA31_8B, 64, 1, 8, {"runtime", "tgi", "use-case", "code", "ctx", "1024"}, 8.6}, "calibrated on a general text",
         true},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct outcome o;
        decide(&o, &rows[i].c);
        if (warned(o.s, rows[i].part) != rows[i].warned)
            fail_msg("row %zu (%s wins): '%s' is %swarned of", i, winner(o.s), rows[i].part,
                     rows[i].warned ? "not " : "");
        done(&o);
    }
}

/* A GGUF file and a runtime that reads none: the way out is named. */
static void nothing_to_choose_from_is_said(void **state)
{
    struct outcome o;
    (void)state;
    decide(&o, &(struct situation){SHAPE_LLAMA2_7B, 64, 1, 24, {"runtime", "tensorrt-llm"}, 8.9});
    assert_int_equal(o.s->recommended, -1);
    assert_non_null(strstr(o.s->headline, "TensorRT-LLM does not read GGUF files"));
    assert_non_null(strstr(o.s->headline, "start from the checkpoint folder"));
    assert_true(o.s->count > 10);
    done(&o);
}

/* --------------------------------------------------------------------- kernels */

struct kernel_case {
    struct shape shape;
    const char *runtime, *level;
    double capability;             /* NaN: unknown */
    int gpus;                      /* tensor parallel */
    enum kernel_verdict verdict;
    const char *kernel, *remark;   /* part of a remark; NULL: no matter */
};

static struct kernel_answer ask(const struct kernel_case *c, struct arena *a)
{
    struct model *m = shape_model(&c->shape);
    const struct level *level;
    struct error e = {0};
    assert_ok(rules_level_find(rules, c->level, &level, a, &e), &e);
    struct kernel_question q = {m, level, runtime_named(rules, c->runtime), c->capability, false, c->gpus};
    struct kernel_answer answer = kernel_ask(rules, &q, a);
    shape_free(m);
    return answer;
}

static bool remarks(const struct kernel_answer *k, const char *part)
{
    for (int i = 0; i < k->count; i++)
        if (strstr(k->remarks[i].text, part))
            return true;
    return false;
}

static void kernels_are_found_and_refused(void **state)
{
    static const struct kernel_case rows[] = {
        {LLAMA2_7B, "vllm", "gptq-int4-g128", 9.0, 1, KERNEL_SERVES, "Machete", "Machete multiplies it"},
        {LLAMA2_7B, "vllm", "gptq-int4-g32", 9.0, 1, KERNEL_SERVES, "Marlin", "Machete cannot take it: it does not "
                                                                             "take groups of 32"},
        {LLAMA2_7B, "vllm", "gptq-int4-g128", 8.0, 1, KERNEL_SERVES, "Marlin", NULL},
        {LLAMA2_7B, "vllm", "gptq-int4-g128", 10.0, 1, KERNEL_SERVES, "Marlin", "compute capability 9.0"},
        {LLAMA2_7B, "vllm", "gptq-int4-g128", 7.0, 1, KERNEL_SERVES, "ExLlama", "serve it with --dtype half"},
        {LLAMA2_7B, "vllm", "gptq-int4-g128", 5.2, 1, KERNEL_REFUSED, NULL, "ExLlama cannot take it: it wants"},
        {LLAMA2_7B, "vllm", "gptq-int4-g128-asym", 8.0, 1, KERNEL_REFUSED, NULL, "zero points"},
        {LLAMA2_7B, "vllm", "gptq-int3-g128", 8.0, 1, KERNEL_REFUSED, NULL, "it does not take 3 bits"},
        {LLAMA2_7B, "transformers", "gptq-int3-g128", 8.0, 1, KERNEL_SERVES, "plain PyTorch in GPTQModel, slow", NULL},
        {LLAMA2_7B, "vllm", "gptq-int4-g128-act", 8.0, 1, KERNEL_SERVES, "Marlin", NULL},
        {LLAMA2_7B, "vllm", "gptq-int4-g128-act", 8.0, 2, KERNEL_REFUSED, NULL, "act-order with tensor parallelism"},
        {LLAMA2_7B, "vllm", "awq-int4-g128", 8.9, 1, KERNEL_SERVES, "Marlin for AWQ", NULL},
        {LLAMA2_7B, "vllm", "fp8", 8.9, 1, KERNEL_SERVES, "CUTLASS FP8", NULL},
        {LLAMA2_7B, "vllm", "fp8", 8.6, 1, KERNEL_SERVES, "Marlin FP8, weight-only", NULL},
        {LLAMA2_7B, "vllm", "w8a8", 10.0, 1, KERNEL_REFUSED, NULL, "below 10.0"},
        {LLAMA2_7B, "vllm", "nf4", 8.6, 1, KERNEL_SERVES, "bitsandbytes, 4 bits", NULL},
        {LLAMA2_7B, "vllm", "bnb-int8", 7.0, 1, KERNEL_REFUSED, NULL, "7.5"},
        /* A row that is not there is unknown, not impossible; so is a GPU that nobody knows. */
        {LLAMA2_7B, "tensorrt-llm", "gptq-int4-g128", 8.9, 1, KERNEL_UNSURE, NULL, "is unknown"},
        {LLAMA2_7B, "vllm", "awq-int4-g128", NAN, 1, KERNEL_UNSURE, "Marlin for AWQ", "if the GPU is new enough"},
        /* 13824 / 4 = 3456 = 27 x 128: fits; over 8 GPUs the groups straddle them: 1728 = 13.5 x 128. */
        {LLAMA2_13B, "vllm", "gptq-int4-g128", 8.0, 4, KERNEL_SERVES, "Marlin", NULL},
        {LLAMA2_13B, "vllm", "gptq-int4-g128", 8.0, 8, KERNEL_REFUSED, NULL,
         "40 weights, the first blk.0.ffn_down.weight: the group of 128 does not divide its 1728 inputs"},
        {LLAMA2_13B, "vllm", "gptq-int4-g64", 8.0, 8, KERNEL_SERVES, "Marlin", NULL},
        {LLAMA2_7B, "vllm", "gptq-int4-g128", 8.0, 3, KERNEL_REFUSED, NULL, "3 GPUs do not share it evenly"},
        /* 576 by 576 fills no tile: newer versions fill it up, GPTQModel asks for less, TGI for all. */
        {SMOLLM2, "vllm", "gptq-int4-g64", 8.0, 1, KERNEL_SERVES, "Marlin", "fill no tile of 64 by 128; since"},
        {SMOLLM2, "transformers", "gptq-int4-g64", 8.0, 1, KERNEL_SERVES, "Marlin in GPTQModel", NULL},
        {SMOLLM2, "tgi", "gptq-int4-g64", 8.0, 1, KERNEL_SERVES, "ExLlama", "Marlin cannot take it: 120 weights"},
        {SMOLLM2, "tgi", "gptq-int4-g64-asym", 8.0, 1, KERNEL_REFUSED, NULL, "fill no tile"},
        {MIXTRAL, "vllm", "awq-int4-g128", 8.9, 1, KERNEL_SERVES, "Marlin for AWQ", "with Marlin for experts"},
        {MIXTRAL, "vllm", "w8a8", 8.9, 1, KERNEL_UNSURE, NULL, "is unknown"},
        {MIXTRAL, "transformers", "w4a16-g128", 8.0, 1, KERNEL_SERVES, NULL, "decompressed while computing"},
        {MIXTRAL, "transformers", "w8a8", 8.0, 1, KERNEL_UNSURE, NULL, "is unknown"},
        {LLAMA2_7B, "transformers", "w8a8", 8.0, 1, KERNEL_SERVES, NULL, "decompressed while computing"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct arena a = {0};
        struct kernel_answer k = ask(&rows[i], &a);
        const char *name = k.kernel ? k.kernel->title : "none";
        for (int n = 0; n < k.count && k.verdict != rows[i].verdict; n++)
            fprintf(stderr, "%s\n", k.remarks[n].text);
        if (k.verdict != rows[i].verdict)
            fail_msg("row %zu: verdict %d, not %d", i, k.verdict, rows[i].verdict);
        if (rows[i].kernel && strcmp(name, rows[i].kernel) != 0)
            fail_msg("row %zu: %s, not %s", i, name, rows[i].kernel);
        if (rows[i].remark && !remarks(&k, rows[i].remark))
            fail_msg("row %zu says '%s', not '%s'", i, k.count ? k.remarks[0].text : "nothing", rows[i].remark);
        arena_done(&a);
    }
}

/* -------------------------------------------------------------- on a key press */

static double milliseconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void a_70b_folder_takes_less_than_20_ms(void **state)
{
    static const struct situation c = {LLAMA2_70B, 64, 4, 24, {"runtime", "vllm", "tensor-parallel", "4"}, 8.9};
    double best = 1e9;
    (void)state;
    for (int i = 0; i < 5; i++) {
        struct outcome o;
        double start = milliseconds();
        decide(&o, &c);
        best = fmin(best, milliseconds() - start);
        done(&o);
    }
#ifdef UNIT_SANITIZED
    skip();
#endif
    if (best >= 20)
        fail_msg("%.2f ms", best);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_what_the_runtime_reads_and_the_source_can_become),
        cmocka_unit_test(the_group_is_the_largest_that_divides_the_rows),
        cmocka_unit_test(a_level_that_is_asked_for_has_a_row),
        cmocka_unit_test(what_cannot_be_made_is_refused),
        cmocka_unit_test(bytes_are_those_of_the_parts),
        cmocka_unit_test(memory_follows_the_runtime),
        cmocka_unit_test(tensor_parallelism_uses_as_many_gpus_as_it_is_told_to),
        cmocka_unit_test(each_gpu_has_its_format),
        cmocka_unit_test(what_a_gpu_cannot_do_is_refused),
        cmocka_unit_test(habits_are_warned_of),
        cmocka_unit_test(nothing_to_choose_from_is_said),
        cmocka_unit_test(kernels_are_found_and_refused),
        cmocka_unit_test(a_70b_folder_takes_less_than_20_ms),
    };
    return cmocka_run_group_tests(tests, situations_load, situations_unload);
}
