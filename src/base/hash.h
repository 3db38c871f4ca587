/* SHA-256 and SHA-1 (nettle), in hexadecimal; and base64. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum { HASH_TEXT = 65 };
char *hash_bytes(char out[static HASH_TEXT], const void *data, size_t size);
/* Of a whole file of any size, and its size. Stops at an interrupt. */
int hash_file(char out[static HASH_TEXT], const char *path, uint64_t *bytes, struct error *e);

/* The same of files that many ask for: each is read once, unless it has changed. Zero it to start. */
struct hash_memo { struct hash_known *items; int count, capacity; };
int hash_memo_file(struct hash_memo *m, char out[static HASH_TEXT], const char *path, uint64_t *bytes, struct error *e);
void hash_memo_done(struct hash_memo *m);

/* In pieces, for what comes in over a wire. */
enum hash_kind { HASH_SHA256, HASH_SHA1 };
struct hash_stream;
struct hash_stream *hash_stream_new(enum hash_kind kind);
void hash_stream_add(struct hash_stream *h, const void *data, size_t size);
/* Writes the text (SHA-1 has 40 digits) and frees; `out` NULL only frees. */
char *hash_stream_finish(struct hash_stream *h, char *out);

/* Bytes written to `out`, which has room for `length`; 0 where the text is not base64. */
size_t base64_bytes(void *out, const char *text, size_t length);

#endif
