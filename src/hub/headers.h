/* What a model is, without its weights: only the beginnings of its files are fetched, a few MiB, and put into
 * files as long as the real ones but empty beyond (they take no disk space). Estimates need no more. They lie
 * in a cache of our own, since no other program could use them. */
#ifndef HUB_HEADERS_H
#define HUB_HEADERS_H

#include "hub/repository.h"

/* A folder with these files of the repository; small files are whole (and in the Hugging Face cache). Open
 * the model with MODEL_HEADER_ONLY and MODEL_WITHOUT_DATA. free() *folder. */
int headers_fetch(struct hub *h, struct repository *r, const struct reference *ref, const char *const *names,
                  int count, char **folder, struct error *e);

#endif
