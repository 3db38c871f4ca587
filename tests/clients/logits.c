/* The logits of given tokens, for comparison with other programs:
 *
 *     logits MODEL [-q] TOKENS OUT
 *
 * MODEL is whatever the program opens; TOKENS a file of token numbers, whitespace between; OUT gets float32
 * [tokens][vocabulary], of one sequence from an empty cache. With -q activations are rounded as llama.cpp does. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "infer/decoder.h"

static int32_t *read_tokens(const char *path, int *count)
{
    FILE *f = fopen(path, "r");
    int32_t *tokens = NULL;
    int n = 0, capacity = 0;
    for (int t; f && fscanf(f, "%d", &t) == 1;)
        array_push(tokens, n, capacity) = t;
    if (!f || fclose(f) || n == 0)
        die("%s holds no token numbers", path);
    *count = n;
    return tokens;
}

static void write_logits(struct decoder *d, int count, int vocab, const char *path)
{
    FILE *f = fopen(path, "wb");
    float *logits = xmalloc((size_t)count * vocab * sizeof *logits);
    decoder_logits(d, 0, count, logits);
    if (!f || fwrite(logits, sizeof *logits * vocab, count, f) != (size_t)count || fclose(f))
        die("cannot write %s", path);
    free(logits);
}

int main(int argc, char **argv)
{
    struct error e;
    struct model *m;
    struct decoder *d;
    bool round = argc == 5 && strcmp(argv[2], "-q") == 0;
    int count;
    if (argc != 4 && !round)
        die("usage: logits MODEL [-q] TOKENS OUT");
    int32_t *tokens = read_tokens(argv[argc - 2], &count);
    struct decoder_options o = {.context = count, .sequences = 1, .activations = round ? ACTIVATIONS_Q8 : ACTIVATIONS_F32};
    if (model_open(&m, argv[1], 0, &e) || decoder_open(&d, m, &o, &e) ||
        decoder_chunks(d, tokens, 1, count, NULL, &e))
        die("%s", e.text);
    write_logits(d, count, m->hp.vocab, argv[argc - 1]);
    decoder_free(d);
    model_close(m);
    free(tokens);
    return 0;
}
