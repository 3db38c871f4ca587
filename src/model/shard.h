/* Names of sharded files: PREFIX-00001-of-00003.gguf (llama.cpp, llama_split_path). */
#ifndef MODEL_SHARD_H
#define MODEL_SHARD_H

#include <stdbool.h>

enum { SHARDS_MAX = 1000 };

/* True with both numbers where the path ends in "-0000N-of-0000M.gguf", 1 <= N <= M <= SHARDS_MAX. What is
 * still being written has ".part" after that. */
bool shard_name(const char *path, int *number, int *count);
/* The name of shard `number` of the set that `path`, such a name, belongs to; free() it. Of any other path:
 * the name that the shard gets where `path` is to be a set. */
char *shard_path(const char *path, int number, int count);

#endif
