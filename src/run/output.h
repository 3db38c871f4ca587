/* The files of an output while they are being written: one, or a shard each. They get their names together,
 * the first shard last, so that who finds it finds all of them. */
#ifndef RUN_OUTPUT_H
#define RUN_OUTPUT_H

#include "base/file.h"
#include "run/layout.h"

struct output {
    const struct layout *layout;
    struct file_out *files; /* [count] */
    int count;
};
/* `resume`: keep what the parts already hold. */
int output_open(struct output *o, const struct layout *l, const char *out, bool resume, struct error *e);
int output_clear(struct output *o, struct error *e);
/* Reserves the space, and writes the headers. */
int output_begin(struct output *o, struct error *e);
/* A piece of a tensor's data, `at` bytes from its beginning. From any thread. */
int output_write(struct output *o, int tensor, uint64_t at, const void *data, size_t size, struct error *e);
int output_sync(struct output *o, struct error *e);
/* Closes whatever happens; on failure what has no name yet stays as parts. */
int output_commit(struct output *o, struct error *e);
void output_abandon(struct output *o, bool keep);
/* Does any part hold a byte? */
bool output_begun(const struct output *o);

#endif
