/* What was measured once and will be asked for again: a file of JSON lines in the cache, each on disk as soon as it is
 * known, so that work that was interrupted goes on where it stopped.
 *
 *     {"quantwiz": "findings", "key": HASH}
 *     {"kind": "probe", "name": "attn_q 0-7", "value": …}
 *
 * The key stands for all that the values depend on: a file with another one, or none that can be read, is begun anew.
 * What was not written whole is measured again. */
#ifndef EVAL_FINDINGS_H
#define EVAL_FINDINGS_H

#include "base/error.h"
#include "base/json.h"

struct findings;

/* `name` of the file in $XDG_CACHE_HOME/quantwiz. Where nothing can be written there, findings are kept in memory. Fails
 * only where another process is at it. Call findings_close whatever is returned. */
int findings_open(struct findings **out, const char *name, const char *key, struct error *e);
void findings_close(struct findings *f);
/* Borrowed; NULL: not known. */
const json_t *findings_get(const struct findings *f, const char *kind, const char *name);
/* Takes the value. */
void findings_put(struct findings *f, const char *kind, const char *name, json_t *value);

#endif
