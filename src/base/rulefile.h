/* rules/NAME.yaml: the user's own ($XDG_CONFIG_HOME/quantwiz/rules/), else the one compiled in.
 * QUANTWIZ_RULES names another folder to look in first. What a file means is its reader's business. */
#ifndef BASE_RULEFILE_H
#define BASE_RULEFILE_H

#include "base/schema.h"
#include "base/yaml.h"

/* `name` without folder and suffix: "gpus". */
int rulefile_load(struct yaml **out, const char *name, struct arena *a, struct error *e);
/* The same, of this version of `schema:`, and checked by the table. */
int rulefile_load_checked(struct yaml **out, const char *name, const struct schema_field *fields, struct arena *a,
                          struct error *e);
/* The names of all rule files, NULL-terminated. */
const char *const *rulefile_names(void);

#endif
