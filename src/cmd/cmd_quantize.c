/* quantwiz quantize IN OUT TYPE */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cmd/args.h"
#include "cmd/making.h"
#include "cmd/making_folder.h"
#include "cmd/open.h"
#include "pack/scheme.h"
#include "plan/plan.h"

static const struct option_spec options[] = {
    {"tensor-type", 0, "REGEX=TYPE", "this type for the tensors whose names match; repeatable, the first match wins"},
    {"tensors", 0, "FILE", "types of single tensors: a plan with a mix, or any YAML file with such a list"},
    {"pure", 0, NULL, "the level's main type for every tensor, instead of its mixture"},
    {"output-tensor-type", 0, "TYPE", "the type of output.weight"},
    {"token-embedding-type", 0, "TYPE", "the type of token_embd.weight"},
    {"dry-run", 0, NULL, "print what would be made, with sizes, and write nothing"},
    {"strict", 0, NULL, "refuse a level where a row length forces other types on some tensors"},
    {"resume", 0, NULL, "go on with what an interrupted attempt left behind"},
    {"skip", 0, "REGEX", "of checkpoint folders: keep the weights whose names match as they are; repeatable"},
    SPLIT_OPTIONS,
    PRE_OPTION,
    {"imatrix", 0, "FILE", "importance of each weight's columns, as `quantwiz imatrix` or llama.cpp makes it"},
    {"calibration", 0, "FILE", "quantize with error feedback, by what this text brings about: plain text, JSON lines, or a folder"},
    {"method", 0, "NAME", "what the text is for: 'feedback' (unless said otherwise), or 'nearest': each weight by itself, columns by importance"},
    {"samples", 0, "N", "samples of the calibration text, spread over it (default 128)"},
    {"sample-length", 0, "N", "tokens of a sample (default 512)"},
    {"memory", 0, "SIZE", "that error feedback may use (default: what is available); the rest of it goes to disk"},
    {0},
};

static int read_type(const char *name, const char *option, const struct quant_type **type, struct error *e)
{
    *type = quant_type_named(name);
    if (*type && (*type)->encode)
        return 0;
    return error_set(e, ERROR_USAGE, "--%s: '%s' is no tensor type that can be made; try Q4_K, Q6_K, Q8_0 or F16",
                     option, name);
}

static int read_type_option(const struct args *a, const char *option, const struct quant_type **type, struct error *e)
{
    const char *name = args_get(a, option);
    return name ? read_type(name, option, type, e) : 0;
}

/* A pattern may contain '=': the last one counts. */
static int read_override(const char *text, struct recipe_override *o, struct arena *arena, struct error *e)
{
    const char *equals = strrchr(text, '=');
    if (!equals || equals == text)
        return error_set(e, ERROR_USAGE, "--tensor-type: expected REGEX=TYPE, for example 'ffn_down=Q6_K', found '%s'",
                         text);
    o->pattern = arena_strndup(arena, text, equals - text);
    return read_type(equals + 1, "tensor-type", &o->type, e);
}

static int read_overrides(const struct args *a, struct recipe_options *o, struct arena *arena, struct error *e)
{
    int count = 0, rc = 0;
    while (args_nth(a, "tensor-type", count))
        count++;
    struct recipe_override *list = arena_alloc(arena, (count + 1) * sizeof *list);
    for (int i = 0; !rc && i < count; i++)
        rc = read_override(args_nth(a, "tensor-type", i), &list[i], arena, e);
    o->overrides = list;
    o->override_count = count;
    return rc;
}

static int read_tensors(const struct args *a, struct making *m, struct arena *arena, struct error *e)
{
    const char *path = args_get(a, "tensors");
    struct recipe_pin *pins;
    if (!path)
        return 0;
    int rc = plan_load_tensors(&pins, &m->options.pin_count, path, arena, e);
    m->options.pins = pins;
    return rc;
}

static int read_method(const struct args *a, struct making *m, struct error *e)
{
    const char *name = args_get(a, "method"), *memory = args_get(a, "memory");
    m->nearest = name && strcmp(name, "nearest") == 0;
    if (name && !m->nearest && strcmp(name, "feedback") != 0)
        return error_set(e, ERROR_USAGE, "--method: expected feedback or nearest, found '%s'", name);
    if (name && !m->nearest && !m->calibration.text)
        return error_set(e, ERROR_USAGE, "--method feedback needs a text to go by: --calibration FILE");
    if (m->nearest && m->calibration.text && m->imatrix)
        return error_set(e, ERROR_USAGE, "--imatrix and --calibration both say what counts: with --method nearest give one"
                         " of them");
    if (memory && (!parse_bytes(memory, &m->memory_bytes) || m->memory_bytes == 0))
        return error_set(e, ERROR_USAGE, "--memory: expected a size, such as 6GiB, found '%s'", memory);
    return 0;
}

static void read_skips(const struct args *a, struct making *m, struct arena *arena)
{
    while (args_nth(a, "skip", m->skip_count))
        m->skip_count++;
    const char **list = arena_alloc(arena, (m->skip_count + 1) * sizeof *list);
    for (int i = 0; i < m->skip_count; i++)
        list[i] = args_nth(a, "skip", i);
    m->skip = list;
}

static int run(const struct args *a, struct error *e)
{
    struct arena arena = {0};
    struct making m = {
        .in = args_operand(a, 0),
        .out = args_operand(a, 1),
        .level = args_operand(a, 2),
        .options = {.pure = args_has(a, "pure"), .strict = args_has(a, "strict")},
        .dry_run = args_has(a, "dry-run"),
        .resume = args_has(a, "resume"),
        .json = args_json(a),
        .pre = args_get(a, "pre"),
        .imatrix = args_get(a, "imatrix"),
        .calibration = {.text = args_get(a, "calibration"), .samples = CALIBRATION_SAMPLES,
                        .sample_length = CALIBRATION_LENGTH},
    };
    int rc = read_method(a, &m, e);
    rc = rc ? rc : args_int(a, "samples", 1, 1 << 20, &m.calibration.samples, e);
    rc = rc ? rc : args_int(a, "sample-length", 4, 1 << 20, &m.calibration.sample_length, e);
    if (!rc)
        rc = making_read_split(a, &m.split, e);
    if (!rc)
        rc = read_type_option(a, "output-tensor-type", &m.options.output_type, e);
    if (!rc)
        rc = read_type_option(a, "token-embedding-type", &m.options.embedding_type, e);
    if (!rc)
        rc = read_overrides(a, &m.options, &arena, e);
    rc = rc ? rc : read_tensors(a, &m, &arena, e);
    read_skips(a, &m, &arena);
    if (!rc)
        rc = scheme_is_name(m.level) ? making_folder_run(&m, e) : making_run(&m, e);
    arena_done(&arena);
    return rc;
}

const struct command cmd_quantize = {
    .name = "quantize",
    .usage = "IN OUT TYPE",
    .summary = "make a quantized GGUF file, or checkpoint folder, of a model",
    .options = options,
    .operands_min = 3,
    .operands_max = 3,
    .run = run,
};
