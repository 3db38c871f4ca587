#include "plan/plan_schema.h"

#include <string.h>

#include "plan/plan.h"

static bool is_type(const char *text)
{
    const struct quant_type *t = quant_type_named(text);
    return t && t->encode;
}

static bool is_percent(const char *text)
{
    double fraction;
    return parse_percent(text, &fraction);
}

static bool is_method(const char *text)
{
    return strcmp(text, "feedback") == 0 || strcmp(text, "nearest") == 0;
}

static bool is_activations(const char *text)
{
    enum activations a;
    return activations_parse(&a, text);
}

#define TYPE .valid = is_type, .expected = "a tensor type that can be made, such as Q6_K"

static const struct schema_field source_fields[] = {
    {"path", SCHEMA_TEXT, true, .help = "the checkpoint"},
    {"hub", SCHEMA_TEXT, false, .help = "hf:ORG/NAME@COMMIT:FILE; a run takes it from there where the path is not"},
    {"fingerprint", SCHEMA_TEXT, false, .help = "SHA-256 of its header and sizes; a run refuses another checkpoint"},
    {"pre", SCHEMA_TEXT, false, .help = "the pre-tokenizer of a folder, where it is not recognized (--pre)"},
    {0},
};
static const struct schema_field override_fields[] = {
    {"pattern", SCHEMA_TEXT, true, .help = "a regular expression over tensor names"},
    {"type", SCHEMA_TEXT, true, TYPE, .help = "their type"},
    {0},
};
static const struct schema_field quantization_fields[] = {
    {"level", SCHEMA_TEXT, true, .help = "a level of rules/levels.yaml: Q4_K_M, awq-int4-g128"},
    {"format", SCHEMA_TEXT, false, .help = "of a checkpoint folder: gptq, awq, …; for the document"},
    {"kernel", SCHEMA_TEXT, false, .help = "of the runtime, that will multiply its weights; for the document"},
    {"pure", SCHEMA_BOOL, false, .help = "true: every tensor the level's main type"},
    {"strict", SCHEMA_BOOL, false, .help = "true: a type that a row length forces is an error"},
    {"output_type", SCHEMA_TEXT, false, TYPE, .help = "of the output matrix"},
    {"embedding_type", SCHEMA_TEXT, false, TYPE, .help = "of the token embeddings"},
    {"overrides", SCHEMA_MAPS, false, override_fields, .help = "types of single tensors; the first match wins"},
    {"skip", SCHEMA_TEXTS, false,
     .help = "of a checkpoint folder: regular expressions over modules' names; those stay as they are"},
    {"imatrix", SCHEMA_TEXT, false, .help = "an importance matrix"},
    {"threads", SCHEMA_INTEGER, false, .help = "0, or nothing: all"},
    {0},
};
static const struct schema_field mix_fields[] = {
    {"by", SCHEMA_TEXT, true, .help = "measured, or a preset of rules/mixes.yaml"},
    {"limit", SCHEMA_BYTES, false, .help = "what the file could take"},
    {"predicted_kld", SCHEMA_NUMBER, false, .help = "mean divergence that the measurements promise"},
    {0},
};
static const struct schema_field calibration_fields[] = {
    {"path", SCHEMA_TEXT, false, .help = "a file or a folder of texts; general: the mix that comes with quantwiz"},
    {"sha256", SCHEMA_TEXT, false, .help = "of the file; of a folder, of its files' sums; a run refuses another text"},
    {"samples", SCHEMA_INTEGER, false, .help = "at most so many of it (128)"},
    {"sample_length", SCHEMA_INTEGER, false, .help = "tokens of each (512)"},
    {"method", SCHEMA_TEXT, false, .valid = is_method, .expected = "feedback or nearest",
     .help = "feedback: what rounding a weight spoils, the next ones make good; nearest: each by itself"},
    {0},
};
static const struct schema_field output_fields[] = {
    {"artefact", SCHEMA_TEXT, true, .help = "the file to make"},
    {"run", SCHEMA_TEXT, true, .help = "the run's folder: plan, events, journal, report"},
    {0},
};
static const struct schema_field evaluation_fields[] = {
    {"enabled", SCHEMA_BOOL, false, .help = "false: the result is not measured"},
    {"text", SCHEMA_TEXT, false, .help = "for perplexity and divergence; nothing: the text that comes with quantwiz"},
    {"context", SCHEMA_INTEGER, false, .help = "tokens of a chunk (512)"},
    {"chunks", SCHEMA_INTEGER, false, .help = "at most so many; 0: all of the text"},
    {"tasks", SCHEMA_TEXT, false, .help = "JSON lines of question, choices, answer"},
    {"prompts", SCHEMA_TEXT, false, .help = "sample prompts, one a line"},
    {"max_loss", SCHEMA_TEXT, false, .valid = is_percent, .expected = "a percentage such as 2%",
     .help = "the gate: how much perplexity may grow"},
    {"activations", SCHEMA_TEXT, false, .valid = is_activations, .expected = "served, f32 or q8",
     .help = "served: rounded where the format has 8-bit inputs (fp8, w8a8, bnb-int8); f32: never, the weights alone"
             " are measured; q8: to 8 bits as runtimes on CPUs do"},
    {"stop_early", SCHEMA_BOOL, false,
     .help = "true: stop once the gate is decided; false: all chunks, so that runs compare (variants, and several plans in one go: false)"},
    {"runtime_speed", SCHEMA_BOOL, false,
     .help = "false: the runtime's own benchmark (llama-bench, ollama, vllm) is not run, even where it is on the PATH"},
    {0},
};
static const struct schema_field gate_fields[] = {
    {"auto", SCHEMA_BOOL, false, .help = "true: the next step is taken, and not only proposed (--auto)"},
    {"attempts", SCHEMA_INTEGER, false, .help = "runs in all, at most (4)"},
    {"after", SCHEMA_TEXT, false, .help = "the folder of the run that was rejected before this one; its list of attempts goes on"},
    {"why", SCHEMA_TEXT, false, .help = "why this step; for the document"},
    {0},
};
static bool is_part_of_a_name(const char *text)
{
    return *text && !strchr(text, '/');
}

