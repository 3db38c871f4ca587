/* What a checkpoint is: its architecture, shapes and tensors, whatever file format it came in. */
#ifndef MODEL_MODEL_H
#define MODEL_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "model/architecture.h"
#include "model/gguf.h"
#include "model/source.h"

enum tensor_role { /* what a tensor does; ROLE_OTHER is carried along untouched */
    ROLE_OTHER, ROLE_TOKEN_EMBD, ROLE_OUTPUT, ROLE_OUTPUT_NORM, ROLE_ROPE_FREQS, ROLE_ATTN_NORM, ROLE_ATTN_Q,
    ROLE_ATTN_K, ROLE_ATTN_V, ROLE_ATTN_QKV, ROLE_ATTN_OUTPUT, ROLE_ATTN_Q_NORM, ROLE_ATTN_K_NORM,
    ROLE_ATTN_POST_NORM, ROLE_FFN_NORM, ROLE_FFN_GATE, ROLE_FFN_UP, ROLE_FFN_DOWN, ROLE_FFN_POST_NORM,
    ROLE_FFN_GATE_INP, ROLE_FFN_GATE_EXPS, ROLE_FFN_UP_EXPS, ROLE_FFN_DOWN_EXPS, ROLE_FFN_GATE_INP_SHEXP,
    ROLE_FFN_GATE_SHEXP, ROLE_FFN_UP_SHEXP, ROLE_FFN_DOWN_SHEXP, ROLE_ATTN_SINKS, ROLE_ROPE_LONG, ROLE_ROPE_SHORT,
    ROLE_FFN_GATE_UP_EXPS, ROLE_COUNT,
};

struct tensor {
    const char *name;             /* GGUF name, "blk.3.attn_q.weight" */
    const struct quant_type *type;
    int dims;
    int64_t shape[4];             /* shape[0] is the row length */
    uint64_t bytes;
    const unsigned char *data;    /* mapped, as GGUF stores it; NULL where it is not there or not so: */
    const struct tensor_source *source; /* of a checkpoint folder: where the numbers come from; else NULL */
    enum tensor_role role;
    bool bias;                    /* ends in ".bias" */
    int layer;                    /* below hp.layers; -1 outside of blocks */
};

/* Attention of one layer. */
struct layer_shape {
    int heads, kv_heads;          /* kv_heads 0: no cache of its own (recurrent, or another layer's) */
    int key_length, value_length; /* per head */
    int ffn;                      /* feed-forward width (of one expert) */
    int window;                   /* sliding window in tokens, 0 for full attention */
    int64_t state_bytes;          /* recurrent state, per sequence; 0: none */
};

struct hparams {
    int layers, embd, vocab, context;   /* context: trained */
    int experts, experts_used;
    int shared_ffn;                     /* width of the expert that all tokens use; 0: none */
    int experts_share_all;              /* as in struct architecture, where the file does not say */
    double expert_scale;                /* of the chosen experts' weights; 0: none */
    int mla_rank, mla_rope;             /* latent attention: K stores rank + rope per token, no V; else 0 */
    double norm_eps;
    int rope_dims;
    double rope_base, rope_base_local;  /* local: for windowed layers (Gemma 3), else equal */
    char rope_scaling[16];              /* "", "linear", "yarn", "longrope"; llama-3 scaling comes as rope_freqs.weight */
    double rope_factor, rope_attn_factor, rope_original_context;
    double rope_fast, rope_slow;        /* YaRN's ramp: pairs of so many turns within the original context */
    bool rope_ramp_exact;               /* as in struct architecture; false: it runs from pair to pair */
    double logit_scale, embedding_scale, residual_scale, attention_scale, attn_softcap, final_softcap; /* 0: none */
    struct layer_shape *layer;          /* [layers] */
};

/* A file that the model was read from. */
struct model_file {
    const char *path;
    const void *header;                 /* its beginning, which says what the rest means */
    uint64_t header_bytes, bytes;
};

