/* A quantized checkpoint folder, fixed before a byte of it is written: what becomes of each stored tensor, in which file
 * it lies and where, and the texts beside the weights.
 *
 * Quantized are the linear layers of the blocks, experts each; embeddings, norms, biases, routers and the output stay in
 * the checkpoint's 16 bits (checkpoints of 32 bits: F16), and whatever a person wants to skip. */
#ifndef RUN_CHECKPOINT_LAYOUT_H
#define RUN_CHECKPOINT_LAYOUT_H

#include <jansson.h>

#include "base/hash.h"
#include "model/safetensors_write.h"
#include "model/stored.h"
#include "pack/pack.h"
#include "plan/checkpoint.h"

/* A stored tensor and what becomes of it: one tensor, or the parts of a packed weight. */
struct checkpoint_item {
    const struct stored_weight *weight;
    const char *module;             /* name without ".weight" */
    bool quantized;
    const struct dtype *dtype;      /* of what is kept */
    struct packed packed;           /* of what is quantized; `data` NULL */
    int file, first, parts;         /* its tensors in the file's writer: first to first + parts */
    uint64_t bytes;
};

struct checkpoint_file {
    struct safetensors_writer *writer;
    char *name;                     /* "model-00001-of-00002.safetensors" */
    uint64_t data_bytes;            /* while it is filled */
};

struct checkpoint_layout {
    const struct model *model;
    struct scheme scheme;
    struct stored_weights stored;
    struct checkpoint_item *items;  /* [count], file by file */
    int count, quantized;           /* quantized: so many of them */
    struct checkpoint_file *files;
    int file_count;
    uint64_t bytes;                 /* of all files of weights */
    double bits_per_weight;         /* of all numbers, headers left out */
    json_t *config;                 /* what config.json will hold */
    char fingerprint[HASH_TEXT];
    struct arena arena;
};

/* `skip`: regular expressions; modules whose names match stay as they are. `file_bytes`: CHECKPOINT_FILE_BYTES. Refuses
 * what cannot be stored so, naming it. Free with checkpoint_layout_done whatever is returned. */
int checkpoint_layout_make(struct checkpoint_layout *l, const struct model *m, const struct scheme *s,
                           const char *const *skip, int skip_count, uint64_t file_bytes, struct error *e);
void checkpoint_layout_done(struct checkpoint_layout *l);
/* Where part `part` of an item lies in its file. */
uint64_t checkpoint_offset(const struct checkpoint_layout *l, const struct checkpoint_item *item, int part);
uint64_t checkpoint_part_bytes(const struct checkpoint_layout *l, const struct checkpoint_item *item, int part);
/* model.safetensors.index.json; NULL where there is one file. json_decref() it. */
json_t *checkpoint_index(const struct checkpoint_layout *l);

#endif
