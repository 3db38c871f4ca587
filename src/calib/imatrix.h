/* Importance: for every column of a weight, the mean square of the inputs that it meets. The search for a block's
 * scale weighs errors by it. File layouts: llama.cpp's tools/imatrix; its GGUF form is read and written, its older
 * binary form is read.
 *
 *     GGUF: general.type "imatrix", imatrix.datasets [texts], imatrix.chunk_count, imatrix.chunk_size, and for each
 *     weight NAME.in_sum2 F32 [columns, matrices] and NAME.counts F32 [1, matrices]
 *     old: int32 entries; each int32 length, name, int32 calls, int32 values, float values[]; int32 chunks,
 *     int32 length, name of the text. A value is a mean square times `calls`. */
#ifndef CALIB_IMATRIX_H
#define CALIB_IMATRIX_H

#include <stdint.h>

#include "base/error.h"
#include "base/watch.h"
#include "model/model.h"
#include "text/chunks.h"

struct imatrix_entry {
    char *name;        /* of the weight */
    int64_t columns;
    int matrices;      /* experts; 1 elsewhere */
    float *sums;       /* [matrices][columns]: of squares */
    float *counts;     /* [matrices]: inputs that were summed */
};

struct imatrix {
    struct imatrix_entry *entries;
    int count, capacity;
    char **texts;      /* names of the files that it was made of */
    int text_count, text_capacity;
    int64_t chunks;
    int chunk_length;
};

/* Free with imatrix_done whatever is returned, here and below. */
int imatrix_read(struct imatrix *m, const char *path, struct error *e);
/* The same from bytes in memory; `name` is what errors call them. */
int imatrix_parse(struct imatrix *m, const void *bytes, uint64_t size, const char *name, struct error *e);
int imatrix_write(const struct imatrix *m, const char *path, struct error *e);
/* Adds the sums and counts of `other`, as if both had been collected in one go. */
int imatrix_merge(struct imatrix *m, const struct imatrix *other, struct error *e);
void imatrix_done(struct imatrix *m);

const struct imatrix_entry *imatrix_find(const struct imatrix *m, const char *name);
/* The share of an entry's matrices that any input reached: below 1 for experts that the text never woke. */
double imatrix_coverage(const struct imatrix_entry *entry);
/* Mean squares of one matrix into out[columns], or false where no input reached it. */
bool imatrix_means(const struct imatrix_entry *entry, int matrix, float *out);

/* Runs the text through the model. `text` is the name to record. */
int imatrix_collect(struct imatrix *m, const struct model *model, const struct chunks *c, const char *text,
                    struct watch *w, struct error *e);

#endif
