/* The table of architectures: a row each, traits instead of code. The decoder (infer/) reads the traits of those
 * that it evaluates; of the others they give what an estimate needs: windows, states, caches.
 * Source of every row: load_hparams and llama_model_rope_type in llama.cpp, src/llama-model.cpp and src/models/
 * (2025-11 to 2026-08), because its cache layout is what the estimates predict. */
#ifndef MODEL_ARCHITECTURE_H
#define MODEL_ARCHITECTURE_H

#include <stdbool.h>

enum rope_kind { ROPE_NONE, ROPE_ADJACENT /* pairs (2i, 2i+1): llama */, ROPE_HALVES /* (i, i+d/2): neox */ };
enum gate_kind { GATE_SILU, GATE_GELU_TANH };
/* What a layer keeps per sequence instead of keys and values. */
enum state_kind { STATE_NONE, STATE_MAMBA, STATE_SHORTCONV, STATE_RWKV, STATE_KDA };

struct architecture {
    const char *gguf;        /* general.architecture */
    const char *hf_class;    /* architectures[0] of config.json */
    const char *title;       /* for people */
    enum rope_kind rope;
    enum gate_kind gate;
    bool evaluated;          /* the decoder runs it; otherwise weights alone (quantize, estimate) */
    bool experts;            /* mixture of experts where the file has expert tensors */

    /* Sliding windows: of every window_period layers one attends to all tokens, the last of them (the first with
     * window_full_first), and the others to a window. 0: windows are not used, whatever the file says. */
    int window_period;
    bool window_full_first;
    int window;              /* tokens, where the file does not say; 0: then none */
    double rope_base_local;  /* of windowed layers, where the file does not say; 0: as in the others */

    /* Layers without keys and values (kv_heads 0) keep a state. */
    enum state_kind state;
    int attention_interval;  /* only every n-th layer has attention, where the file does not say; 0: kv_heads tells */
    bool state_everywhere;   /* layers with attention keep a state too */
    bool state_without_ffn;  /* a layer with a feed-forward part keeps none */
    int cached_layers;       /* later layers share the cache of earlier ones; 0: each has its own */
};

const struct architecture *architecture_named(const char *gguf);
const struct architecture *architecture_at(int i); /* NULL at the end */

#endif
