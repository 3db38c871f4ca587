/* The table of architectures: a row each, traits instead of code. The decoder (infer/) reads the traits of those
 * that it evaluates; of the others they give what an estimate needs: windows, states, caches.
 * Source of every row: load_hparams and llama_model_rope_type in llama.cpp, src/llama-model.cpp and src/models/
 * (2025-11 to 2026-08), because its cache layout is what the estimates predict. */
#ifndef MODEL_ARCHITECTURE_H
#define MODEL_ARCHITECTURE_H

#include <stdbool.h>

enum rope_kind { ROPE_NONE, ROPE_ADJACENT /* pairs (2i, 2i+1): llama */, ROPE_HALVES /* (i, i+d/2): neox */ };
enum gate_kind { GATE_SILU, GATE_GELU_TANH, GATE_CLAMPED /* swish of the gate, times up + 1, both clamped: gpt-oss */ };
/* Where a block (attention, feed-forward) is normalized: what it reads, what it adds to the stream, or both. */
enum norm_places { NORMS_BEFORE, NORMS_AFTER, NORMS_AROUND };
/* Queries and keys are normalized before they are rotated: each head for itself, or all heads of a position as one. */
enum head_norms { HEAD_NORMS_NONE, HEAD_NORMS_EACH, HEAD_NORMS_ALL };
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

    /* The block, for the decoder. */
    enum norm_places norms;
    bool ffn_norm_after_attention; /* the norm before the feed-forward part bears the name post_attention_norm */
    enum head_norms head_norms;
    bool qkv_biases;         /* queries, keys and values always have biases (others may have them) */
    bool all_biases;         /* so have attention's output, the router and the experts */
    bool sinks;              /* each head has a score that takes its share of the softmax and adds no value */
    bool gate_up_fused;      /* ffn_up holds the gate's rows, then up's */
    bool experts_share_all;  /* chosen experts weigh by their share of all experts' softmax, not of the chosen ones' */
    int rope_skip_period;    /* every n-th layer rotates nothing; 0: all rotate */
    bool rope_local_plain;   /* scaling of rotary positions is for layers without a window alone */
    bool rope_ramp_exact;    /* in checkpoint folders YaRN's ramp starts and ends between pairs; runtimes of GGUF files
                                round it to whole ones */
    bool embedding_sqrt;     /* embeddings are scaled by the root of their width */
    bool logits_divided;     /* by logit_scale, instead of multiplied */
    int wide_query_layers;   /* a model of so many layers scales scores by the embedding's share of a head; 0: none */

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
