/* same_tensors A.gguf B.gguf: whether both hold the same tensors, by name, type, shape and every byte. In any order:
 * converters order them differently. */
#include <stdio.h>
#include <string.h>

#include "model/model.h"

static bool is_same(const struct tensor *a, const struct tensor *b)
{
    return b && a->type == b->type && memcmp(a->shape, b->shape, sizeof a->shape) == 0 &&
           memcmp(a->data, b->data, a->bytes) == 0;
}

int main(int argc, char **argv)
{
    struct error e;
    struct model *a, *b;
    int different = 0;
    if (argc != 3)
        die("usage: same_tensors A.gguf B.gguf");
    if (model_open(&a, argv[1], 0, &e) || model_open(&b, argv[2], 0, &e))
        die("%s", e.text);
    for (int i = 0; i < a->tensor_count; i++)
        if (!is_same(&a->tensors[i], model_tensor(b, a->tensors[i].name))) {
            printf("%s differs\n", a->tensors[i].name);
            different++;
        }
    if (a->tensor_count != b->tensor_count)
        printf("%d and %d tensors\n", a->tensor_count, b->tensor_count);
    different += a->tensor_count != b->tensor_count;
    model_close(a);
    model_close(b);
    return different != 0;
}
