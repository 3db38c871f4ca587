#include "report/type_summary.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct type_row {
    const char *type, *worst;       /* worst: the tensor with the largest error */
    int tensors, measured;
    double bytes, error_sum, error_most;
};
struct type_rows { struct type_row *rows; int count, capacity; };

static struct type_row *row_of(struct type_rows *r, const char *type)
{
    for (int i = 0; i < r->count; i++)
        if (strcmp(r->rows[i].type, type) == 0)
            return &r->rows[i];
    struct type_row *row = &array_push(r->rows, r->count, r->capacity);
    *row = (struct type_row){.type = type, .error_most = NAN};
    return row;
}

static void add_tensor(struct type_rows *r, const struct run_tensor *t)
{
    struct type_row *row = row_of(r, t->to ? t->to : "?");
    row->tensors++;
    row->bytes += t->bytes;
    if (isnan(t->rmse))
        return;
    row->measured++;
    row->error_sum += t->rmse;
    if (!(t->rmse <= row->error_most)) {
        row->error_most = t->rmse;
        row->worst = t->name;
    }
}

static int compare_bytes(const void *a, const void *b)
{
    const struct type_row *x = a, *y = b;
    return x->bytes != y->bytes ? (x->bytes < y->bytes ? 1 : -1) : strcmp(x->type, y->type);
}

enum { TYPE, TENSORS, BYTES, MEAN, MOST, WORST };

static struct document_cell type_cell(void *user, int row, int column)
{
    const struct type_row *r = &((const struct type_rows *)user)->rows[row];
    const double numbers[] = {
        [TENSORS] = r->tensors,
        [BYTES] = r->bytes,
        [MEAN] = r->measured ? r->error_sum / r->measured : NAN,
        [MOST] = r->error_most,
        [WORST] = NAN,
    };
    /* A type that nothing was rounded to has no worst tensor. */
    const char *worst = r->error_most > 0 ? r->worst : NULL;
    return (struct document_cell){.text = column == TYPE ? r->type : worst, .number = numbers[column]};
}

void type_summary_add(struct document *d, const struct run_state *s)
{
    static const struct document_column columns[] = {
        [TYPE] = {"type", "Type"},
        [TENSORS] = {"tensors", "Tensors", "%.0f"},
        [BYTES] = {"bytes", "Bytes", "%.0f"},
        [MEAN] = {"rmse_mean", "Error, mean", "%.4f"},
        [MOST] = {"rmse_most", "Error, most", "%.4f"},
        [WORST] = {"worst", "in"},
    };
    struct type_rows rows = {0};
    for (int i = 0; i < s->tensor_count; i++)
        if (s->tensors[i].done)
            add_tensor(&rows, &s->tensors[i]);
    if (rows.count)
        qsort(rows.rows, rows.count, sizeof *rows.rows, compare_bytes);
    document_table(d, "types", "Types of the tensors (error: RMS of the rounding over RMS of the tensor)", columns,
                   ARRAY_LENGTH(columns), rows.count, type_cell, &rows);
    free(rows.rows);
}
