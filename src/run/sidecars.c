#include "run/sidecars.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/mem.h"

/* Patterns of the shell. Programs (*.py) belong to models that transformers itself does not know. */
static const char *const patterns[] = {
    "tokenizer*", "*.jinja", "chat_template*", "generation_config.json", "special_tokens_map.json", "added_tokens.json",
    "vocab.*", "merges.txt", "*.model", "*.tiktoken", "tekken.json", "preprocessor_config.json",
    "processor_config.json", "LICENSE*", "LICENCE*", "NOTICE*", "USE_POLICY*", "*.py",
};

static bool is_sidecar(const char *name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(patterns); i++)
        if (fnmatch(patterns[i], name, FNM_PERIOD) == 0)
            return true;
    return false;
}

/* Calls `each` with every sidecar's path and name, until one fails. */
static int for_each(const char *folder, int (*each)(void *user, const char *path, const char *name, struct error *e),
                    void *user, struct error *e)
{
    DIR *dir = opendir(folder);
    struct dirent *d;
    int rc = 0;
    while (dir && !rc && (d = readdir(dir))) {
        char *path = path_join(folder, d->d_name);
        if (is_sidecar(d->d_name) && file_exists(path) && !file_is_folder(path))
            rc = each(user, path, d->d_name, e);
        free(path);
    }
    if (!dir)
        return error_errno(e, "cannot read the folder %s", folder);
    closedir(dir);
    return rc;
}

static int copy(void *user, const char *path, const char *name, struct error *e)
{
    struct file_map map;
    if (file_map_open(&map, path, e))
        return e->code;
    char *to = path_join(user, name);
    int rc = file_write(to, map.data, map.size, e);
    free(to);
    file_map_close(&map);
    return rc;
}

int sidecars_copy(const char *from, const char *to, struct error *e)
{
    return for_each(from, copy, (void *)to, e);
}

static int add_size(void *user, const char *path, const char *name, struct error *e)
{
    struct stat st;
    (void)name;
    (void)e;
    *(uint64_t *)user += stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
    return 0;
}

uint64_t sidecars_bytes(const char *from)
{
    struct error ignored;
    uint64_t bytes = 0;
    for_each(from, add_size, &bytes, &ignored);
    return bytes;
}
