#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/str.h"
#include "base/watch.h"
#include "cmd/cmd.h"
#include "cmd/open.h"
#include "eval/generate.h"

static const struct option_spec options[] = {
    {"prompt", 'p', "PROMPT", "the text to go on from"},
    {"tokens", 'n', "N", "tokens at most (default 128)"},
    {"temp", 0, "T", "draw tokens at this temperature instead of taking the likeliest"},
    {"seed", 0, "N", "of the random numbers, with --temp (default 1)"},
    {"margins", 0, NULL, "show by how much each step's token led: near 0, another program may choose otherwise"},
    ACTIVATIONS_OPTION,
    {"past-end", 0, NULL, "go on where the model would stop"},
    PRE_OPTION,
    {0},
};

static int read_options(const struct args *a, struct generate_options *o, struct error *e)
{
    const char *temperature = args_get(a, "temp");
    int seed = 1, rc;
    *o = (struct generate_options){.tokens = 128, .past_end = args_has(a, "past-end")};
    if (!args_has(a, "prompt"))
        return error_set(e, ERROR_USAGE, "name a prompt with -p (quantwiz generate --help)");
    if ((rc = args_int(a, "tokens", 1, 1 << 24, &o->tokens, e)) || (rc = args_int(a, "seed", 0, 1 << 30, &seed, e)))
        return rc;
    o->seed = seed;
    if (temperature && (!parse_double(temperature, &o->temperature) || !(o->temperature >= 0)))
        return error_set(e, ERROR_USAGE, "--temp: expected a number from 0 on, found '%s'", temperature);
    return read_activations(a, &o->activations, e);
}

static json_t *ids_json(const struct tokens *t)
{
    json_t *list = json_array();
    for (size_t i = 0; i < t->count; i++)
        json_array_append_new(list, json_integer(t->ids[i]));
    return list;
}

static void print_json(const struct generation *g, bool margins)
{
    json_t *j = json_object();
    json_object_set_new(j, "text", json_text(g->text));
    json_object_set_new(j, "tokens", ids_json(&g->tokens));
    json_object_set_new(j, "prompt_tokens", ids_json(&g->prompt));
    if (margins) {
        json_t *list = json_array();
        for (size_t i = 0; i < g->tokens.count; i++)
            json_array_append_new(list, json_value(g->margins[i]));
        json_object_set_new(j, "margins", list);
    }
    json_object_set_new(j, "prefill_tokens_per_s", json_value(generation_prefill_speed(g)));
    json_object_set_new(j, "decode_tokens_per_s", json_value(generation_decode_speed(g)));
    json_print(stdout, j, 1);
}

/* Byte by byte what the model says, but on a terminal without what would steer that: a vocabulary may hold anything. */
static void put_text(const char *text, size_t length)
{
    bool printable, terminal = isatty(STDOUT_FILENO);
    for (size_t n; length; text += n, length -= n) {
        n = text_character(text, length, &printable);
        if (!terminal || printable || *text == '\n' || *text == '\t')
            fwrite(text, 1, n, stdout);
        else
            putchar('?');
    }
}

static void print_text(const struct generation *g, const struct tokenizer *t, bool margins)
{
    put_text(g->text, g->length);
    putchar('\n');
    for (size_t i = 0; margins && i < g->tokens.count; i++) {
        size_t length;
        const char *piece = tokenizer_piece(t, g->tokens.ids[i], true, &length);
        printf("%9.4f  %d  ", g->margins[i], g->tokens.ids[i]);
        put_text(piece, length);
        putchar('\n');
    }
    fprintf(stderr, "prefill %.1f tokens/s, decode %.1f tokens/s\n", generation_prefill_speed(g),
            generation_decode_speed(g));
}

static int run_model(const struct args *a, const struct model *m, const struct generate_options *o, struct error *e)
{
    struct tokenizer *t;
    struct generation g;
    int rc = tokenizer_open(&t, m, NULL, e);
    if (rc)
        return rc;
    interrupt_catch();
    rc = generate(&g, m, t, args_get(a, "prompt"), o, NULL, e);
    if (!rc && args_json(a))
        print_json(&g, args_has(a, "margins"));
    else if (!rc)
        print_text(&g, t, args_has(a, "margins"));
    generation_done(&g);
    tokenizer_free(t);
    return rc;
}

static int run(const struct args *a, struct error *e)
{
    struct generate_options o;
    struct model *m;
    int rc = read_options(a, &o, e);
    if (rc || (rc = open_model(&m, args_operand(a, 0), args_get(a, "pre"), 0, e)))
        return rc;
    rc = run_model(a, m, &o, e);
    model_close(m);
    return rc;
}

const struct command cmd_generate = {
    .name = "generate",
    .usage = "MODEL -p PROMPT [-n N] [--temp T] [--json]",
    .summary = "text from a prompt",
    .options = options,
    .operands_min = 1,
    .operands_max = 1,
    .run = run,
};
