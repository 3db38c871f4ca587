/* How quantized weights lie in a checkpoint folder: a format is a row of functions, each weight some tensors ("parts")
 * beside one another that a scheme and the weight's shape determine. Weights are [rows = outputs][columns = inputs],
 * as torch.nn.Linear has them; "module" is a weight's name without ".weight". */
#ifndef PACK_PACK_H
#define PACK_PACK_H

#include <jansson.h>

#include "pack/scheme.h"

enum { PACK_PARTS_MAX = 7, PACK_DIMS_MAX = 2 };

struct pack_part {
    const char *suffix;             /* after the module's name: ".qweight" */
    const char *dtype;              /* as safetensors files call it: "I32" */
    int item;                       /* bytes of an element */
    int dims;
    int64_t shape[PACK_DIMS_MAX];   /* the last is the row length; unused ones are 1 */
};

/* A packed weight in memory. */
struct packed {
    const struct scheme *scheme;
    int64_t rows, columns;
    int count;
    struct pack_part parts[PACK_PARTS_MAX];
    unsigned char *data[PACK_PARTS_MAX];    /* at any address: parts of foreign files stand where they like */
    int zero_add;                   /* to zero points as GPTQ stores them: 1, in version 2 of its format 0 */
    const int32_t *group_of;        /* [columns] when it is read: GPTQ's g_idx; NULL: columns in order */
    float *scratch;                 /* while it is encoded: as many as the format's `scratch` says */
    float nested_offset;            /* of nf4 and fp4 when it is read: what was taken from the scales */
};

/* Modules with a matrix that are not quantized, by their names: the output, routers, what a person left out. */
struct pack_kept {
    const char *const *names;
    int count;
    const char *const *skipped;     /* [skipped_count]: of them, those that readers would take for quantized by their place */
    int skipped_count;
};

struct pack_format {
    const char *name;               /* "gptq": of the scheme's, and of the messages */
    const char *method;             /* quant_method in config.json */
    const char *title;              /* for people: "GPTQ" */
    /* Sets count and parts from scheme, rows and columns. */
    void (*parts)(struct packed *p);
    /* What rows and columns must be multiples of, the group apart; NULL: nothing. */
    int (*row_multiple)(const struct scheme *s);
    int (*column_multiple)(const struct scheme *s);
    /* Rows `first` to `first + n` (a multiple of PACK_ROWS but for the last) from floats, each weight by itself. */
    void (*encode)(struct packed *p, int64_t first, int64_t n, const float *w);
    /* The same from whole numbers; NULL: the format has none. */
    void (*pack)(struct packed *p, int64_t first, const struct codes *c);
    /* Fills all of c, whose rows begin at `first`, any row; its room is made. */
    void (*unpack)(const struct packed *p, int64_t first, struct codes *c);
    /* After all rows: what belongs to the weight as a whole. May be NULL. */
    void (*finish)(struct packed *p);
    /* Floats that encoding needs from its first row to `finish`; NULL: none. */
    int64_t (*scratch)(const struct packed *p);
    /* Any rows as floats, [n][columns]. */
    void (*decode)(const struct packed *p, int64_t first, int64_t n, float *w);
    /* quantization_config of config.json. */
    json_t *(*config)(const struct scheme *s, const struct pack_kept *kept);
};

/* Different threads may encode different stretches of so many rows: they touch different bytes. */
enum { PACK_ROWS = 64 };

extern const struct pack_format pack_gptq, pack_awq, pack_nf4, pack_fp4, pack_bnb_int8, pack_fp8, pack_w8a8, pack_w4a16;

/* Scheme and shape filled in, parts described, `data` all NULL. */
void packed_init(struct packed *p, const struct scheme *s, int64_t rows, int64_t columns);
uint64_t pack_part_bytes(const struct pack_part *part);
/* For the formats: one more part; `first` and `second` as many as it has dimensions. */
void packed_add(struct packed *p, const char *suffix, const char *dtype, int item, int dims, int64_t first,
                int64_t second);
/* Python that loads the original model in bitsandbytes' format, quantized while it loads; "" for other formats. */
const char *pack_load_snippet(const struct scheme *s);
/* A list of texts. */
json_t *pack_names(const char *const *names, int count);
json_t *bitsandbytes_config(const struct scheme *s, const struct pack_kept *kept);
/* Index of the part with this suffix, -1: none. */
int packed_part(const struct packed *p, const char *suffix);

#endif
