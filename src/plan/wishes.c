#include "plan/wishes.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "machine/machine.h"
#include "model/model.h"

static const char *const fits[] = {[FIT_GPU] = "gpu", [FIT_CPU] = "cpu", [FIT_SPLIT] = "split", NULL};
static const char *const runtimes[] = {"llama.cpp", "ollama",       "lmstudio",     "vllm", "tgi",
                                       "sglang",    "transformers", "tensorrt-llm", NULL};
static const char *const kv_types[] = {"f16", "q8_0", "q4_0", NULL};
static const char *const switches[] = {"on", "off", NULL};
static const char *const priorities[] = {"balanced", "latency", "throughput", NULL};
static const char *const mixes[] = {"no", "measured", "attention", "ends", "embeddings", NULL};
static const char *const use_cases[] = {"general", "code", "creative", "technical", "edge", NULL};

const struct wish_spec wish_specs[WISH_COUNT] = {
    [WISH_FIT] = {"fit", "Runs on", WISH_CHOICE, fits, .preset = "cpu",
                  .help = "Where the model must run: all of it on the GPU, on the CPU alone, or split "
                          "between them."},
    [WISH_RUNTIME] = {"runtime", "Serving runtime", WISH_CHOICE, runtimes, .preset = "llama.cpp",
                      .help = "The program that will serve it; it decides which formats can be used at all."},
    [WISH_BUDGET] = {"budget", "Memory budget", WISH_BYTES,
                     .help = "The most memory the model may take when it runs: VRAM where it runs on a GPU, "
                             "else RAM. Default: what is free."},
    [WISH_CTX] = {"ctx", "Context", WISH_INTEGER, .low = 1, .high = 1 << 24, .preset = "8192",
                  .unit = "tokens",
                  .help = "Tokens of prompt and answer together; the KV cache grows with it."},
    [WISH_KV_TYPE] = {"kv-type", "KV cache type", WISH_CHOICE, kv_types, .preset = "f16",
                      .help = "How the cache is stored: q8_0 halves it almost without loss, q4_0 quarters it "
                              "with some."},
    [WISH_PARALLEL] = {"parallel", "Parallel sequences", WISH_INTEGER, .low = 1, .high = 4096, .preset = "1",
                       .help = "Conversations served at once; each has a cache of its own."},
    [WISH_TENSOR_PARALLEL] = {"tensor-parallel", "GPUs in parallel", WISH_INTEGER, .low = 1, .high = 64,
                              .preset = "1",
                              .help = "GPUs that vLLM, SGLang, TGI and TensorRT-LLM cut each weight over; the "
                                      "pieces must still suit the kernels."},
    [WISH_MIN_SPEED] = {"min-speed", "Minimum speed", WISH_NUMBER, .unit = "tokens/s",
                        .help = "The least decoding speed that is good enough, for one sequence."},
    [WISH_MAX_LOSS] = {"max-loss", "Largest loss", WISH_PERCENT, .preset = "2%",
                       .help = "How much perplexity may grow against the original before the result is "
                               "rejected."},
    [WISH_USE_CASE] = {"use-case", "Use case", WISH_CHOICE, use_cases, .preset = "general",
                       .help = "What it is for: code and technical text suffer from quantization earlier "
                               "than chat and stories do."},
    [WISH_CALIBRATION] = {"calibration", "Domain text", WISH_PATH,
                          .help = "A text like those that the model will see: plain text, JSON lines, or a folder "
                                  "of them. The weights are made by it."},
    [WISH_MIX] = {"mix", "Mix to budget", WISH_CHOICE, mixes, .preset = "no", .bare = "measured",
                  .help = "Choose a type for each tensor within the budget instead of a fixed level: the best ones by "
                          "measuring this model, or by a preset of rules/mixes.yaml that says what matters."},
    [WISH_FILE_BUDGET] = {"file-budget", "File size limit", WISH_BYTES,
                          .help = "The most that the file itself may take; the best mix of that size is made."},
    [WISH_PRIORITY] = {"priority", "Priority", WISH_CHOICE, priorities, .preset = "balanced",
                       .help = "latency: one answer as fast as can be, which few bytes a weight make; throughput: many"
                               " answers at once, which arithmetic in 8 bits makes. Default: throughput from 8 parallel"
                               " sequences on."},
    [WISH_FLASH_ATTENTION] = {"flash-attention", "Flash attention", WISH_CHOICE, switches, .preset = "on",
                              .help = "Attention that never stores its scores; without it the buffers grow with the"
                                      " context, and the KV cache stays in f16. Off where the GPU has no kernel for it."},
    [WISH_MICRO_BATCH] = {"micro-batch", "Micro batch", WISH_INTEGER, .low = 1, .high = 65536, .unit = "tokens",
                          .help = "Tokens of a prompt that are worked on at once: fewer take smaller buffers, and"
                                  " prompts take longer. Default: the runtime's."},
};

