/* The table of tensor names, see hf_names.c; for hf_tensors.c, hf_source.c and stored.c. */
#ifndef MODEL_HF_NAMES_H
#define MODEL_HF_NAMES_H

#include <stdbool.h>

#include "base/mem.h"

/* Which rows of a stored tensor. Halves: gate above up. In turn: gate, up, gate, up, ... */
enum hf_rows { ALL_ROWS, FIRST_HALF, SECOND_HALF, EVEN_ROWS, ODD_ROWS };
/* Whose heads' rows are turned where GGUF rotates neighbours, see source.h. */
enum hf_turn { NOT_TURNED, QUERIES, KEYS };

/* '*' stands for a layer's number, '#' for an expert's: those of a layer become one tensor. Parts of
 * multimodal models have another prefix for "model.". */
struct hf_name {
    const char *stored, *gguf;
    enum hf_turn turn;
    enum hf_rows rows;
    bool transposed;       /* [in][out] */
    const char *only;      /* architectures, by GGUF's names; NULL: all */
    const char *apart;     /* of experts in one tensor: where one alone is stored, below the layer; of a tensor beside
                              them: what it is called then */
};
/* In order of the table, NULL at the end. */
const struct hf_name *hf_name_at(int i);
bool hf_name_in_block(const struct hf_name *n);
bool hf_name_of_experts(const struct hf_name *n);
/* The pattern with its numbers and the prefix (NULL: "model.") put in, in `a`. */
const char *hf_name_fill(struct arena *a, const char *prefix, const char *pattern, int layer, int expert);

/* Stored, but no part of the language model's weights. */
bool hf_name_left_out(const char *stored);
/* What may stand for "model.", NULL-terminated. */
extern const char *const hf_prefixes[];

#endif
