/* What each rule file may hold: the one list that the reader's checks and quantwiz-rules(5) are made from. */
#include <stdio.h>
#include <string.h>

#include "plan/decision.h"
#include "plan/mix_book.h"
#include "plan/rules.h"
#include "plan/tips.h"
#include "plan/wishes.h"

static bool is_type(const char *text) { return quant_type_named(text) != NULL; }

static bool is_share(const char *text)
{
    int a, b, n = 0;
    if (sscanf(text, "%d/%d%n", &a, &b, &n) == 2 && !text[n])
        return a > 0 && b >= a;
    n = 0;
    return sscanf(text, "%d%n", &a, &n) == 1 && !text[n] && a > 0;
}

static bool is_kind(const char *text)
{
    return strcmp(text, "values") == 0 || strcmp(text, "feed-forward") == 0;
}

static bool is_scheme(const char *text)
{
    struct scheme s;
    struct error e;
    return scheme_parse(&s, text, &e) == 0;
}

static bool is_experts(const char *text)
{
    return strcmp(text, "also") == 0 || strcmp(text, "only") == 0;
}

static bool is_act_order(const char *text)
{
    return strcmp(text, "alone") == 0 || strcmp(text, "never") == 0;
}

static bool is_bits(const char *text)
{
    return strlen(text) == 1 && strchr("2348", *text);
}

static bool is_group(const char *text)
{
    int columns, n = 0;
    return strcmp(text, "row") == 0 || (sscanf(text, "%6d%n", &columns, &n) == 1 && !text[n] && columns > 0);
}

static bool is_vendor(const char *text)
{
    return strcmp(text, "AMD") == 0 || strcmp(text, "Intel") == 0;
}

static bool is_tile(const char *text)
{
    int rows, columns, n = 0;
    return sscanf(text, "%6dx%6d%n", &rows, &columns, &n) == 2 && !text[n] && rows > 0 && columns > 0;
}

#define SCHEME .valid = is_scheme, .expected = "a format of checkpoint folders such as gptq-int4-g128"
#define TYPE .valid = is_type, .expected = "a tensor type such as Q4_K"
#define SHARE .valid = is_share, .expected = "a count of layers such as 2, or a share such as 1/8"

/* ------------------------------------------------------------- levels.yaml */

static const struct schema_field loss_fields[] = {
    {"model", SCHEMA_TEXT, true, .help = "the model that was measured"},
    {"parameters", SCHEMA_NUMBER, true, .help = "its parameters"},
    {"source", SCHEMA_TEXT, true, .help = "where the table was published"},
    {"base", SCHEMA_NUMBER, true, .help = "perplexity of the original"},
    {"imatrix", SCHEMA_BOOL, false, .help = "whether an importance matrix was used"},
    {"ppl", SCHEMA_NUMBERS, false, .help = "perplexity by level"},
    {"increase", SCHEMA_NUMBERS, false, .help = "or how much it grew, by level"},
    {0},
};
static const struct schema_field level_fields[] = {
    {"name", SCHEMA_TEXT, true, .help = "as people write it: Q4_K_M"},
    {"format", SCHEMA_TEXT, true, .help = "file format, as the runtimes' lists have it: gguf, awq, …"},
    {"type", SCHEMA_TEXT, false, TYPE, .help = "of GGUF: type of the tensors that no recipe changes"},
    {"file_type", SCHEMA_INTEGER, false, .help = "of GGUF: general.file_type of the file"},
    {"scheme", SCHEMA_TEXT, false, SCHEME,
     .help = "of a checkpoint folder: how the linear layers are stored; neither type nor scheme: as they are"},
    {"bits", SCHEMA_NUMBER, true, .help = "nominal bits per weight, which orders the levels of files and of folders"},
    {"offered", SCHEMA_BOOL, false, .help = "false: for conversions, never recommended"},
    {"imatrix", SCHEMA_BOOL, false, .help = "true: cannot be made well without an importance matrix"},
    {"with_text", SCHEMA_BOOL, false,
     .help = "true: a candidate only where a calibration text is given, or where nothing else fits"},
    {"calibrated", SCHEMA_BOOL, false, .help = "true: made with a calibration text"},
    {"summary", SCHEMA_TEXT, true, .help = "one line for people"},
    {0},
};
static const struct schema_field levels_schema[] = {
    {"schema", SCHEMA_INTEGER, true, .help = "1"},
    {"levels", SCHEMA_MAPS, true, level_fields, .help = "the quant levels, largest first"},
    {"larger_at_most", SCHEMA_NUMBER, true,
     .help = "how much larger than the model in question a measured one may be"},
    {"published", SCHEMA_MAPS, true, loss_fields, .help = "perplexity tables that expected losses come from"},
    {0},
};

