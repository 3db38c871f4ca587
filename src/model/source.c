#include "model/source.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "pack/pack.h"

enum { CHUNK = 1024 }; /* numbers on the stack: a multiple of every block */

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* A run of elements within one row. */
struct run {
    const struct source_part *part;
    int64_t row, column, count;     /* row of the part, as GGUF orders them */
};

/* The longest run from element `first` on. */
static struct run run_at(const struct tensor_source *s, int64_t first, int64_t count)
{
    int64_t row = first / s->columns, column = first % s->columns;
    return (struct run){.part = &s->parts[row / s->rows], .row = row % s->rows, .column = column,
                        .count = smaller(count, s->columns - column)};
}

static int64_t turned(const struct tensor_source *s, int64_t row)
{
    int64_t n = s->head_rows;
    if (n == 0)
        return row;
    int64_t k = row % n;
    return row - k + k % 2 * (n / 2) + k / 2;
}

const struct source_part *source_place(const struct tensor_source *s, int64_t element, int64_t *row,
                                       int64_t *column)
{
    struct run r = run_at(s, element, 1);
    *row = turned(s, r.row);
    *column = r.column;
    return r.part;
}

/* ------------------------------------------------------------------- numbers */

static bool is_aligned(const void *p, const struct dtype *d)
{
    return (uintptr_t)p % d->bytes == 0;
}

/* `n` stored elements in a row. GGUF's own decoder is the faster one, but wants its numbers aligned. */
static void decode(const struct tensor_source *s, const unsigned char *stored, float *x, int64_t n)
{
    if (s->dtype->gguf == (int)s->type->id && is_aligned(stored, s->dtype))
        s->type->decode(stored, x, n);
    else
        s->dtype->decode(stored, x, n);
}

static const unsigned char *stored_at(const struct tensor_source *s, const struct source_part *p, int64_t row,
                                      int64_t column)
{
    return p->data + (turned(s, row) * s->row_stride + column * s->column_stride) * s->dtype->bytes;
}

static void scale_run(const struct tensor_source *s, const struct run *r, float *x)
{
    int64_t of_row = turned(s, r->row) / s->block_rows * s->scale_columns;
    for (int64_t i = 0; i < r->count;) {
        int64_t block = (r->column + i) / s->block_columns;
        int64_t end = smaller(r->count, (block + 1) * s->block_columns - r->column);
        float scale;
        s->scale_dtype->decode(r->part->scales + (of_row + block) * s->scale_dtype->bytes, &scale, 1);
        for (; i < end; i++)
            x[i] *= scale;
    }
}

static void finish_run(const struct tensor_source *s, const struct run *r, float *x)
{
    if (r->part->scales)
        scale_run(s, r, x);
    for (int64_t i = 0; s->add != 0 && i < r->count; i++)
        x[i] += s->add;
}

static void read_rows(const struct tensor_source *s, int64_t first, int64_t count, float *x)
{
    while (count > 0) {
        struct run r = run_at(s, first, count);
        decode(s, stored_at(s, r.part, r.row, r.column), x, r.count);
        finish_run(s, &r, x);
        first += r.count;
        count -= r.count;
        x += r.count;
    }
}

/* The parts follow one another without gaps? */
static bool is_whole(const struct tensor_source *s)
{
    int64_t bytes = s->rows * s->columns * s->dtype->bytes;
    for (int i = 0; i < s->part_count; i++)
        if (s->parts[i].data != s->parts[0].data + i * bytes || s->parts[i].scales || !s->parts[i].path)
            return false;
    return true;
}

const unsigned char *source_direct(const struct tensor_source *s)
{
    if (s->mxfp4 || s->packed || s->dtype->gguf != (int)s->type->id || s->add != 0 || s->head_rows ||
        s->column_stride != 1 || s->row_stride != s->columns || !is_aligned(s->parts[0].data, s->dtype) ||
        !is_whole(s))
        return NULL;
    return s->parts[0].data;
}

/* ----------------------------------------------------------- stored transposed */

/* Element c of `n` neighbouring rows, which stand near each other: decoded together. to[i * columns] is row
 * i's. */
static void read_across(const struct tensor_source *s, const struct run *r, int64_t n, int64_t column,
                        float *to)
{
    float near[CHUNK];
    int64_t most = CHUNK / s->row_stride;
    for (int64_t i = 0; i < n; i += most) {
        int64_t rows = smaller(most, n - i);
        decode(s, stored_at(s, r->part, r->row + i, column), near, (rows - 1) * s->row_stride + 1);
        for (int64_t k = 0; k < rows; k++)
            to[(i + k) * s->columns] = near[k * s->row_stride];
    }
}

/* Whole rows of one part at once where they are whole, so that the stored tensor is read along its own rows.
 */
static void read_transposed(const struct tensor_source *s, int64_t first, int64_t count, float *x)
{
    while (count > 0) {
        struct run r = run_at(s, first, count);
        int64_t rows = r.count < s->columns ? 1 : smaller(count / s->columns, s->rows - r.row);
        for (int64_t c = 0; c < r.count; c++)
            read_across(s, &r, rows, r.column + c, x + c);
        first += rows * r.count;
        count -= rows * r.count;
        x += rows * r.count;
    }
}