struct model {
    char *path;                         /* as given */
    const char *pre;                    /* as given to model_open_as */
    char *name;                         /* general.name, or the file's name */
    char *file_type;                    /* "F16", "Q4_K_M", …: from general.file_type, or by counting */
    const struct architecture *arch;    /* NULL: unknown; weights can be quantized, evaluation is off */
    char *arch_name;                    /* as the file says */
    struct hparams hp;
    uint64_t parameters;                /* elements of all tensors */
    uint64_t file_bytes;                /* of all shards */
    struct tensor *tensors;
    int tensor_count;
    struct gguf *shards;                /* the files; metadata in shards[0], of a folder too */
    int shard_count;
    struct hf *folder;                  /* a checkpoint folder's own; NULL for GGUF files */
    struct model_file *files;
    int file_count, weight_files;       /* weight_files of them hold tensors */
    bool quantized;                     /* some tensor's type is a quantized one */
    bool complete;                      /* false: header only, tensor data missing (estimates work, runs do not) */
    char **warnings;
    int warning_count, warning_capacity;
    const struct tensor **by_name, **by_role; /* sorted, for the two look-ups below */
    int role_count;
    struct arena arena;
};

/* A GGUF file, the first of its shards, or a checkpoint folder (config.json and safetensors). With MODEL_HEADER_ONLY
 * tensor data may be missing from the file (sparse or cut): for estimates. MODEL_WITHOUT_DATA: they are missing, however
 * long the files are. */
enum { MODEL_HEADER_ONLY = 1, MODEL_WITHOUT_DATA = 2 };
int model_open(struct model **out, const char *path, int flags, struct error *e);
/* The same; `pre` names the pre-tokenizer of a folder whose own is not recognized (NULL: it must be). */
int model_open_as(struct model **out, const char *path, const char *pre, int flags, struct error *e);
/* One file's bytes in memory, which must outlive the model; `name` is what errors call them. */
int model_parse(struct model **out, const void *bytes, uint64_t size, const char *name, int flags, struct error *e);
void model_close(struct model *m);

/* The same model with tensors of its own, so that they can be changed: everything else is borrowed. */
struct model *model_fork(const struct model *m);
void model_fork_free(struct model *fork);

/* What people call the model at a path: the file's or the folder's name; of a folder in the Hugging Face cache
 * ("models--org--name/snapshots/COMMIT") the repository's. free() it. */
char *model_path_name(const char *path);

const struct tensor *model_tensor(const struct model *m, const char *name);
/* How the inputs of its quantized weights are rounded where it is served: of those that are, the first. */
enum source_inputs model_inputs(const struct model *m);
/* The weight with this role in this layer (-1: outside of blocks), or NULL. */
const struct tensor *model_role(const struct model *m, enum tensor_role role, int layer);
/* "attn_q": what GGUF files call it, without block and ending. */
const char *tensor_role_name(enum tensor_role role);
bool tensor_role_of_experts(enum tensor_role role); /* a stack of matrices, of which a token needs a few */
int64_t tensor_elements(const struct tensor *t);

/* Every reader of weights goes through these. Elements are counted through all rows; `first` and `count` are multiples
 * of the type's block. Any thread may call them. */
bool tensor_present(const struct tensor *t);   /* the data is there */
bool tensor_readable(const struct tensor *t);  /* and has a type that tensor_read can decode */
void tensor_read(const struct tensor *t, int64_t first, int64_t count, float *x);
/* In the tensor's own type: where they are mapped, or in `room`, which has space for them. */
const void *tensor_blocks(const struct tensor *t, int64_t first, int64_t count, void *room);
/* Hints for going through a tensor once, as file_map_ahead and file_map_forget; what lies past the end is left out. */
void tensor_ahead(const struct tensor *t, int64_t first, int64_t count);
void tensor_forget(const struct tensor *t, int64_t first, int64_t count);
/* Where an element was read from: the file, and in it the tensor, whose name and order of rows are others in a
 * checkpoint folder. */
struct tensor_place {
    const char *path, *name;
    int64_t row, column;
};
struct tensor_place tensor_place(const struct model *m, const struct tensor *t, int64_t element);
/* SHA-256 over the headers' SHA-256 and the sizes of all files: what a plan pins its source with. */
void model_fingerprint(const struct model *m, char out[static 65]);

#endif
