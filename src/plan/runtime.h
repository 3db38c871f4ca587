/* What a serving runtime reads, and how it spends memory and bandwidth: rules/runtimes.yaml, compiled. */
#ifndef PLAN_RUNTIME_H
#define PLAN_RUNTIME_H

#include "plan/rules.h"

struct runtime_format {
    const char *format;            /* "gguf" */
    double capability_min;         /* least NVIDIA compute capability, 0: any or none */
    const char *const *works_on, *const *fails_on; /* makers of other GPUs, where that is known; NULL: of none */
    const char *note;              /* NULL: none */
    bool dequantizes;              /* holds 16-bit weights whatever the file has */
};

/* Weights that the runtime copies into a layout of its own: the file's pages stay mapped beside the copy. */
struct runtime_repack {
    const char *const *features;   /* of the CPU, all needed */
    const struct quant_type **types;
    int rows_multiple, row_multiple; /* of rows, and of values in a row; 0 stands for the type's block */
    int extra_bytes;               /* more than before, per block */
    bool experts;                  /* stacked expert matrices too */
};

struct runtime {
    const char *name, *title;
    const char *version, *date;    /* that the rules speak of */
    const char *const *refuses;    /* formats that it does not read; NULL: none is known */
    const struct runtime_format *formats;
    int format_count;
    int micro_batch;               /* tokens that one step works on; 0: the whole context */
    int kv_pad;                    /* cells of the cache come in multiples of this */
    bool windowed;                 /* layers with a sliding window keep only that */
    bool all_logits;               /* a step has the logits of all its tokens, not of the last */
    bool gpu_embeddings;           /* token embeddings lie on the GPU too; tied ones are the output as well */
    bool tensor_parallel;          /* each weight is cut over so many GPUs as the wish says; the rest stay idle */
    bool fuses;                    /* query, key and value are one weight, and so are gate and up */
    int pipeline_copies;           /* of a step's inputs, with several GPUs */
    uint64_t gpu_margin, host_margin; /* bytes that stay free on each GPU, and in RAM */
    double gpu_margin_share;       /* or this share of the GPU's memory, whichever is more */
    double gpu_efficiency, cpu_efficiency; /* decoding: share of the bandwidth that is reached */
    double prefill_efficiency;     /* share of the peak operations/s */
    const struct runtime_repack *repacks; /* the first that fits a tensor takes it */
    int repack_count;
    const struct yaml *row;
};

/* From the checked tree; lives in the rules' arena. */
int runtimes_compile(struct rules *r, struct error *e);
const struct runtime *runtime_named(const struct rules *r, const char *name); /* NULL: none */
const struct runtime_format *runtime_accepts(const struct runtime *r, const char *format); /* NULL: not that the rules knew */

#endif
