#include "run/bad_number.h"

int bad_number_error(const struct tensor_place *p, float value, struct error *e)
{
    return error_set(e, ERROR_FAILED, "%s: the tensor %s holds %s at row %lld, column %lld: the checkpoint is"
                     " damaged or its training diverged; get it again", p->path, p->name,
                     value != value ? "NaN" : "an infinite number", (long long)p->row, (long long)p->column);
}