/* ------------------------------------------------------------ recipes.yaml */

static const struct schema_field role_fields[] = {
    {"role", SCHEMA_TEXT, true, .help = "a name that the rules below use"},
    {"name", SCHEMA_TEXTS, false, .help = "whole tensor names"},
    {"contains", SCHEMA_TEXTS, false, .help = "parts of tensor names"},
    {"kind", SCHEMA_TEXT, false, .valid = is_kind, .expected = "values or feed-forward",
     .help = "how layers are counted: values are numbered together among themselves, feed-forward ones out "
             "of all layers"},
    {"stands_for", SCHEMA_TEXT, false, .help = "the role it takes where no tensor has that role"},
    {0},
};
static const struct schema_field keep_fields[] = {
    {"dims_below", SCHEMA_INTEGER, false, .help = "tensors with fewer dimensions longer than 1"},
    {"suffix_not", SCHEMA_TEXT, false, .help = "tensors whose name ends otherwise"},
    {"name", SCHEMA_TEXTS, false, .help = "whole tensor names"},
    {"contains", SCHEMA_TEXTS, false, .help = "parts of tensor names"},
    {"why", SCHEMA_TEXT, true, .help = "the reason"},
    {0},
};
static const struct schema_field set_fields[] = {
    {"first", SCHEMA_TEXT, false, SHARE, .help = "layers from the start"},
    {"last", SCHEMA_TEXT, false, SHARE, .help = "layers at the end"},
    {"every", SCHEMA_INTEGER, false, .help = "of the layers after `first`, one in so many"},
    {"at", SCHEMA_INTEGER, false, .help = "which of them, from 0"},
    {"counted", SCHEMA_BOOL, false, .help = "true: tensors of the role are counted, not the layers that they are in"},
    {"why", SCHEMA_TEXT, false, .help = "the reason"},
    {0},
};
static const struct schema_field rule_fields[] = {
    {"roles", SCHEMA_TEXTS, true, .help = "roles that it is about"},
    {"levels", SCHEMA_TEXTS, false, .help = "levels that it is about; without: every quantized one"},
    {"levels_not", SCHEMA_TEXTS, false, .help = "levels that it is not about"},
    {"layers", SCHEMA_TEXT, false, .help = "a layer set"},
    {"arch", SCHEMA_TEXTS, false, .help = "only these architectures"},
    {"arch_not", SCHEMA_TEXTS, false, .help = "not these architectures"},
    {"experts", SCHEMA_INTEGER, false, .help = "only models with so many experts"},
    {"experts_not", SCHEMA_INTEGER, false, .help = "not models with so many experts"},
    {"experts_min", SCHEMA_INTEGER, false, .help = "only models with at least so many experts"},
    {"model_layers", SCHEMA_INTEGER, false, .help = "only models with so many layers"},
    {"gqa_min", SCHEMA_INTEGER, false, .help = "at least so many query heads share a key head"},
    {"row_multiple", SCHEMA_INTEGER, false, .help = "only where so many values divide a row"},
    {"imatrix", SCHEMA_BOOL, false, .help = "only with, or only without, an importance matrix"},
    {"from", SCHEMA_TEXTS, false, TYPE, .help = "only where the type so far is one of these"},
    {"type", SCHEMA_TEXT, true, TYPE, .help = "the tensor's type"},
    {"why", SCHEMA_TEXT, true, .help = "the reason"},
    {0},
};
static const struct schema_field need_fields[] = {
    {"type", SCHEMA_TEXTS, true, TYPE, .help = "types that are not made without importance"},
    {"levels", SCHEMA_TEXTS, false, .help = "at these levels only"},
    {"roles_not", SCHEMA_TEXTS, false, .help = "but for these roles"},
    {"why", SCHEMA_TEXT, true, .help = "the reason"},
    {0},
};
static const struct schema_field fallback_fields[] = {
    {"type", SCHEMA_TEXTS, true, TYPE, .help = "types whose block does not divide the row"},
    {"to", SCHEMA_TEXT, true, TYPE, .help = "what replaces them"},
    {0},
};
static const struct schema_field recipes_schema[] = {
    {"schema", SCHEMA_INTEGER, true, .help = "1"},
    {"source", SCHEMA_TEXT, true, .help = "where the mixtures come from"},
    {"roles", SCHEMA_MAPS, true, role_fields,
     .help = "what a tensor is for, by its name; the first row that fits"},
    {"keep", SCHEMA_MAPS, true, keep_fields, .help = "tensors that keep their type; any row that fits"},
    {"layer_sets", SCHEMA_NAMED, true, set_fields, .help = "sets of layers by name"},
    {"rules", SCHEMA_MAPS, true, rule_fields,
     .help = "types; the last rule that fits wins, else the level's type"},
    {"imatrix_needed", SCHEMA_MAPS, true, need_fields, .help = "what needs an importance matrix"},
    {"fallbacks", SCHEMA_MAPS, true, fallback_fields,
     .help = "replacements where a row is no multiple of the block"},
    {"last_resort", SCHEMA_TEXT, true, TYPE,
     .help = "the type where the replacement does not divide the row either"},
    {0},
};

