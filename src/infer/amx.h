/* Matrix tiles of Intel processors (AMX), for files that are compiled for them. */
#ifndef INFER_AMX_H
#define INFER_AMX_H

#include <immintrin.h>
#include <stdint.h>

/* Eight tiles of 16 rows of 64 bytes. */
static inline void amx_configure(void)
{
    struct {
        uint8_t palette, start_row, reserved[14];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } c = {.palette = 1};
    for (int i = 0; i < 8; i++) {
        c.row_bytes[i] = 64;
        c.rows[i] = 16;
    }
    __asm__ volatile("" : "+m"(c));
    _tile_loadconfig(&c);
}

/* The intrinsics of GCC do not tell the compiler that they touch memory. */
static inline void amx_settle(void)
{
    __asm__ volatile("" ::: "memory");
}

#endif
