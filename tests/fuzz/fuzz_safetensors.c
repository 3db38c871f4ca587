/* The safetensors reader, on any bytes: what it lets pass lies within them. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "model/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is read is folded into this, so that no read is optimized away. */
static volatile uint64_t sink;

static void read_tensor(const struct stored_tensor *t)
{
    enum { AT_ONCE = 256 };
    float x[AT_ONCE];
    for (int64_t i = 0; i < t->elements; i += AT_ONCE) {
        int64_t n = t->elements - i < AT_ONCE ? t->elements - i : AT_ONCE;
        t->dtype->decode(t->data + i * t->dtype->bytes, x, n);
        sink += x[n - 1] > 0;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error e = {0};
    struct safetensors s;
    uint64_t bytes = 0;
    int rc = safetensors_parse(&s, data, size, "input", &e);
    for (int i = 0; !rc && i < s.count; i++) {
        read_tensor(&s.tensors[i]);
        bytes += s.tensors[i].bytes;
    }
    if (rc ? !*e.text : s.data_offset + bytes != size)
        abort();
    safetensors_close(&s);
    return 0;
}
