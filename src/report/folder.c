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
static char *loading_line(const struct scheme *s, const char *source, struct arena *a)
{
    bool four = s->bits == 4;
    const char *config =
        !four ? "load_in_8bit=True"
              : arena_printf(a, "load_in_4bit=True, bnb_4bit_quant_type=\"%s\", bnb_4bit_use_double_quant=%s,"
                             " bnb_4bit_compute_dtype=torch.bfloat16", s->format->name,
                             s->double_quant ? "True" : "False");
    struct str line = {0};
    char *code = arena_printf(a, "import torch; from transformers import AutoModelForCausalLM as M, BitsAndBytesConfig"
                              " as B; M.from_pretrained(\"%s\", quantization_config=B(%s), device_map=\"auto\")", source,
                              config);
    str_add(&line, "python3 -c");
    str_add_word(&line, code);
    char *text = arena_strdup(a, line.data);
    str_done(&line);
    return text;
}

void folder_loading_add(struct document *d, const struct plan *p)
{
    struct arena a = {0};
    struct scheme s;
    if (!scheme_of(p, &s) || (s.format != &pack_nf4 && s.format != &pack_fp4 && s.format != &pack_bnb_int8))
        return;
    char *source = path_absolute(p->source);
    const char *lines[] = {loading_line(&s, source, &a)};
    document_code(d, "load_at_run_time", "The same without a file: the original, quantized while it is loaded (for"
                  " development; servers want another format)", lines, 1);
    free(source);
    arena_done(&a);
}
