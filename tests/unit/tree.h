/* A throw-away folder with small files in it: a /proc or /sys of another machine. */
#ifndef UNIT_TREE_H
#define UNIT_TREE_H

#include <dirent.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"

struct tree_file {
    const char *path, *text;
};

static inline void tree_put(const char *root, const char *path, const char *text, size_t size)
{
    struct error e = {0};
    char *full = path_join(root, path), *folder = path_folder(full);
    if (file_make_folder(folder, &e) || file_write(full, text, size, &e))
        die("%s", e.text);
    free(folder);
    free(full);
}

/* The list ends with {0}. tree_remove() what it returns. */
static inline char *tree_make(const struct tree_file *files)
{
    const char *tmp = getenv("TMPDIR");
    char *root = xasprintf("%s/quantwiz-tree-XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(root))
        die("cannot create %s", root);
    for (; files->path; files++)
        tree_put(root, files->path, files->text, strlen(files->text));
    return root;
}

static inline int tree_remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static inline void tree_remove(char *root)
{
    nftw(root, tree_remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(root);
}

#endif
