/* The decoder's tensors, one by one: present, decodable, of the shape that the passes over them assume. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "infer/decoder_priv.h"

int decoder_refuse(const struct decoder *d, struct error *e, const char *fmt, ...)
{
    char text[768];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return error_set(e, ERROR_FAILED, "cannot evaluate %s: %s", d->model->path, text);
}

int missing_tensor(const struct decoder *d, enum tensor_role role, int layer, const char *suffix,
                   struct error *e)
{
    const char *stem = tensor_role_name(role);
    char block[32] = "";
    if (layer >= 0)
        snprintf(block, sizeof block, "blk.%d.", layer);
    return decoder_refuse(d, e, "tensor %s%s%s is missing; the file is damaged or made by a converter that"
                          " this version does not know", block, stem, suffix);
}

static int check_readable(const struct decoder *d, const struct tensor *t, struct error *e)
{
    if (!tensor_present(t))
        return decoder_refuse(d, e, "the data of tensor %s is missing from the file; get it again", t->name);
    if (!t->type->decode)
        return decoder_refuse(d, e, "tensor %s has the type %s, which is known but not decoded yet", t->name,
                              t->type->name);
    return 0;
}

static int check_shape(const struct decoder *d, const struct tensor *t, int64_t columns, int64_t rows,
                       struct error *e)
{
    if (t->shape[0] == columns && tensor_elements(t) == columns * rows && columns % t->type->block == 0)
        return check_readable(d, t, e);
    long long rest = t->shape[0] ? tensor_elements(t) / t->shape[0] : 0;
    return decoder_refuse(d, e, "tensor %s is %lld x %lld of type %s, the hyperparameters want %lld x %lld;"
                          " the file is damaged or made by a converter that this version does not know", t->name,
                          (long long)t->shape[0], rest, t->type->name, (long long)columns, (long long)rows);
}

/* `length` numbers as float32, in the decoder's arena. */
static const float *decoded(struct decoder *d, const struct tensor *t, int64_t length)
{
    float *x = arena_alloc(&d->arena, length * sizeof *x);
    tensor_read(t, 0, length, x);
    return x;
}

/* The bias that belongs to a weight: the same name with another end; of experts one below the other. */
static int bind_bias(struct decoder *d, struct weight *w, struct error *e)
{
    int stem = (int)(strlen(w->tensor->name) - strlen(".weight"));
    char *name = xasprintf("%.*s.bias", stem, w->tensor->name);
    const struct tensor *t = model_tensor(d->model, name);
    free(name);
    if (!t)
        return 0;
    if (check_shape(d, t, t->shape[0], w->rows / (t->shape[0] ? t->shape[0] : 1), e))
        return e->code;
    w->bias = decoded(d, t, w->rows);
    return 0;
}

int bind_weight(struct decoder *d, struct weight *w, enum tensor_role role, int layer, int64_t columns,
                int64_t rows, struct error *e)
{
    const struct tensor *t = model_role(d->model, role, layer);
    if (!t)
        return missing_tensor(d, role, layer, ".weight", e);
    *w = (struct weight){.tensor = t, .rows = rows, .columns = columns};
    if (check_shape(d, t, columns, rows, e))
        return e->code;
    return bind_bias(d, w, e);
}

int bind_vector(struct decoder *d, const float **x, enum tensor_role role, int layer, int64_t length,
                struct error *e)
{
    const struct tensor *t = model_role(d->model, role, layer);
    *x = NULL;
    if (!t)
        return 0;
    if (check_shape(d, t, length, 1, e))
        return e->code;
    *x = decoded(d, t, length);
    return 0;
}
