/* SHA-256 (nettle), in hexadecimal. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>

enum { HASH_TEXT = 65 };
char *hash_bytes(char out[static HASH_TEXT], const void *data, size_t size);

#endif