/* --------------------------------------------------------------------- MXFP4 */

enum { MX_BLOCK = 32, MX_HALF = MX_BLOCK / 2 };

/* As ggml lays it out: ggml-common.h, block_mxfp4. */
struct mx_block {
    uint8_t scale;             /* exponent of 2, bias 127 */
    uint8_t pairs[MX_HALF];    /* element i below, element i + 16 above */
};

static uint8_t nibble(const uint8_t *stored, int i)
{
    return stored[i / 2] >> i % 2 * 4 & 15;
}

static void repack(const struct tensor_source *s, int64_t first, int64_t count, struct mx_block *to)
{
    for (int64_t done = 0; done < count; done += MX_BLOCK, to++) {
        struct run r = run_at(s, first + done, MX_BLOCK);
        int64_t block = (r.row * s->row_stride + r.column) / MX_BLOCK;
        const uint8_t *stored = r.part->data + block * MX_HALF;
        to->scale = r.part->scales[block];
        for (int i = 0; i < MX_HALF; i++)
            to->pairs[i] = nibble(stored, i) | nibble(stored, i + MX_HALF) << 4;
    }
}

static void read_mxfp4(const struct tensor_source *s, int64_t first, int64_t count, float *x)
{
    struct mx_block blocks[CHUNK / MX_BLOCK];
    for (int64_t i = 0; i < count; i += CHUNK) {
        int64_t n = smaller(CHUNK, count - i);
        repack(s, first + i, n, blocks);
        s->type->decode(blocks, x + i, n);
    }
}

/* ------------------------------------------------------------------- packed */

static void decode_rows(const struct source_part *p, int64_t row, int64_t n, float *x)
{
    p->packed->scheme->format->decode(p->packed, p->first_row + row, n, x);
}

/* A piece of a row: decoded whole. */
static void read_piece(const struct tensor_source *s, const struct run *r, float *x)
{
    float *row = xmalloc(s->columns * sizeof *row);
    decode_rows(r->part, turned(s, r->row), 1, row);
    memcpy(x, row + r->column, r->count * sizeof *x);
    free(row);
}

/* Whole rows together where they are stored in their order. */
static void read_packed(const struct tensor_source *s, int64_t first, int64_t count, float *x)
{
    while (count > 0) {
        struct run r = run_at(s, first, count);
        int64_t rows = s->head_rows || r.count < s->columns ? 1 : smaller(count / s->columns, s->rows - r.row);
        if (r.count < s->columns)
            read_piece(s, &r, x);
        else
            decode_rows(r.part, turned(s, r.row), rows, x);
        first += rows * r.count;
        count -= rows * r.count;
        x += rows * r.count;
    }
}

/* ------------------------------------------------------------------- reading */

void source_read(const struct tensor_source *s, int64_t first, int64_t count, float *x)
{
    if (s->mxfp4)
        read_mxfp4(s, first, count, x);
    else if (s->packed)
        read_packed(s, first, count, x);
    else if (s->column_stride != 1)
        read_transposed(s, first, count, x);
    else
        read_rows(s, first, count, x);
}

void source_blocks(const struct tensor_source *s, int64_t first, int64_t count, void *blocks)
{
    float x[CHUNK];
    if (s->mxfp4) {
        repack(s, first, count, blocks);
        return;
    }
    for (int64_t i = 0; i < count; i += CHUNK) {
        int64_t n = smaller(CHUNK, count - i);
        source_read(s, first + i, n, x);
        s->type->encode(x, NULL, (unsigned char *)blocks + quant_bytes(s->type, i), n);
    }
}

/* ---------------------------------------------------------------- memory hints */

static int64_t row_bytes(const struct tensor_source *s)
{
    return s->mxfp4 ? s->row_stride / 2 : s->row_stride * s->dtype->bytes;
}

/* Rows that end within the range, by whole heads where heads are turned: the rows of one are spread over it.
 */
static void advise(const struct tensor_source *s, int64_t first, int64_t count,
                   void (*hint)(const void *, size_t))
{
    int64_t unit = s->head_rows ? s->head_rows : 1;
    int64_t from = first / s->columns / unit * unit, to = (first + count) / s->columns / unit * unit;
    while (from < to) {
        const struct source_part *p = &s->parts[from / s->rows];
        int64_t row = from % s->rows, n = smaller(to - from, s->rows - row);
        if (p->path)
            hint(p->data + row * row_bytes(s), n * row_bytes(s));
        from += n;
    }
}

/* A transposed part is read all over for each slice, and so are packed ones: the system sees to it. */
static bool is_read_once(const struct tensor_source *s)
{
    return s->mxfp4 || (!s->packed && s->column_stride == 1);
}

void source_ahead(const struct tensor_source *s, int64_t first, int64_t count)
{
    if (is_read_once(s))
        advise(s, first, count, file_map_ahead);
}

void source_forget(const struct tensor_source *s, int64_t first, int64_t count)
{
    if (is_read_once(s))
        advise(s, first, count, file_map_forget);
}
