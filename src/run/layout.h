/* The output file, fixed before a byte of it is written: header, where each tensor lies, and what tells it from the
 * output of other inputs. */
#ifndef RUN_LAYOUT_H
#define RUN_LAYOUT_H

#include <stdint.h>

#include "base/hash.h"
#include "plan/recipe.h"
#include "run/slices.h"

struct layout {
    const struct model *model;
    const struct recipe *recipe;
    struct gguf_writer *writer;
    const void *header;              /* metadata and tensor table */
    uint64_t header_bytes, bytes;    /* of the header, and of the whole file */
    int count;
    struct slice_tensor *slices;     /* [count]: how the tensors are cut; none skipped */
    char fingerprint[HASH_TEXT];     /* of the source files, the header and this program's version */
};
/* Metadata as the source's, but for what quantizing changes: general.file_type, general.quantization_version, and the
 * split.* keys of a source in shards. Tensors in the source's order. Borrows model and recipe. */
void layout_make(struct layout *l, const struct model *m, const struct recipe *r);
void layout_done(struct layout *l);
/* Byte offset of a tensor in the file. */
uint64_t layout_offset(const struct layout *l, int tensor);

#endif
