/* Plain numbers: F32, F16 and BF16, an element a block. `weight` has no say: values go to their nearest. */
#include "quant/kernel.h"

static void f32_decode(const void *blocks, float *restrict x, int64_t n)
{
    memcpy(x, blocks, n * sizeof *x);
}

static void f32_encode(const float *x, const float *weight, void *blocks, int64_t n)
{
    (void)weight;
    memcpy(blocks, x, n * sizeof *x);
}

static void f16_decode(const void *blocks, float *restrict x, int64_t n)
{
    const uint16_t *h = blocks;
    int64_t i = 0;
#ifdef __F16C__ /* a loop over the conversion of one is not vectorized */
    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(x + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(h + i))));
#endif
    for (; i < n; i++)
        x[i] = half_to_float(h[i]);
}

static void f16_encode(const float *x, const float *weight, void *blocks, int64_t n)
{
    (void)weight;
    uint16_t *h = blocks;
    int64_t i = 0;
#ifdef __F16C__
    for (; i + 8 <= n; i += 8)
        _mm_storeu_si128((__m128i *)(h + i), _mm256_cvtps_ph(_mm256_loadu_ps(x + i), _MM_FROUND_TO_NEAREST_INT));
#endif
    for (; i < n; i++)
        h[i] = half_from_float(x[i]);
}

static void bf16_decode(const void *blocks, float *restrict x, int64_t n)
{
    const uint16_t *h = blocks;
    for (int64_t i = 0; i < n; i++)
        x[i] = bf16_to_float(h[i]);
}

static void bf16_encode(const float *x, const float *weight, void *blocks, int64_t n)
{
    (void)weight;
    uint16_t *h = blocks;
    for (int64_t i = 0; i < n; i++)
        h[i] = bf16_from_float(x[i]);
}

const struct quant_type KERNEL(f32) = {
    .id = QUANT_F32,
    .name = "F32",
    .block = 1,
    .block_bytes = sizeof(float),
    .decode = f32_decode,
    .encode = f32_encode,
};

const struct quant_type KERNEL(f16) = {
    .id = QUANT_F16,
    .name = "F16",
    .block = 1,
    .block_bytes = sizeof(uint16_t),
    .decode = f16_decode,
    .encode = f16_encode,
};

const struct quant_type KERNEL(bf16) = {
    .id = QUANT_BF16,
    .name = "BF16",
    .block = 1,
    .block_bytes = sizeof(uint16_t),
    .decode = bf16_decode,
    .encode = bf16_encode,
};
