/* Speed of the forward pass, and the perplexity of given tokens, without the rest of the program:
 *
 *     bench_infer MODEL [-c CONTEXT] [-s SEQUENCES] [-n CHUNKS] [-t THREADS] [-g TOKENS] [-q] [-i FILE]
 *
 * FILE holds token numbers, whitespace between; without it made-up ones are used and no perplexity is
 * printed. -q: activations rounded as llama.cpp does. -g: appends so many tokens one by one. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "base/mem.h"
#include "infer/decoder.h"
#include "infer/engine.h"
#include "infer/kernels.h"

struct arguments {
    int context, sequences, chunks, generate;
    bool activations_q8;
    const char *model, *tokens;
};

static int32_t *read_tokens(const char *path, int64_t *count)
{
    FILE *f = fopen(path, "r");
    int32_t *tokens = NULL, capacity = 0, n = 0;
    for (int t; f && fscanf(f, "%d", &t) == 1;)
        array_push(tokens, n, capacity) = t;
    if (f)
        fclose(f);
    *count = n;
    return tokens;
}

static int32_t *made_up_tokens(int64_t count, int vocab)
{
    int32_t *tokens = xmalloc(count * sizeof *tokens);
    for (int64_t i = 0; i < count; i++)
        tokens[i] = (int32_t)((i * 7919 + i * i % 101) % vocab);
    return tokens;
}

/* -Σ ln p of the second half of one chunk, whose rows start at `first` in the last pass. */
static double score(struct decoder *d, const int32_t *tokens, int first, int context, int vocab,
                    float *logits)
{
    int half = context / 2, count = context - 1 - half;
    double nll = 0;
    decoder_logits(d, first + half, count, logits);
    for (int i = 0; i < count; i++) {
        const float *row = logits + (int64_t)i * vocab;
        nll += kernels()->log_sum_exp(row, vocab) - row[tokens[half + i + 1]];
    }
    return nll;
}

static void prefill(struct decoder *d, const struct arguments *a, const int32_t *tokens, int chunks,
                    int vocab)
{
    struct error e;
    float *logits = xmalloc((size_t)a->context / 2 * vocab * sizeof *logits);
    double nll = 0, started = clock_monotonic(), layers = 0;
    for (int i = 0; i < chunks; i += a->sequences) {
        int n = chunks - i < a->sequences ? chunks - i : a->sequences;
        const int32_t *t = tokens + (int64_t)i * a->context;
        double before = clock_monotonic();
        if (decoder_chunks(d, t, n, a->context, NULL, &e))
            die("%s", e.text);
        layers += clock_monotonic() - before;
        for (int s = 0; s < n; s++)
            nll += score(d, t + s * a->context, s * a->context, a->context, vocab, logits);
    }
    double seconds = clock_monotonic() - started;
    printf("prefill %.0f tokens/s (layers alone %.0f)\n", chunks * a->context / seconds,
           chunks * a->context / layers);
    if (a->tokens)
        printf("perplexity %.4f, %d chunks of %d\n",
               exp(nll / ((double)chunks * (a->context - 1 - a->context / 2))), chunks, a->context);
    free(logits);
}

static void generate(struct decoder *d, int count, int vocab)
{
    struct error e;
    float *logits = xmalloc(vocab * sizeof *logits);
    const int32_t token = 7;
    double started = clock_monotonic();
    for (int i = 0; i < count; i++) {
        if (decoder_append(d, &token, 1, &e))
            die("%s", e.text);
        decoder_logits(d, 0, 1, logits);
    }
    printf("decode %.1f tokens/s\n", count / (clock_monotonic() - started));
    free(logits);
}

static struct arguments parse(int argc, char **argv)
{
    struct arguments a = {.context = 512, .sequences = 4, .chunks = 8};
    for (int c; (c = getopt(argc, argv, "c:s:n:t:g:i:q")) != -1;)
        switch (c) {
        case 'c': a.context = atoi(optarg); break;
        case 's': a.sequences = atoi(optarg); break;
        case 'n': a.chunks = atoi(optarg); break;
        case 't': threads_set(atoi(optarg)); break;
        case 'g': a.generate = atoi(optarg); break;
        case 'i': a.tokens = optarg; break;
        case 'q': a.activations_q8 = true; break;
        default: exit(2);
        }
    if (optind == argc)
        die("bench_infer MODEL: no model given");
    a.model = argv[optind];
    return a;
}

int main(int argc, char **argv)
{
    struct arguments a = parse(argc, argv);
    struct error e;
    struct model *m;
    struct decoder *d;
    int64_t count = (int64_t)a.chunks * a.context;
    if (model_open(&m, a.model, 0, &e))
        die("%s", e.text);
    int32_t *tokens = a.tokens ? read_tokens(a.tokens, &count) : made_up_tokens(count, m->hp.vocab);
    int chunks = count / a.context < a.chunks ? (int)(count / a.context) : a.chunks;
    struct decoder_options o = {
        .context = a.context, .sequences = a.sequences, .activations = a.activations_q8 ? ACTIVATIONS_Q8 : ACTIVATIONS_F32};
    if (decoder_open(&d, m, &o, &e))
        die("%s", e.text);
    printf("%s: %s, %d threads, engine %s, buffers %.1f MiB\n", a.model, m->file_type, threads_count(),
           engine()->name, decoder_bytes(d) / 1048576.0);
    if (chunks)
        prefill(d, &a, tokens, chunks, m->hp.vocab);
    if (a.generate)
        generate(d, a.generate, m->hp.vocab);
    decoder_free(d);
    model_close(m);
    free(tokens);
    return 0;
}
