/* Names of what lies on the Hugging Face hub: "hf:ORG/NAME", "hf:ORG/NAME@REVISION", "hf:ORG/NAME:FILE". */
#ifndef HUB_REFERENCE_H
#define HUB_REFERENCE_H

#include <stdbool.h>

#include "base/error.h"

struct reference {
    char *repository; /* "org/name"; the oldest have no "org/" */
    char *revision;   /* branch, tag or commit; "main" where none was named */
    char *file;       /* a file's name or path, or a level ("Q4_K_M"); NULL: the repository as a whole */
};
bool reference_is(const char *given);
int reference_parse(struct reference *r, const char *given, struct error *e);
void reference_done(struct reference *r);

/* Could it be the name of a repository? */
bool reference_repository_valid(const char *name);
/* Is it a path below a folder that cannot lead out of it, and be shown? What a server names must be one. */
bool reference_path_safe(const char *path);

#endif
