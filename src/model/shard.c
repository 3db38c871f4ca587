#include "model/shard.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"

enum { SUFFIX = 20 }; /* "-00001-of-00003.gguf" */

bool shard_name(const char *path, int *number, int *count)
{
    size_t n = strlen(path);
    int used = 0;
    return n > SUFFIX && sscanf(path + n - SUFFIX, "-%5d-of-%5d.gguf%n", number, count, &used) == 2 &&
           used == SUFFIX && *number >= 1 && *count >= *number && *count <= SHARDS_MAX;
}

char *shard_path(const char *path, int number, int count)
{
    return xasprintf("%.*s-%05d-of-%05d.gguf", (int)(strlen(path) - SUFFIX), path, number, count);
}
