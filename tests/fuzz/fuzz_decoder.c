/* Models that lie: whatever the reader takes for one is offered to the decoder, and what that accepts is run for a few
 * tokens. Numbers that are none may come out; nothing else may happen. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "infer/decoder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TOKENS = 3 };

static void run(struct decoder *d, int vocab)
{
    const int32_t tokens[TOKENS] = {0, vocab - 1, vocab / 2};
    struct error e = {0};
    float *logits = xmalloc(TOKENS * vocab * sizeof *logits);
    if (decoder_append(d, tokens, TOKENS - 1, &e) || decoder_append(d, tokens + TOKENS - 1, 1, &e) ||
        decoder_chunks(d, tokens, 1, TOKENS, NULL, &e))
        abort();
    decoder_logits(d, 0, TOKENS, logits);
    free(logits);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct decoder_options o = {.context = TOKENS, .sequences = 1};
    struct error e = {0}, again = {0};
    struct model *m;
    struct decoder *d;
    if (model_parse(&m, data, size, "input", 0, &e))
        return 0;
    int rc = decoder_check(m, &e);
    if (rc != decoder_open(&d, m, &o, &again) || (rc && !*again.text))
        abort();
    if (d)
        run(d, m->hp.vocab);
    decoder_free(d);
    model_close(m);
    return 0;
}