int wish_find(const char *name)
{
    for (int i = 0; i < WISH_COUNT; i++)
        if (strcmp(wish_specs[i].name, name) == 0)
            return i;
    return -1;
}

/* ------------------------------------------------------------------ reading */

/* Each reads `text` into *v, or returns false; `expected` says what would have been right. */
struct reader {
    bool (*read)(const struct wish_spec *s, const char *text, struct wish_value *v);
    const char *expected;
};

static bool read_choice(const struct wish_spec *s, const char *text, struct wish_value *v)
{
    for (int i = 0; s->choices[i]; i++)
        if (strcasecmp(s->choices[i], text) == 0) {
            v->choice = i;
            return true;
        }
    return false;
}

static bool read_bytes(const struct wish_spec *s, const char *text, struct wish_value *v)
{
    uint64_t bytes;
    (void)s;
    if (!parse_bytes(text, &bytes) || !bytes)
        return false;
    v->number = (double)bytes;
    return true;
}

/* "32k" is 32768, as people write contexts. */
static bool read_integer(const struct wish_spec *s, const char *text, struct wish_value *v)
{
    size_t n = strlen(text);
    bool kilo = n > 1 && (text[n - 1] == 'k' || text[n - 1] == 'K');
    char digits[32];
    int64_t value;
    snprintf(digits, sizeof digits, "%.*s", (int)(kilo ? n - 1 : n), text);
    if (!parse_int(digits, 0, INT64_MAX / 1024, &value))
        return false;
    value *= kilo ? 1024 : 1;
    v->number = (double)value;
    return value >= s->low && value <= s->high;
}

static bool read_number(const struct wish_spec *s, const char *text, struct wish_value *v)
{
    (void)s;
    return parse_double(text, &v->number) && v->number >= 0;
}

static bool read_percent(const struct wish_spec *s, const char *text, struct wish_value *v)
{
    (void)s;
    return parse_percent(text, &v->number) && v->number <= 1;
}

static bool read_path(const struct wish_spec *s, const char *text, struct wish_value *v)
{
    (void)s;
    v->text = text;
    return true;
}

static const struct reader readers[] = {
    [WISH_CHOICE] = {read_choice, NULL},
    [WISH_BYTES] = {read_bytes, "a size such as 10GiB or 800MB"},
    [WISH_INTEGER] = {read_integer, NULL},
    [WISH_NUMBER] = {read_number, "a number, 0 or more"},
    [WISH_PERCENT] = {read_percent, "a percentage from 0 to 100 such as 2%"},
    [WISH_PATH] = {read_path, "a file"},
};

static int refuse(const struct wish_spec *s, const char *text, struct error *e)
{
    struct str expected = {0};
    if (s->type == WISH_CHOICE)
        for (int i = 0; s->choices[i]; i++)
            str_addf(&expected, "%s%s", i ? ", " : "one of ", s->choices[i]);
    else if (s->type == WISH_INTEGER)
        str_addf(&expected, "a whole number from %lld to %lld", (long long)s->low, (long long)s->high);
    else
        str_add(&expected, readers[s->type].expected);
    error_set(e, ERROR_USAGE, "%s: expected %s, found '%s'", s->prompt, expected.data, text);
    str_done(&expected);
    return e->code;
}

/* The value before anybody said anything. */
static struct wish_value preset(const struct wish_spec *s)
{
    struct wish_value v = {.number = NAN, .from = "default"};
    if (s->preset)
        readers[s->type].read(s, s->preset, &v);
    return v;
}

int wishes_set(struct wishes *w, enum wish_id id, const char *text, struct error *e)
{
    const struct wish_spec *s = &wish_specs[id];
    struct wish_value v = {.number = NAN, .set = true, .from = "entered"};
    if (!*text) {
        w->value[id] = preset(s);
        return 0;
    }
    if (!readers[s->type].read(s, text, &v))
        return refuse(s, text, e);
    if (v.text)
        v.text = arena_strdup(&w->arena, v.text);
    w->value[id] = v;
    return 0;
}

/* ----------------------------------------------------------------- defaults */

static void suggest(struct wishes *w, enum wish_id id, double number, const char *from)
{
    w->value[id].number = number;
    w->value[id].from = from;
}

