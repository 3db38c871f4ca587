/* A checkpoint folder as Hugging Face's libraries write it: config.json, safetensors, tokenizer files. It is
 * understood as the GGUF file that llama.cpp's converter would make of it (convert_hf_to_gguf.py, and
 * conversion/ in its newer versions): the metadata and the tensor table are written into memory, and each
 * tensor gets a source that says where its numbers are. Everything above this room then sees a GGUF model.
 *
 * Shared by the files hf_*.c, model.c and stored.c; nobody else includes this. */
#ifndef MODEL_HF_H
#define MODEL_HF_H

#include <jansson.h>

#include "model/hf_class.h"
#include "model/model.h"
#include "model/safetensors.h"

/* What config.json calls the context's length; the first that is there counts. */
#define CONTEXT_NAMES "max_position_embeddings max_sequence_length n_positions"

struct hf_tensor {                /* of the model, in GGUF's order */
    const char *name;
    const struct quant_type *type;
    int dims;
    int64_t shape[4];
    const struct tensor_source *source;
};

struct hf {
    const char *folder, *pre;
    json_t *config;               /* config.json, see hf_config_read */
    char *config_path;
    const struct hf_class *class;
    const struct architecture *arch;
    struct safetensors *files;
    int file_count;
    const struct stored_tensor **stored; /* of all files, by name */
    bool *used;                   /* [stored_count] by some tensor of the model, or known to be none */
    int stored_count;
    const struct packed *packed;  /* one of the packed weights, see hf_packed.h; NULL: there are none */
    int64_t heads, kv_heads;
    struct hf_tensor *tensors;
    int tensor_count, tensor_capacity;
    struct gguf_writer *writer;   /* holds the header that the model was read from */
    struct file_map *read;        /* config.json and what else is read whole */
    int read_count;
    struct arena arena;
};

/* hf_config.c: reads config.json and finds the class. What a multimodal model has for its language model
 * (text_config) is put on top; what transformers assumes where the file is silent is put in; the rotary
 * settings of all versions are brought into one form: rope_theta, rope_local_base_freq, and rope_scaling with
 * rope_type. */
int hf_config_read(struct hf *h, struct error *e);
/* config.json as it stands in the folder; json_decref() it. */
int hf_config_load(const struct hf *h, json_t **config, struct error *e);
/* A value by one of several names, separated by blanks; NULL where there is none or it is null. */
const json_t *hf_value(const struct hf *h, const char *names);
/* A whole number of at least 0, a number; absent ones leave *value as it is. */
int hf_integer(const struct hf *h, const char *names, int64_t *value, struct error *e);
int hf_number(const struct hf *h, const json_t *in, const char *name, double *value, struct error *e);
/* "cannot read FOLDER/config.json: ...". */
int hf_config_error(const struct hf *h, struct error *e, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* hf_check.c: an error where GGUF cannot say what config.json does; warnings where that matters little. */
int hf_check(struct hf *h, struct error *e);
void hf_warn(struct hf *h, struct model *m);

/* hf_files.c: opens all shards and indexes their tensors. */
int hf_files_open(struct hf *h, struct error *e);
const struct stored_tensor *hf_stored(const struct hf *h, const char *name);
/* Puts other tensors in the place of all stored ones: none used yet, an error where two have one name. */
int hf_stored_set(struct hf *h, const struct stored_tensor *const *list, int count, struct error *e);
void hf_use(struct hf *h, const struct stored_tensor *t);
/* "cannot read FILE: the tensor NAME ...". */
int hf_stored_error(const struct stored_tensor *t, struct error *e, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* hf_keys.c: is the word in a list separated by blanks? A NULL list holds all. */
bool hf_listed(const char *list, const char *word);
/* The hyperparameters into h->writer. */
int hf_keys_write(struct hf *h, struct error *e);
/* hf_rope.c: the rotary settings into h->writer, their factors into the tensors. */
int hf_rope_write(struct hf *h, struct error *e);

/* hf_tensors.c: all tensors of the model, from the stored ones. */
int hf_tensors_find(struct hf *h, struct error *e);
/* Adds one that was computed: n numbers, which the arena of `h` holds. */
void hf_tensor_computed(struct hf *h, const char *name, const float *x, int64_t n);

/* hf.c */
/* `pre`: see model_open_as. */
int hf_open(struct hf **out, const char *folder, const char *pre, struct error *e);
void hf_close(struct hf *h);
/* The number format that holds the most numbers: "BF16", "F8_E4M3", "MXFP4". */
const char *hf_file_type(const struct hf *h);
/* The header of the GGUF file that the folder stands for. */
const void *hf_header(const struct hf *h, uint64_t *bytes);

#endif
