/* MODEL on the command line: a path, or a name that source_resolve() knows. */
#ifndef CMD_OPEN_H
#define CMD_OPEN_H

#include "model/model.h"

/* The path of what `given` stands for, fetched where it lies on the hub, with the progress on stderr; free() it. */
int fetch_model(char **path, const char *given, struct error *e);
/* model_open() on what `given` stands for. */
int open_model(struct model **out, const char *given, int flags, struct error *e);
/* For who needs no weights: of a model on the hub that is not in the cache only headers are fetched. */
int open_header(struct model **out, const char *given, int flags, struct error *e);

#endif
