#include "model/shard.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

static const char part[] = ".part";
enum { SUFFIX = 20 }; /* "-00001-of-00003.gguf" */

/* Length of a path without the ending of an unfinished file. */
static size_t named_length(const char *path)
{
    return strlen(path) - (str_ends(path, part) ? strlen(part) : 0);
}

bool shard_name(const char *path, int *number, int *count)
{
    size_t n = named_length(path);
    int used = 0;
    return n > SUFFIX && sscanf(path + n - SUFFIX, "-%5d-of-%5d.gguf%n", number, count, &used) == 2 &&
           used == SUFFIX && *number >= 1 && *count >= *number && *count <= SHARDS_MAX;
}

char *shard_path(const char *path, int number, int count)
{
    int own_number, own_count;
    size_t n = named_length(path);
    const char *end = path + n;
    if (shard_name(path, &own_number, &own_count))
        n -= SUFFIX;
    else if (n > strlen(".gguf") && strncmp(end - strlen(".gguf"), ".gguf", strlen(".gguf")) == 0)
        n -= strlen(".gguf");
    return xasprintf("%.*s-%05d-of-%05d.gguf%s", (int)n, path, number, count, end);
}
