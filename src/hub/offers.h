/* What can be had of a repository: a checkpoint of safetensors, and GGUF models that others made of it. */
#ifndef HUB_OFFERS_H
#define HUB_OFFERS_H

#include "hub/repository.h"

/* One GGUF model: a file, or a set of shards. */
struct offer {
    char *name;     /* the file, or the first shard */
    char *level;    /* as its name says: "Q4_K_M", "BF16"; "" where it says none */
    uint64_t bytes; /* of all shards; 0: not known */
    int shards;     /* 1: not in shards */
    bool present;   /* the cache has all of it */
};
struct offers {
    struct offer *items; /* sorted by size */
    int count, capacity;
    bool checkpoint; /* config.json and safetensors are there */
    bool pickles;    /* weights are there as PyTorch files only */
    uint64_t checkpoint_bytes;
    bool checkpoint_present; /* the cache has all of it */
};
void offers_collect(struct offers *o, const struct repository *r);
void offers_done(struct offers *o);
/* The offer with this file name (its last part is enough) or level, whatever the case; NULL: none. A level
 * that several offers have names none of them. */
const struct offer *offers_find(const struct offers *o, const char *wanted);

/* The level in a file's name, "" where there is none: "Q4_K_M" in "Llama-3.2-1B-Q4_K_M.gguf". */
enum { OFFER_LEVEL_SIZE = 16 };
char *offer_level(char out[static OFFER_LEVEL_SIZE], const char *name);

/* The names of the files to fetch, borrowed from the repository; free() the list itself. */
const char **offer_files(const struct offer *o, const struct repository *r, int *count);
const char **checkpoint_files(const struct repository *r, int *count);

#endif