/* ----------------------------------------------------------- runtimes.yaml */

static const struct schema_field format_fields[] = {
    {"format", SCHEMA_TEXT, true, .help = "a file format that it reads: gguf, gptq, awq, …"},
    {"capability_min", SCHEMA_NUMBER, false, .help = "least compute capability of an NVIDIA GPU"},
    {"note", SCHEMA_TEXT, false, .help = "how well, since when"},
    {"works_on", SCHEMA_TEXTS, false, .valid = is_vendor, .expected = "AMD or Intel",
     .help = "makers of other GPUs that it runs this format on; those that neither list names are unknown"},
    {"fails_on", SCHEMA_TEXTS, false, .valid = is_vendor, .expected = "AMD or Intel",
     .help = "makers of other GPUs that it does not run it on"},
    {"dequantizes", SCHEMA_BOOL, false, .help = "true: holds 16-bit weights whatever the file has"},
    {"start", SCHEMA_TEXTS, false, .help = "lines that start a file of this format, instead of the runtime's"},
    {0},
};
static const struct schema_field repack_fields[] = {
    {"features", SCHEMA_TEXTS, true, .help = "vector units that the CPU must have, all of them"},
    {"types", SCHEMA_TEXTS, true, TYPE, .help = "types that are copied"},
    {"rows_multiple", SCHEMA_INTEGER, false, .help = "only matrices with a multiple of so many rows"},
    {"row_multiple", SCHEMA_INTEGER, false,
     .help = "and of so many values in a row; without: the type's block"},
    {"extra_bytes", SCHEMA_INTEGER, false, .help = "bytes that each block grows by"},
    {"experts", SCHEMA_BOOL, false, .help = "true: stacked expert matrices too"},
    {0},
};
static const struct schema_field runtime_fields[] = {
    {"name", SCHEMA_TEXT, true, .help = "the value of the wish runtime"},
    {"title", SCHEMA_TEXT, true, .help = "for people"},
    {"like", SCHEMA_TEXT, false, .help = "the runtime whose values stand for those that are not given"},
    {"date", SCHEMA_TEXT, true, .help = "as of when"},
    {"version", SCHEMA_TEXT, true, .help = "of which version, or of what where nobody counts them"},
    {"source", SCHEMA_TEXT, true, .help = "documents read"},
    {"start", SCHEMA_TEXTS, false, .help = "shell lines that start it, with {placeholders} filled in; what stands in [brackets]"
     " with one goes where that is unknown"},
    {"formats", SCHEMA_MAPS, false, format_fields, .help = "what it reads"},
    {"refuses", SCHEMA_TEXTS, false, .help = "formats that it does not read; those that neither list names are unknown"},
    {"micro_batch", SCHEMA_INTEGER, false, .help = "tokens that one step works on; 0: the whole context"},
    {"kv_pad", SCHEMA_INTEGER, false, .help = "cells of the KV cache come in multiples of this"},
    {"windowed", SCHEMA_BOOL, false, .help = "true: layers with a sliding window cache only that"},
    {"all_logits", SCHEMA_BOOL, false, .help = "true: room for the logits of all tokens of a step"},
    {"gpu_embeddings", SCHEMA_BOOL, false,
     .help = "true: token embeddings lie on the GPU too, and tied ones serve as the output without a copy"},
    {"tensor_parallel", SCHEMA_BOOL, false,
     .help = "true: each weight is cut over as many GPUs as the wish tensor-parallel says, and no others are used"},
    {"fuses", SCHEMA_BOOL, false, .help = "true: query, key and value are one weight, and so are gate and up"},
    {"pipeline_copies", SCHEMA_INTEGER, false, .help = "of a step's inputs, with several GPUs"},
    {"gpu_margin", SCHEMA_BYTES, false, .help = "what stays free on each GPU"},
    {"gpu_margin_share", SCHEMA_NUMBER, false, .help = "or this share of its memory, if that is more"},
    {"host_margin", SCHEMA_BYTES, false, .help = "what stays free in RAM"},
    {"gpu_efficiency", SCHEMA_NUMBER, false, .help = "share of a GPU's bandwidth that decoding reaches"},
    {"cpu_efficiency", SCHEMA_NUMBER, false,
     .help = "share of the measured RAM bandwidth that decoding reaches"},
    {"prefill_efficiency", SCHEMA_NUMBER, false, .help = "share of the peak operations that prompts reach"},
    {"repack", SCHEMA_MAPS, false, repack_fields, .help = "weights that it copies; the first row that fits"},
    {0},
};
static const struct schema_field runtimes_schema[] = {
    {"schema", SCHEMA_INTEGER, true, .help = "1"},
    {"runtimes", SCHEMA_MAPS, true, runtime_fields, .help = "the serving runtimes"},
    {0},
};

