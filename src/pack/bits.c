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

/* Where numbers do not cross words; `bits` is a constant at every call, so that no shift is computed. */
static inline __attribute__((always_inline)) void get_whole(const uint32_t *words, const int bits, uint8_t *to,
                                                            int64_t step)
{
    for (int i = 0; i < RUN; i++)
        to[i * step] = words[i * bits / 32] >> (i * bits % 32) & ((1u << bits) - 1);
}

static void get_run(const uint32_t *words, int bits, int count, uint8_t *to, int64_t step)
{
    if (count == RUN && bits == 4)
        get_whole(words, 4, to, step);
    else if (count == RUN && bits == 8)
        get_whole(words, 8, to, step);
    else
        for (int i = 0; i < count; i++)
            to[i * step] = get_number(words, i, bits);
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
        get_run(words, s->bits, count, to + done * step, step);
    }
}
