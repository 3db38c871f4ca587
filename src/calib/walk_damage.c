/* Weights that hold NaN or an infinity. Left alone they would spoil all that either stream computes from there on; so
 * both compute with 0 in their place, and nothing is made of them by feedback: an expert that holds one, or a matrix
 * without experts, is rounded to nearest. */
#include <stdlib.h>
#include <string.h>

#include "base/finite.h"
#include "base/mem.h"
#include "calib/walk.h"

bool walk_is_damaged(const struct walk *w, const struct tensor *t, int expert)
{
    for (int i = 0; i < w->damage_count; i++)
        if (w->damage[i].tensor == t && w->damage[i].expert == expert)
            return true;
    return false;
}

/* Rows of a tensor, without what is no number. Returns how many of them were none; x[rows][columns] may be NULL. */
static int64_t read_sound(const struct tensor *t, int64_t first, int64_t rows, float *x)
{
    int64_t columns = t->shape[0], dropped = 0;
#pragma omp parallel reduction(+ : dropped)
    {
        float *room = x ? NULL : xmalloc(columns * sizeof *room);
#pragma omp for schedule(dynamic, 16)
        for (int64_t r = 0; r < rows; r++) {
            float *row = x ? x + r * columns : room;
            tensor_read(t, (first + r) * columns, columns, row);
            dropped += drop_not_finite(row, columns);
        }
        free(room);
    }
    return dropped;
}

int64_t walk_read_sound(const struct walk *w, const struct tensor *t, int64_t first, int64_t rows, float *x)
{
    int64_t dropped = read_sound(&w->sound->tensors[t - w->fork->tensors], first, rows, x);
    const char *what = !walk_wants(w, t) ? "" : walk_experts(t) > 1 ? ", and its damaged experts are rounded to nearest"
                                                                   : ", and it is rounded to nearest";
    if (dropped)
        walk_note(w, "%s: %lld of %lld weights are NaN or infinite, and count as 0: the checkpoint is damaged%s", t->name,
                  (long long)dropped, (long long)tensor_elements(t), what);
    return dropped;
}

/* Notes the damaged experts of a tensor, or itself. */
static bool find_damage(struct walk *w, const struct tensor *t)
{
    const struct tensor *source = &w->sound->tensors[t - w->fork->tensors];
    int experts = walk_experts(t), before = w->damage_count;
    int64_t rows = tensor_elements(t) / t->shape[0] / experts;
    for (int e = 0; e < experts; e++)
        if (read_sound(source, e * rows, rows, NULL))
            array_push(w->damage, w->damage_count, w->damage_capacity) = (struct walk_part){t, e};
    return w->damage_count > before;
}

/* Both streams compute with floats in the tensor's place. */
static void mend(struct walk *w, int i)
{
    struct tensor *t = &w->sound->tensors[i];
    int64_t n = tensor_elements(t);
    float *x = xaligned(n * sizeof *x);
    walk_read_sound(w, &w->fork->tensors[i], 0, n / t->shape[0], x);
    t->type = quant_type(QUANT_F32);
    t->bytes = n * sizeof *x;
    t->data = (const unsigned char *)x;
    t->source = NULL;
    w->fork->tensors[i] = *t;
}

void walk_mend(struct walk *w, int step)
{
    for (int i = 0; i < w->fork->tensor_count; i++) {
        const struct tensor *t = &w->fork->tensors[i];
        bool matrix = t->dims > 1 && !t->bias && tensor_readable(t);
        if (matrix && walk_step_of(w, t) == step && step <= w->fork->hp.layers && find_damage(w, t))
            mend(w, i);
    }
}

void walk_forget_damage(struct walk *w)
{
    for (int i = 0; i < w->damage_count; i++) {
        int64_t at = w->damage[i].tensor - w->fork->tensors;
        const struct tensor *original = &w->job->model->tensors[at];
        struct tensor *mended = &w->sound->tensors[at], *t = &w->fork->tensors[at];
        if (mended->data == original->data)
            continue; /* another expert's turn was before */
        if (t->data == mended->data)
            *t = *original;
        free((void *)mended->data);
        *mended = *original;
    }
    w->damage_count = 0;
}
