#include "pack/pack.h"

#include <string.h>

void packed_init(struct packed *p, const struct scheme *s, int64_t rows, int64_t columns)
{
    *p = (struct packed){.scheme = s, .rows = rows, .columns = columns, .zero_add = s->symmetric ? 1 : 0};
    s->format->parts(p);
}

uint64_t pack_part_bytes(const struct pack_part *part)
{
    uint64_t bytes = (uint64_t)part->item;
    for (int i = 0; i < part->dims; i++)
        bytes *= (uint64_t)part->shape[i];
    return bytes;
}

int packed_part(const struct packed *p, const char *suffix)
{
    for (int i = 0; i < p->count; i++)
        if (strcmp(p->parts[i].suffix, suffix) == 0)
            return i;
    return -1;
}

void packed_add(struct packed *p, const char *suffix, const char *dtype, int item, int dims, int64_t first,
                int64_t second)
{
    p->parts[p->count++] = (struct pack_part){.suffix = suffix, .dtype = dtype, .item = item, .dims = dims,
                                              .shape = {dims > 0 ? first : 1, dims > 1 ? second : 1}};
}

json_t *pack_names(const char *const *names, int count)
{
    json_t *list = json_array();
    for (int i = 0; i < count; i++)
        json_array_append_new(list, json_string(names[i]));
    return list;
}

const char *pack_load_snippet(const struct scheme *s)
{
    static const struct { const struct pack_format *format; bool nested; const char *text; } snippets[] = {
        {&pack_nf4, true, "BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type=\"nf4\", bnb_4bit_use_double_quant=True,"
                          " bnb_4bit_compute_dtype=torch.bfloat16)"},
        {&pack_nf4, false, "BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type=\"nf4\","
                           " bnb_4bit_compute_dtype=torch.bfloat16)"},
        {&pack_fp4, true, "BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type=\"fp4\", bnb_4bit_use_double_quant=True,"
                          " bnb_4bit_compute_dtype=torch.bfloat16)"},
        {&pack_fp4, false, "BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type=\"fp4\","
                           " bnb_4bit_compute_dtype=torch.bfloat16)"},
        {&pack_bnb_int8, false, "BitsAndBytesConfig(load_in_8bit=True)"},
    };
    for (size_t i = 0; i < sizeof snippets / sizeof *snippets; i++)
        if (snippets[i].format == s->format && snippets[i].nested == s->double_quant)
            return snippets[i].text;
    return "";
}
