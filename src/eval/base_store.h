/* What the base made of a text and of questions, kept in a folder for the next model that is measured beside it: of
 * several models the base is evaluated once.
 *
 * Of each scored position are kept the numbers that the output weight is multiplied by, not the logits: these come out
 * of them to the last bit as before, for a small part of a pass's time, and a row is as wide as the model and not as
 * its vocabulary (SmolLM2: 2.3 KB instead of 192 KB). Files:
 *
 *     base-KEY.hidden   chunk after chunk, [scored][embd] floats; KEY: base, arithmetic, text, context
 *     base-KEY.json     answers and speeds by question; KEY: base, arithmetic
 *
 * A store never fails an evaluation: what cannot be kept is computed again. */
#ifndef EVAL_BASE_STORE_H
#define EVAL_BASE_STORE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "infer/decoder.h"
#include "model/model.h"

enum { BASE_STORE_BYTES = 1 << 30 }; /* of hidden rows at most; later chunks are not kept */

struct base_store;
/* `as_gguf`, `activations`: as in decoder_options. */
int base_store_open(struct base_store **out, const char *folder, const struct model *base, bool as_gguf,
                    enum activations activations, struct error *e);
/* Writes what is new; all of these take NULL for no store. */
void base_store_close(struct base_store *s);

/* The text whose chunks follow, and the floats that are kept of each. */
void base_store_begin(struct base_store *s, const int32_t *tokens, size_t count, int context, int64_t floats);
/* False: it was not kept. */
bool base_store_recall(struct base_store *s, int chunk, float *rows);
void base_store_keep(struct base_store *s, int chunk, const float *rows);

/* What was answered to a question; NULL: it was not asked. */
const json_t *base_store_answer(const struct base_store *s, const char *question);
/* Takes the reference. */
void base_store_add(struct base_store *s, const char *question, json_t *answer);
/* An answer that is a number; NaN: none. */
double base_store_number(const struct base_store *s, const char *question);

/* Removes a store's files, and the folder where nothing else is in it. */
void base_store_remove(const char *folder);

#endif
