#include "pack/bits.h"

#include <string.h>

enum { RUN = 32 };      /* numbers that fill whole words, whatever their bits */

static int smaller(int64_t a, int64_t b)
{
    return (int)(a < b ? a : b);
}

/* The word that number i of a run begins in; what it has beyond that word's end lies in the next one. */
static void put_number(uint32_t *words, int i, int bits, uint8_t value)
{
    int at = i * bits, shift = at % 32;
    words[at / 32] |= (uint32_t)value << shift;
    if (shift + bits > 32)
        words[at / 32 + 1] |= (uint32_t)value >> (32 - shift);
}

static uint8_t get_number(const uint32_t *words, int i, int bits)
{
    int at = i * bits, shift = at % 32;
    uint32_t value = words[at / 32] >> shift;
    if (shift + bits > 32)
        value |= words[at / 32 + 1] << (32 - shift);
    return value & ((1u << bits) - 1);
}

void bits_put(const struct bit_stream *s, int64_t first, int64_t n, const uint8_t *from, int64_t step)
{
    unsigned char *to = s->words + first / RUN * s->bits * s->stride;
    for (int64_t done = 0; done < n; done += RUN) {
        int count = smaller(RUN, n - done), used = (int)bits_words(count, s->bits);
        uint32_t words[8] = {0};
        for (int i = 0; i < count; i++)
            put_number(words, i, s->bits, from[(done + i) * step]);
        for (int i = 0; i < used; i++, to += s->stride)
            memcpy(to, &words[i], sizeof words[i]);
    }
}

void bits_get(const struct bit_stream *s, int64_t first, int64_t n, uint8_t *to, int64_t step)
{
    const unsigned char *at = s->words + first / RUN * s->bits * s->stride;
    for (int64_t done = 0; done < n; done += RUN) {
        int count = smaller(RUN, n - done), used = (int)bits_words(count, s->bits);
        uint32_t words[8] = {0};
        for (int i = 0; i < used; i++, at += s->stride)
            memcpy(&words[i], at, sizeof words[i]);
        for (int i = 0; i < count; i++)
            to[(done + i) * step] = get_number(words, i, s->bits);
    }
}
