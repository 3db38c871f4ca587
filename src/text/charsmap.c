#include "text/charsmap.h"

#include <string.h>

/* A unit of the double array: a node, reached from its parent by one byte.
 *
 *     bit 31       22 21             10 9  8 7        0
 *         ┌─┬────────────────────────┬─┬─┬──────────┐
 *         │ │         offset         │x│l│  label   │   l: a key ends here, its value is in the unit at the children's
 *         └─┴────────────────────────┴─┴─┴──────────┘   place; x: the offset counts in steps of 256
 *
 * Children lie at (place XOR offset) XOR byte; a child is there where its label, bit 31 included, is the byte. */

static uint32_t unit_at(const struct charsmap *m, size_t place)
{
    uint32_t unit = UINT32_C(1) << 31; /* past the end: no label, no leaf */
    if (place < m->unit_count)
        memcpy(&unit, m->units + 4 * place, sizeof unit);
    return unit;
}

static size_t children(uint32_t unit, size_t place)
{
    return place ^ ((size_t)(unit >> 10) << ((unit & 1u << 9) >> 6));
}

bool charsmap_init(struct charsmap *m, const void *bytes, size_t size)
{
    uint32_t trie_size;
    *m = (struct charsmap){0};
    if (size < sizeof trie_size)
        return false;
    memcpy(&trie_size, bytes, sizeof trie_size);
    if (trie_size == 0 || trie_size % 4 || trie_size > size - sizeof trie_size)
        return false;
    const unsigned char *trie = (const unsigned char *)bytes + sizeof trie_size;
    size_t texts_size = size - sizeof trie_size - trie_size;
    if (texts_size == 0 || trie[trie_size + texts_size - 1] != 0)
        return false;
    *m = (struct charsmap){trie, trie_size / 4, (const char *)trie + trie_size, texts_size};
    return true;
}

static const char *replacement(const struct charsmap *m, const char *text, size_t length, bool longest, size_t *used)
{
    const char *found = NULL;
    uint32_t unit = unit_at(m, 0);
    size_t place = children(unit, 0);
    for (size_t i = 0; m->unit_count && i < length && (longest || !found); i++) {
        unsigned char byte = (unsigned char)text[i];
        unit = unit_at(m, place ^ byte);
        if ((unit & (1u << 31 | 0xFF)) != byte)
            break;
        place = children(unit, place ^ byte);
        uint32_t value = unit >> 8 & 1 ? unit_at(m, place) & ~(1u << 31) : UINT32_MAX;
        if (value < m->texts_size) {
            found = m->texts + value;
            *used = i + 1;
        }
    }
    return found;
}

const char *charsmap_longest(const struct charsmap *m, const char *text, size_t length, size_t *used)
{
    return replacement(m, text, length, true, used);
}

const char *charsmap_shortest(const struct charsmap *m, const char *text, size_t length, size_t *used)
{
    return replacement(m, text, length, false, used);
}
