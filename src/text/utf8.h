/* UTF-8 as tokenizers meet it: any bytes come in, well-formed text goes on.
 *
 * Decoding is as lenient as llama.cpp's: a lead byte with its continuation bytes gives the code point that the bits
 * say, overlong forms and surrogates included; every other byte becomes U+FFFD. (llama.cpp ends with an exception
 * on code points past U+10FFFF; here their bytes become U+FFFD too.) */
#ifndef TEXT_UTF8_H
#define TEXT_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum { UTF8_INVALID = 0xFFFD };

/* The code point at text[*at]; moves *at past it. *at < length. */
uint32_t utf8_next(const char *text, size_t length, size_t *at);
/* Writes a code point up to U+10FFFF; returns its bytes, 1 to 4. */
int utf8_put(char out[static 4], uint32_t c);
/* Bytes that a first byte announces, 1 for continuation bytes. */
int utf8_announced(unsigned char first);
/* Unicode's White_Space. */
bool utf8_is_space(uint32_t c);
/* Appends the text re-encoded, code point by code point. */
void utf8_clean(struct str *out, const char *text, size_t length);

/* Of rows that begin with these two, in ascending order, the one that c lies in; NULL: none. */
struct utf8_range { uint32_t first, last; };
const void *utf8_range_of(uint32_t c, const void *rows, size_t count, size_t row_size);

#endif