static const struct schema_field variant_fields[] = {
    {"name", SCHEMA_TEXT, false, .valid = is_part_of_a_name, .expected = "a name without '/'", .help = "of its artefact and run, behind the model's (its level, and what else changes)"},
    {"level", SCHEMA_TEXT, false, .help = "as under quantization"},
    {"pure", SCHEMA_BOOL, false, .help = "as under quantization"},
    {"imatrix", SCHEMA_TEXT, false, .help = "as under quantization"},
    {"calibration", SCHEMA_TEXT, false, .help = "the path under calibration; none: no text, whatever the plan says"},
    {"sha256", SCHEMA_TEXT, false, .help = "as under calibration"},
    {"samples", SCHEMA_INTEGER, false, .help = "as under calibration"},
    {"sample_length", SCHEMA_INTEGER, false, .help = "as under calibration"},
    {"method", SCHEMA_TEXT, false, .valid = is_method, .expected = "feedback or nearest", .help = "as under calibration"},
    {0},
};
static const struct schema_field wish_fields[] = {
    {"name", SCHEMA_TEXT, true, .help = "a wish of quantwiz(1)"},
    {"value", SCHEMA_TEXT, true, .help = "as on the command line"},
    {"from", SCHEMA_TEXT, false, .help = "where the value came from"},
    {0},
};
static const struct schema_field fields[] = {
    {"schema", SCHEMA_INTEGER, true, .help = "1"},
    {"source", SCHEMA_MAP, true, source_fields, .help = "what is quantized"},
    {"quantization", SCHEMA_MAP, true, quantization_fields, .help = "what is made of it"},
    {"mix", SCHEMA_MAP, false, mix_fields, .help = "how the list of tensors was found; for the document"},
    {"tensors", SCHEMA_WORDS, false, TYPE,
     .help = "types of single tensors, a line NAME: TYPE each, which go before level and overrides; edit them as you like"},
    {"calibration", SCHEMA_MAP, false, calibration_fields, .help = "the text that it is made by"},
    {"output", SCHEMA_MAP, true, output_fields, .help = "where it goes"},
    {"evaluation", SCHEMA_MAP, false, evaluation_fields, .help = "how it is measured"},
    {"gate", SCHEMA_MAP, false, gate_fields, .help = "what becomes of a result that loses more than max_loss"},
    {"variants", SCHEMA_MAPS, false, variant_fields,
     .help = "what to make instead of the plan's own level: a run each, beside the others, and a table that compares them"},
    {"wishes", SCHEMA_MAPS, false, wish_fields, .help = "what was asked for; for the document"},
    {"machine", SCHEMA_TREE, false, .help = "the machine that the plan is for, in brief; for the document"},
    {"rationale", SCHEMA_TEXTS, false, .help = "why this level; for the document"},
    {"estimate", SCHEMA_MAP, false, record_estimate_fields, .help = "its figures on that machine; for the document"},
    {"alternatives", SCHEMA_MAPS, false, record_alternative_fields,
     .help = "every level that was not chosen; for the document"},
    {0},
};

const struct schema_field plan_tensors_schema[] = {{"tensors", SCHEMA_WORDS, true, TYPE}, {0}};

const struct schema_field *plan_schema(void)
{
    return fields;
}
