/* The formats that checkpoint folders are quantized to, by the names that people give them, and a weight as whole
 * numbers before it is packed into one of them.
 *
 *     gptq-int{2,3,4,8}[-g{32,64,128,row}][-asym][-act]    groups of 128, symmetric, columns in their order
 *     awq-int4[-g{..}][-sym]                               groups of 128, with zero points
 *     nf4[-single]  fp4[-single]                           blocks of 64; their scales quantized, too, unless -single
 *     bnb-int8  fp8  w8a8[-smooth]                         a scale for each row
 *     w4a16[-g{..}][-asym]                                 groups of 128, symmetric
 *
 * Marks may come in any order; scheme_name writes them in this one, and leaves out what is the default. */
#ifndef PACK_SCHEME_H
#define PACK_SCHEME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct pack_format; /* pack.h */

struct scheme {
    const struct pack_format *format;
    int bits;               /* of a weight's code */
    int group;              /* columns that share a scale; 0: a whole row */
    bool symmetric;         /* no zero points */
    bool act_order;         /* columns by what the inputs weigh, so that a group's may lie anywhere */
    bool double_quant;      /* of nf4 and fp4: the scales in 8 bits */
    bool smooth;            /* the inputs' outliers moved into the weights first (SmoothQuant) */
    bool bf16;              /* the checkpoint's other tensors are BF16: not part of the name, set by the writer */
};

enum { SCHEME_NAME = 48 }; /* with the longest group and every mark */
/* ERROR_USAGE where the name is none, with what it could have been. */
int scheme_parse(struct scheme *s, const char *name, struct error *e);
/* "gptq-int4-g64-act" */
void scheme_name(const struct scheme *s, char out[static SCHEME_NAME]);
/* Does the name begin as one of these do? (For "quantize IN OUT TYPE", whose TYPE may be one of GGUF's.) */
bool scheme_is_name(const char *name);
/* The names without marks, in order: "gptq-int2", ...; NULL at the end. */
const char *scheme_level_at(int i);

/* Bytes of all parts of one weight of [rows][columns]: what it takes in the checkpoint's files. */
uint64_t scheme_bytes(const struct scheme *s, int64_t rows, int64_t columns);
/* Can a weight of this shape be stored so? Sets *why, if it is not NULL, to a static text such as "its rows are no
 * multiple of the group". */
bool scheme_fits(const struct scheme *s, int64_t rows, int64_t columns, const char **why);
/* Columns of a group, `columns` where a row is one; and the number of groups in a row, the last may be short. */
int64_t scheme_group(const struct scheme *s, int64_t columns);
int64_t scheme_groups(const struct scheme *s, int64_t columns);
/* The nearest scale above 0 that the checkpoint can hold. */
float scheme_round_scale(const struct scheme *s, float scale);
/* The smallest zero point: 1 in the first version of GPTQ's format, which stores them less 1 and whose readers disagree
 * on what -1 is. */
int scheme_least_zero(const struct scheme *s);

/* A weight, or some of its rows, as whole numbers: w[r][c] = (codes[r][c] - zero) * scale, both of group
 * group_of[c] of the row. In symmetric schemes zero is 2^(bits - 1). */
struct codes {
    int64_t rows, columns;
    int group;                      /* columns of a group, as scheme_group */
    uint8_t *codes;                 /* [rows][columns] from 0 to 2^bits - 1 */
    float *scales;                  /* [rows][groups], already rounded to what the checkpoint stores */
    uint8_t *zeros;                 /* [rows][groups] */
    const int32_t *group_of;        /* [columns] with act order; NULL: column / group */
};

#endif