/* The GPU where there is one: a runtime on the CPU reads the same weights over a far slower bus. */
static void default_fit(struct wishes *w, const struct machine *m)
{
    if (w->value[WISH_FIT].set || !m)
        return;
    read_choice(&wish_specs[WISH_FIT], m->gpu_count ? "gpu" : "cpu", &w->value[WISH_FIT]);
    w->value[WISH_FIT].from = "machine";
}

static void default_budget(struct wishes *w, const struct machine *m)
{
    if (w->value[WISH_BUDGET].set || !m)
        return;
    struct fact free_bytes = wishes_fit(w) == FIT_CPU ? m->memory.available_bytes : machine_vram_free(m);
    if (fact_known(free_bytes))
        suggest(w, WISH_BUDGET, free_bytes.value, "machine");
}

static void default_context(struct wishes *w, const struct model *model)
{
    if (!w->value[WISH_CTX].set && model && model->hp.context > 0 &&
        model->hp.context < w->value[WISH_CTX].number)
        suggest(w, WISH_CTX, model->hp.context, "model");
}

/* Serving so many at once, nobody asks for the fastest single answer. */
static void default_priority(struct wishes *w)
{
    enum { MANY_SEQUENCES = 8 };
    struct wish_value *v = &w->value[WISH_PRIORITY];
    if (v->set || w->value[WISH_PARALLEL].number < MANY_SEQUENCES)
        return;
    read_choice(&wish_specs[WISH_PRIORITY], "throughput", v);
    v->from = "parallel";
}

void wishes_defaults(struct wishes *w, const struct machine *m, const struct model *model)
{
    for (int i = 0; i < WISH_COUNT; i++)
        if (!w->value[i].set)
            w->value[i] = preset(&wish_specs[i]);
    default_fit(w, m);
    default_budget(w, m);
    default_context(w, model);
    default_priority(w);
}

void wishes_done(struct wishes *w)
{
    arena_done(&w->arena);
}

void wishes_copy(struct wishes *to, const struct wishes *from)
{
    *to = *from;
    to->arena = (struct arena){0};
    for (int i = 0; i < WISH_COUNT; i++)
        if (to->value[i].text)
            to->value[i].text = arena_strdup(&to->arena, to->value[i].text);
}

/* ------------------------------------------------------------------ showing */

const char *wishes_choice(const struct wishes *w, enum wish_id id)
{
    return wish_specs[id].choices[w->value[id].choice];
}

enum fit wishes_fit(const struct wishes *w)
{
    return (enum fit)w->value[WISH_FIT].choice;
}

bool wishes_given(const struct wishes *w, enum wish_id id)
{
    enum wish_type type = wish_specs[id].type;
    return type == WISH_CHOICE ||
           (type == WISH_PATH ? w->value[id].text != NULL : !isnan(w->value[id].number));
}

const char *wishes_show(const struct wishes *w, enum wish_id id, char out[static 64])
{
    const struct wish_value *v = &w->value[id];
    char bytes[FORMAT_SIZE];
    if (!wishes_given(w, id))
        return "none";
    switch (wish_specs[id].type) {
    case WISH_CHOICE: return wishes_choice(w, id);
    case WISH_PATH: return v->text;
    case WISH_BYTES: snprintf(out, 64, "%s", format_bytes(bytes, v->number)); break;
    case WISH_PERCENT: snprintf(out, 64, "%.4g %%", v->number * 100); break;
    case WISH_INTEGER: snprintf(out, 64, "%.0f", v->number); break;
    case WISH_NUMBER: snprintf(out, 64, "%.6g", v->number); break;
    }
    return out;
}

/* Whole KiB, MiB, GiB keep their unit, so that a plan says 10GiB and not 10737418240. */
static const char *exact_bytes(double bytes, char out[static 64])
{
    static const char *const unit[] = {"", "KiB", "MiB", "GiB"};
    uint64_t n = (uint64_t)bytes;
    size_t u = 0;
    while (u + 1 < ARRAY_LENGTH(unit) && n % 1024 == 0 && n)
        n /= 1024, u++;
    snprintf(out, 64, "%llu%s", (unsigned long long)n, unit[u]);
    return out;
}

const char *wishes_text(const struct wishes *w, enum wish_id id, char out[static 64])
{
    const struct wish_value *v = &w->value[id];
    if (!wishes_given(w, id))
        return NULL;
    switch (wish_specs[id].type) {
    case WISH_BYTES: return exact_bytes(v->number, out);
    case WISH_PERCENT: snprintf(out, 64, "%.10g%%", v->number * 100); return out;
    case WISH_NUMBER: snprintf(out, 64, "%.15g", v->number); return out;
    default: return wishes_show(w, id, out);
    }
}
