/* Checkpoints on this machine: the current folder, the Hugging Face cache, the llama.cpp cache, Ollama's and
 * LM Studio's stores. Never follows loops; a slow disk does not block (it runs in steps within a time limit). */
#ifndef MODEL_DISCOVER_H
#define MODEL_DISCOVER_H

#include <stdbool.h>
#include <stdint.h>

struct found_model {
    char *path;          /* what to open */
    char *name;          /* for people: file name, or "org/name" in a cache */
    const char *place;   /* "folder", "huggingface", "llama.cpp", "ollama", "lmstudio" */
    uint64_t bytes;      /* of all shards */
};
struct found_models {
    struct found_model *items;
    int count, capacity;
    bool complete;       /* false: the time ran out before everything was looked at */
};
/* Looks for at most `seconds`; sorted by place and name. `folder` NULL: the current one. */
void discover_models(struct found_models *f, const char *folder, double seconds);
/* The path of the model that bears this name in this place ("ollama", "llama3.2:1b"); NULL: none. free() it. */
char *discover_named(const char *place, const char *name);
void found_models_done(struct found_models *f);

#endif
