/* Files of a repository into the cache: gone on with where they were left, checked against the hash that
 * names them, then put in place at once. */
#ifndef HUB_DOWNLOAD_H
#define HUB_DOWNLOAD_H

#include "hub/repository.h"

/* Fetches what the cache lacks of these files, in order; names are of the repository's files. Checks the free
 * disk first. After an interrupt, and after a failure that may pass, the beginnings stay and the next call
 * goes on there. */
int download_files(struct hub *h, struct repository *r, const struct reference *ref, const char *const *names,
                   int count, struct error *e);

#endif
