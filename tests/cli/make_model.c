/* make_model OUT.gguf EMBD FFN LAYERS VOCAB: a model of these shapes with random F16 weights, for tests that need one
 * of another size, or with other rows, than the demo model. The same arguments give the same file. */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <unistd.h>

#include "model/model.h"
#include "tests/unit/gguf_build.h"

/* xorshift64*: https://en.wikipedia.org/wiki/Xorshift */
static uint64_t next_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545f4914f6cdd1dULL;
}

/* Halves of either sign between 2^-7 and 2^-4. */
static void fill(uint16_t *x, int64_t n, uint64_t *state)
{
    for (int64_t i = 0; i < n; i++) {
        uint64_t r = next_random(state) >> 32;
        x[i] = (uint16_t)((r & 0x8000) | (0x2000 + (r & 0x7fff) % 0x0c00));
    }
}

static void fill_tensor(int fd, const struct model *m, const struct tensor *t, uint64_t *state)
{
    int64_t n = tensor_elements(t);
    uint16_t *x = xmalloc(t->bytes);
    float *ones = (float *)x;
    if (t->type->id == QUANT_F16)
        fill(x, n, state);
    else
        for (int64_t i = 0; i < n; i++)
            ones[i] = 1;
    if (pwrite(fd, x, t->bytes, t->data - m->shards[0].map.data) != (ssize_t)t->bytes)
        die("cannot write %s", m->path);
    free(x);
}

int main(int argc, char **argv)
{
    struct error e;
    struct model *m;
    uint64_t state = 1;
    if (argc != 6)
        die("usage: make_model OUT.gguf EMBD FFN LAYERS VOCAB");
    const struct gguf_shape shape = {.embd = atoi(argv[2]), .ffn = atoi(argv[3]), .layers = atoi(argv[4]),
                                     .vocab = atoi(argv[5]), .heads = 4, .kv_heads = 4, .context = 512};
    gguf_build_file(gguf_build_llama(&shape, quant_type(QUANT_F16)), argv[1], 0);
    int fd = open(argv[1], O_WRONLY);
    if (fd < 0 || model_open(&m, argv[1], 0, &e))
        die("cannot open %s again", argv[1]);
    for (int i = 0; i < m->tensor_count; i++)
        fill_tensor(fd, m, &m->tensors[i], &state);
    model_close(m);
    return close(fd) != 0;
}