/* ------------------------------------------------------------ kernels.yaml */

static const struct schema_field kernel_fields[] = {
    {"name", SCHEMA_TEXT, true, .help = "a name of its own"},
    {"title", SCHEMA_TEXT, true, .help = "for people"},
    {"runtimes", SCHEMA_TEXTS, true, .help = "runtimes that have it"},
    {"formats", SCHEMA_TEXTS, true, .help = "formats that it multiplies"},
    {"experts", SCHEMA_TEXT, false, .valid = is_experts, .expected = "also or only",
     .help = "whether it takes the experts' weights, also or only; without: it does not"},
    {"bits", SCHEMA_TEXTS, false, .valid = is_bits, .expected = "2, 3, 4 or 8",
     .help = "bits of a weight; without: any"},
    {"groups", SCHEMA_TEXTS, false, .valid = is_group, .expected = "columns of a group, or row",
     .help = "columns of a group, or row for rows with one scale; without: any"},
    {"symmetric", SCHEMA_BOOL, false, .help = "true: takes no zero points"},
    {"act_order", SCHEMA_TEXT, false, .valid = is_act_order, .expected = "alone or never",
     .help = "alone: act-order without tensor parallelism only; never; without: any"},
    {"half", SCHEMA_BOOL, false, .help = "true: computes in F16 alone, which BF16 checkpoints have to be cast to"},
    {"capability", SCHEMA_NUMBER, false, .help = "exactly this compute capability"},
    {"capability_min", SCHEMA_NUMBER, false, .help = "at least this one"},
    {"capability_below", SCHEMA_NUMBER, false, .help = "less than this one"},
    {"cpu", SCHEMA_BOOL, false, .help = "true: runs without a GPU"},
    {"rows", SCHEMA_INTEGER, false, .help = "what the outputs of a weight must be a multiple of"},
    {"columns", SCHEMA_INTEGER, false, .help = "what its inputs must be a multiple of"},
    {"tiles", SCHEMA_TEXTS, false, .valid = is_tile, .expected = "multiples of outputs and inputs such as 64x128",
     .help = "or pairs of multiples, one of which must fit"},
    {"pads", SCHEMA_TEXT, false, .help = "weights that fill no tile are filled up: since when, at what cost"},
    {"date", SCHEMA_TEXT, true, .help = "as of when"},
    {"source", SCHEMA_TEXT, true, .help = "where that comes from"},
    {0},
};
static const struct schema_field kernels_schema[] = {
    {"schema", SCHEMA_INTEGER, true, .help = "1"},
    {"kernels", SCHEMA_MAPS, true, kernel_fields, .help = "the kernels, the preferred ones first"},
    {0},
};

