/* Numbers of a few bits in 32-bit words, as GPTQ, AWQ and compressed-tensors pack them: one stream of bits, the
 * lowest first, so that 32 numbers of b bits fill b words exactly. A number of 3 bits may lie in two words.
 *
 *     number i: bits i * b to i * b + b - 1 of the stream, bit k of it in word k / 32
 *
 * The words of a stream stand `stride` bytes apart: GPTQ's run down the columns of a matrix. */
#ifndef PACK_BITS_H
#define PACK_BITS_H

#include <stdint.h>

struct bit_stream {
    unsigned char *words;   /* at any address */
    int64_t stride;
    int bits;
};

/* Words that n numbers take. */
static inline int64_t bits_words(int64_t n, int bits)
{
    return (n * bits + 31) / 32;
}

/* Numbers `first` to `first + n`, `first` a multiple of 32; the rest of a last word is filled with zeros. `step`: how
 * far apart the numbers stand in memory. */
void bits_put(const struct bit_stream *s, int64_t first, int64_t n, const uint8_t *from, int64_t step);
void bits_get(const struct bit_stream *s, int64_t first, int64_t n, uint8_t *to, int64_t step);

#endif
