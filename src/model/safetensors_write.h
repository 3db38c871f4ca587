/* The header of a safetensors file that is to be written: tensors are named first, then every offset is known, and data
 * may be written in any order. Layout: safetensors.h.
 *
 * Data is put in order of falling element size, then of names, as the reference writer does: so each tensor is aligned to
 * its elements, which readers that map the file rely on. */
#ifndef MODEL_SAFETENSORS_WRITE_H
#define MODEL_SAFETENSORS_WRITE_H

#include <stddef.h>
#include <stdint.h>

#include "model/safetensors.h"

struct safetensors_writer;
struct safetensors_writer *safetensors_writer_new(void);
void safetensors_writer_free(struct safetensors_writer *w);
/* Returns the tensor's index, in order of these calls. `name` and `dtype` are copied. */
int safetensors_writer_add(struct safetensors_writer *w, const char *name, const struct dtype *dtype, int dims,
                           const int64_t *shape);
/* After the last tensor was added. The header, which the writer keeps: its length, text and padding. */
const void *safetensors_writer_header(struct safetensors_writer *w, uint64_t *bytes);
/* Where a tensor's data begins in the file, and how long it is. */
uint64_t safetensors_writer_offset(struct safetensors_writer *w, int index);
uint64_t safetensors_writer_bytes(const struct safetensors_writer *w, int index);
/* Of the whole file. */
uint64_t safetensors_writer_size(struct safetensors_writer *w);

#endif
