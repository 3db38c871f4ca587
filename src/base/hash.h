/* SHA-256 (nettle), in hexadecimal. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum { HASH_TEXT = 65 };
char *hash_bytes(char out[static HASH_TEXT], const void *data, size_t size);
/* Of a whole file of any size, and its size. Stops at an interrupt. */
int hash_file(char out[static HASH_TEXT], const char *path, uint64_t *bytes, struct error *e);

#endif