/* ------------------------------------- decisions, warnings, usecases: decision.c */

static const struct schema_field decisions_schema[] = {
    {"schema", SCHEMA_INTEGER, true, .help = "1"},
    {"decisions", SCHEMA_MAPS, true, decision_fields, .help = "what favours, disfavours or forbids a row"},
    {0},
};
static const struct schema_field warnings_schema[] = {
    {"schema", SCHEMA_INTEGER, true, .help = "1"},
    {"warnings", SCHEMA_MAPS, true, warning_fields, .help = "habits that spoil results"},
    {0},
};
static const struct schema_field necessity_schema[] = {
    {"schema", SCHEMA_INTEGER, true, .help = "1"},
    {"doubts", SCHEMA_MAPS, true, warning_fields, .help = "reasons not to quantize at all, or not in the hope of much"},
    {0},
};
static const struct schema_field usecases_schema[] = {
    {"schema", SCHEMA_INTEGER, true, .help = "1"},
    {"usecases", SCHEMA_MAPS, true, usecase_fields, .help = "what a model is for"},
    {0},
};

/* ------------------------------------------------ steps.yaml: read by src/run */

static bool is_loss(const char *text)
{
    double fraction;
    return parse_percent(text, &fraction);
}

static bool is_calibrating(const char *text)
{
    return strcmp(text, "feedback") == 0 || strcmp(text, "general") == 0 || strcmp(text, "more") == 0;
}

static bool is_known_text(const char *text)
{
    return strcmp(text, "general") == 0 || strcmp(text, "own") == 0;
}

