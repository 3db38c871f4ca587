/* Where a model comes from, whatever a person calls it: a path, "hf:ORG/NAME" on the hub, "ollama:NAME[:TAG]"
 * and "lmstudio:PUBLISHER/REPOSITORY/FILE" in the stores of other programs. */
#ifndef HUB_SOURCE_H
#define HUB_SOURCE_H

#include <stdbool.h>

#include "base/error.h"
#include "base/watch.h"

/* Does the name stand for something that is not simply a path? */
bool source_is_named(const char *given);

/* The path to open: a file (the first of its shards) or a checkpoint's folder. Fetches what is on the hub and
 * not yet in the cache. A repository that holds several GGUF models and no checkpoint is refused with the
 * list of them (ERROR_USAGE): one has to be named. free() *path. */
int source_resolve(const char *given, char **path, struct watch *w, struct error *e);
/* The same for who needs no weights: of a model on the hub that is not in the cache only headers are fetched,
 * and *stand_in says so (open it with MODEL_HEADER_ONLY and MODEL_WITHOUT_DATA). */
int source_resolve_headers(const char *given, char **path, bool *stand_in, struct watch *w, struct error *e);

#endif
