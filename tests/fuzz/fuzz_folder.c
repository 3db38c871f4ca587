/* A checkpoint folder: an input is config.json, a NUL byte, and model.safetensors. What can be opened must
 * also be readable, to its last number. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/mem.h"
#include "model/model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile uint64_t sink;
static char folder[] = "/tmp/quantwiz-fuzz-XXXXXX", *config, *weights;

static void remove_folder(void)
{
    remove(config);
    remove(weights);
    remove(folder);
    free(config);
    free(weights);
}

static void make_folder(void)
{
    if (config)
        return;
    if (!mkdtemp(folder))
        die("cannot make %s", folder);
    config = path_join(folder, "config.json");
    weights = path_join(folder, "model.safetensors");
    atexit(remove_folder);
}

static void put(const char *path, const uint8_t *data, size_t size)
{
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(data, 1, size, f) != size || fclose(f))
        die("cannot write %s", path);
}

static void read_tensor(const struct tensor *t)
{
    enum { AT_ONCE = 1024 };
    float x[AT_ONCE];
    int64_t all = tensor_elements(t);
    for (int64_t i = 0; i < all; i += AT_ONCE) {
        int64_t n = all - i < AT_ONCE ? all - i : AT_ONCE;
        tensor_ahead(t, i + n, n);
        tensor_read(t, i, n, x);
        tensor_forget(t, i, n);
        sink += x[n - 1] > 0;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = memchr(data, 0, size);
    struct error e = {0};
    struct model *m;
    if (!end)
        return 0;
    make_folder();
    put(config, data, end - data);
    put(weights, end + 1, data + size - end - 1);
    if (model_open(&m, folder, 0, &e) != 0)
        return *e.text ? 0 : (abort(), 0);
    for (int i = 0; i < m->tensor_count; i++)
        if (tensor_readable(&m->tensors[i]))
            read_tensor(&m->tensors[i]);
    model_close(m);
    return 0;
}