static const struct schema_field incoherent_fields[] = {
    {"repeated", SCHEMA_NUMBER, true, .help = "share of an answer that stands in it before, from which on it repeats itself"},
    {"base_repeated", SCHEMA_NUMBER, true, .help = "of the original's answer: from here on it does so, too, and the answer does not count"},
    {"answers", SCHEMA_NUMBER, true, .help = "share of the answers that must"},
    {"same_top", SCHEMA_NUMBER, true, .help = "or: so few positions have the original's likeliest token"},
    {"kld_mean", SCHEMA_NUMBER, true, .help = "or: the divergence from the original is so large"},
    {0},
};
static const struct schema_field step_fields[] = {
    {"level", SCHEMA_TEXT, true, .help = "the level that the quality gate rejected; * and [] as in the shell"},
    {"incoherent", SCHEMA_BOOL, false, .help = "true: only where the output is incoherent"},
    {"over", SCHEMA_TEXT, false, .valid = is_loss, .expected = "a percentage such as 5%", .help = "only where it loses more"},
    {"within", SCHEMA_NUMBER, false, .help = "only where it loses at most so many times what is allowed"},
    {"nearest", SCHEMA_BOOL, false, .help = "true: only where each weight was rounded by itself; false: only where a text decided"},
    {"text", SCHEMA_TEXT, false, .valid = is_known_text, .expected = "general or own", .help = "only where this is the text to calibrate by"},
    {"samples_below", SCHEMA_INTEGER, false, .help = "only with fewer samples of it"},
    {"next", SCHEMA_TEXT, false, .help = "the level to try instead; nothing: the same"},
    {"calibrate", SCHEMA_TEXT, false, .valid = is_calibrating, .expected = "feedback, general or more",
     .help = "feedback: let a text decide, the person's own or the general one; general: by that; more: by four times as much"},
    {"why", SCHEMA_TEXT, true, .help = "the reason"},
    {0},
};
static const struct schema_field steps_schema[] = {
    {"schema", SCHEMA_INTEGER, true, .help = "1"},
    {"incoherent", SCHEMA_MAP, true, incoherent_fields, .help = "what gives output away that is no language any more"},
    {"steps", SCHEMA_MAPS, true, step_fields, .help = "what to try after a rejection: the first that applies and was not tried"},
    {0},
};

/* ------------------------------------------------------------- levers.yaml */

static bool is_wish(const char *text)
{
    return strcmp(text, "level") == 0 || wish_find(text) >= 0;
}

static const struct schema_field lever_fields[] = {
    {"name", SCHEMA_TEXT, true, .help = "what people call it"},
    {"title", SCHEMA_TEXT, true, .help = "for people: what is changed"},
    {"wish", SCHEMA_TEXT, true, .valid = is_wish, .expected = "the name of a wish, or level",
     .help = "the wish that it sets, or level"},
    {"to", SCHEMA_TEXT, true,
     .help = "half or double of what it is, or a value; of a level: smaller, for the largest that helps"},
    {"at_least", SCHEMA_INTEGER, false, .help = "where it is halved: no further"},
    {"when", SCHEMA_MAP, false, condition_fields, .help = "conditions, all of which must hold"},
    {"loss", SCHEMA_NUMBER, false, .help = "how much more perplexity it costs, a fraction; without: unknown"},
    {"why", SCHEMA_TEXT, true, .help = "what it costs, to be read after a comma"},
    {"source", SCHEMA_TEXT, true, .help = "where that comes from"},
    {0},
};
static const struct schema_field levers_schema[] = {
    {"schema", SCHEMA_INTEGER, true, .help = "1"},
    {"levers", SCHEMA_MAPS, true, lever_fields, .help = "what else than the level can be changed, the cheapest first"},
    {0},
};

static const struct { const char *name; const struct schema_field *fields; } schemas[] = {
    {"levels", levels_schema},       {"recipes", recipes_schema},   {"runtimes", runtimes_schema},
    {"decisions", decisions_schema}, {"warnings", warnings_schema}, {"usecases", usecases_schema}, {"necessity", necessity_schema},
    {"levers", levers_schema},       {"steps", steps_schema},       {"tips", tip_fields},
    {"kernels", kernels_schema},     {"mixes", mixes_schema},
};

const struct schema_field *rules_schema(const char *name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(schemas); i++)
        if (strcmp(schemas[i].name, name) == 0)
            return schemas[i].fields;
    return NULL;
}
