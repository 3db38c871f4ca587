#include "report/folder.h"

#include <math.h>
#include <stdlib.h>

#include "base/file.h"
#include "pack/pack.h"

static bool scheme_of(const struct plan *p, struct scheme *s)
{
    struct error e;
    return plan_makes_folder(p) && scheme_parse(s, p->level, &e) == 0;
}

void folder_settings_add(struct document *d, const struct plan *p)
{
    struct scheme s;
    if (!scheme_of(p, &s))
        return;
    document_text(d, "quant_method", "quant_method of config.json", s.format->method);
    document_number(d, "bits", "Bits of a code", s.bits, "%.0f", 1);
    if (s.group)
        document_number(d, "group_size", "Weights that share a scale", s.group, "%.0f", 1);
    else
        document_text(d, "group_size", "Weights that share a scale", "a row");
    document_bool(d, "symmetric", "Without zero points", s.symmetric);
    document_bool(d, "act_order", "Columns by what their inputs weigh (act-order)", s.act_order);
    document_text(d, "kept", "Kept as they are stored", "embeddings, output, norms, biases, routers");
}

/* What bitsandbytes does with the original when it is loaded: no file is needed for that. */
static char *loading_line(const char *config, const char *source, struct arena *a)
{
    struct str line = {0};
    str_add(&line, "python3 -c");
    str_add_word(&line, arena_printf(a, "import torch; from transformers import AutoModelForCausalLM, BitsAndBytesConfig;"
                                     " AutoModelForCausalLM.from_pretrained(\"%s\", quantization_config=%s,"
                                     " device_map=\"auto\")", source, config));
    char *text = arena_strdup(a, line.data);
    str_done(&line);
    return text;
}

void folder_loading_add(struct document *d, const struct plan *p)
{
    struct arena a = {0};
    struct scheme s;
    const char *config = scheme_of(p, &s) ? pack_load_snippet(&s) : "";
    if (!*config)
        return;
    char *source = path_absolute(p->source);
    const char *lines[] = {loading_line(config, source, &a)};
    document_code(d, "load_at_run_time", "The same without a file: the original, quantized while it is loaded (for"
                  " development; servers want another format)", lines, 1);
    free(source);
    arena_done(&a);
}
