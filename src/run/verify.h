/* Reading a written file back. */
#ifndef RUN_VERIFY_H
#define RUN_VERIFY_H

#include "run/layout.h"

/* The hash (slices.h) of each tensor as the file holds it where the layout puts it; skip[i] leaves hashes[i] as it
 * was. A tensor that lies beyond the end of the file gets the hash "". */
int verify_hashes(const struct layout *l, const char *path, const bool *skip, char (*hashes)[HASH_TEXT],
                  struct watch *w, struct error *e);

/* The file is what the layout and the hashes say: it opens as a model, has each tensor with its name, type and shape
 * in its place, every byte as it was made, and every number in it is finite. */
int verify_file(const struct layout *l, const char *path, char (*const hashes)[HASH_TEXT], struct watch *w,
                struct error *e);

#endif
