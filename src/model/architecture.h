/* The table of architectures: a row each, traits instead of code. The decoder (infer/) reads the traits. */
#ifndef MODEL_ARCHITECTURE_H
#define MODEL_ARCHITECTURE_H

#include <stdbool.h>

enum rope_kind { ROPE_NONE, ROPE_ADJACENT /* pairs (2i, 2i+1): llama */, ROPE_HALVES /* (i, i+d/2): neox */ };
enum gate_kind { GATE_SILU, GATE_GELU_TANH };

struct architecture {
    const char *gguf;        /* general.architecture */
    const char *hf_class;    /* architectures[0] of config.json */
    const char *title;       /* for people */
    enum rope_kind rope;
    enum gate_kind gate;
    bool evaluated;          /* the decoder runs it; otherwise weights alone (quantize, estimate) */
    bool experts;            /* mixture of experts where the file has expert tensors */
};

const struct architecture *architecture_named(const char *gguf);
const struct architecture *architecture_at(int i); /* NULL at the end */

#endif
