/* Reading a written file back. */
#ifndef RUN_VERIFY_H
#define RUN_VERIFY_H

#include "run/layout.h"

/* The hash (slices.h) of each tensor as the files of the output `out` hold it where the layout puts it, under
 * their final names or as parts; skip[i] leaves hashes[i] as it was. A tensor that lies beyond the end of its
 * file, or in a file that is not there, gets the hash "". */
int verify_hashes(const struct layout *l, const char *out, bool parts, const bool *skip,
                  char (*hashes)[HASH_TEXT], struct watch *w, struct error *e);

/* The files are what the layout and the hashes say: they open as a model that has each tensor with its name,
 * type and shape in its place, every byte as it was made, and every number in it is finite. */
int verify_files(const struct layout *l, const char *out, bool parts, char (*const hashes)[HASH_TEXT],
                 struct watch *w, struct error *e);

#endif
