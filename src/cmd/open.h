/* MODEL on the command line: a path, or a name that source_resolve() knows. */
#ifndef CMD_OPEN_H
#define CMD_OPEN_H

#include "model/model.h"

/* model_open() on what `given` stands for; fetches it first where it lies on the hub, with the progress on stderr. */
int open_model(struct model **out, const char *given, int flags, struct error *e);

#endif
