/* SentencePiece's table of what becomes what before a text is cut (NFKC and more):
 * tokenizer.ggml.precompiled_charsmap. Layout: the trie's size in bytes (u32), the trie, and the
 * replacements, each of which ends with a zero byte. The trie is a double array
 * (https://github.com/s-yata/darts-clone): units of 32 bits, whose fields are described in the .c file. */
#ifndef TEXT_CHARSMAP_H
#define TEXT_CHARSMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct charsmap { /* borrows; without units it replaces nothing */
    const unsigned char *units; /* 4 bytes each, little endian */
    size_t unit_count;
    const char *texts;
    size_t texts_size; /* the last byte is zero */
};
/* False where the bytes cannot be such a table. */
bool charsmap_init(struct charsmap *m, const void *bytes, size_t size);
/* What the beginning of the text becomes, and how many bytes of it do; NULL: nothing there is replaced. Of
 * several beginnings the longest, or the shortest. */
const char *charsmap_longest(const struct charsmap *m, const char *text, size_t length, size_t *used);
const char *charsmap_shortest(const struct charsmap *m, const char *text, size_t length, size_t *used);

#endif
