/* The safetensors files of a folder: one, or several with an index that says which tensor is in which. */
#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "model/hf.h"

enum { INDEX_MAX = 64 << 20, FILES_MAX = 4096, NAMED_MAX = 5 };

#define SINGLE "model.safetensors"
#define INDEX "model.safetensors.index.json"

/* ---------------------------------------------------------------- which files */

struct names {
    char **items;
    int count, capacity;
};

static void names_done(struct names *n)
{
    for (int i = 0; i < n->count; i++)
        free(n->items[i]);
    free(n->items);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Sorted, each once. */
static void names_sort(struct names *n)
{
    int kept = 0;
    if (n->count)
        qsort(n->items, n->count, sizeof *n->items, by_text);
    for (int i = 0; i < n->count; i++)
        if (kept && strcmp(n->items[kept - 1], n->items[i]) == 0)
            free(n->items[i]);
        else
            n->items[kept++] = n->items[i];
    n->count = kept;
}

static bool has_file(const struct hf *h, const char *name)
{
    return file_exists_in(h->folder, name);
}

/* The object "weight_map": tensor to file. A file's name must not lead out of the folder. */
static int read_weight_map(const struct hf *h, const json_t *index, struct names *n, struct error *e)
{
    json_t *map = json_object_get(index, "weight_map"), *file;
    const char *tensor;
    if (!json_is_object(map) || json_object_size(map) == 0)
        return error_set(e, ERROR_FAILED, "cannot read %s/" INDEX ": it has no weight_map; get it again",
                         h->folder);
    json_object_foreach(map, tensor, file) {
        const char *name = json_string_value(file);
        if (!name || !*name || strchr(name, '/') || !str_ends(name, ".safetensors"))
            return error_set(e, ERROR_FAILED,
                             "cannot read %s/" INDEX ": the tensor %.100s is said to be in '%.100s', which is"
                             " no .safetensors file of this folder; get it again",
                             h->folder, tensor, name ? name : "");
        array_push(n->items, n->count, n->capacity) = xstrdup(name);
    }
    names_sort(n);
    return 0;
}

static int read_index(const struct hf *h, json_t **index, struct error *e)
{
    char *path = path_join(h->folder, INDEX), *text = NULL;
    size_t length;
    json_error_t je;
    int rc = file_read(path, INDEX_MAX, &text, &length, e);
    *index = rc ? NULL : json_loadb(text, length, 0, &je);
    if (!rc && !*index)
        rc = error_set(e, ERROR_FAILED, "cannot read %s: line %d: %s; get it again", path, je.line, je.text);
    free(text);
    free(path);
    return rc;
}

/* Without an index: shards by their names. */
static void list_shards(const struct hf *h, struct names *n)
{
    DIR *dir = opendir(h->folder);
    struct dirent *d;
    while (dir && (d = readdir(dir)))
        if (str_starts(d->d_name, "model-") && str_ends(d->d_name, ".safetensors"))
            array_push(n->items, n->count, n->capacity) = xstrdup(d->d_name);
    if (dir)
        closedir(dir);
    names_sort(n);
}

static int no_files(const struct hf *h, struct error *e)
{
    if (has_file(h, "pytorch_model.bin") || has_file(h, "pytorch_model.bin.index.json"))
        return error_set(
            e, ERROR_FAILED,
            "cannot open %s: it holds PyTorch .bin files only, which can run code when they are"
            " opened and are not read here; convert them safely: torch.load(FILE, weights_only=True), then"
            " safetensors.torch.save_file, or take the repository's safetensors revision",
            h->folder);
    if (has_file(h, "consolidated.safetensors"))
        return error_set(e, ERROR_FAILED,
                         "cannot open %s: its weights are in Mistral's own format (consolidated.safetensors):"
                         " get the repository's model*.safetensors",
                         h->folder);
    return error_set(e, ERROR_FAILED, "cannot open %s: it has a config.json, but no model.safetensors and no"
                     " " INDEX "; get the weights too", h->folder);
}

/* Where "model-00002-of-00003.safetensors" is one of those there, all three are wanted. */
static void complete_shards(struct names *n)
{
    int number, count, end = 0;
    if (n->count == 0 || sscanf(n->items[0], "model-%5d-of-%5d.safetensors%n", &number, &count, &end) != 2 ||
        !end || count < 1 || count > FILES_MAX)
        return;
    for (int i = 1; i <= count; i++)
        array_push(n->items, n->count, n->capacity) = xasprintf("model-%05d-of-%05d.safetensors", i, count);
    names_sort(n);
}

/* `index` stays NULL where there is none. */
static int list_files(const struct hf *h, struct names *n, json_t **index, struct error *e)
{
    if (has_file(h, INDEX))
        return read_index(h, index, e) || read_weight_map(h, *index, n, e) ? e->code : 0;
    if (has_file(h, SINGLE))
        array_push(n->items, n->count, n->capacity) = xstrdup(SINGLE);
    else
        list_shards(h, n);
    complete_shards(n);
    return n->count ? 0 : no_files(h, e);
}

/* Names the files that are not there, up to a few. */
static int check_missing(const struct hf *h, const struct names *n, struct error *e)
{
    struct str list = {0};
    int missing = 0;
    for (int i = 0; i < n->count; i++)
        if (!has_file(h, n->items[i]) && missing++ < NAMED_MAX)
            str_addf(&list, "%s%s", missing > 1 ? ", " : "", n->items[i]);
    if (missing > NAMED_MAX)
        str_add(&list, ", ...");
    int rc = 0;
    if (missing)
        rc = error_set(e, ERROR_FAILED, "cannot open %s: %d of %d files are missing: %s; get them too",
                       h->folder, missing, n->count, list.data);
    str_done(&list);
    return rc;
}

/* ------------------------------------------------------------------- opening */

static int open_files(struct hf *h, const struct names *n, struct error *e)
{
    if (n->count > FILES_MAX)
        return error_set(e, ERROR_FAILED, "cannot open %s: %d files of weights, at most %d can be", h->folder,
                         n->count, FILES_MAX);
    h->files = xcalloc(n->count, sizeof *h->files);
    for (int i = 0; i < n->count; i++) {
        char *path = path_join(h->folder, n->items[i]);
        int rc = safetensors_open(&h->files[h->file_count++], path, e);
        free(path);
        if (rc)
            return rc;
    }
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const struct stored_tensor *const *)a)->name,
                  (*(const struct stored_tensor *const *)b)->name);
}

/* The place of a name among those before `count`, or NULL. */
static const struct stored_tensor **find(const struct hf *h, const char *name)
{
    const struct stored_tensor wanted = {.name = name}, *key = &wanted;
    return h->stored_count ? bsearch(&key, h->stored, h->stored_count, sizeof *h->stored, by_name) : NULL;
}

static int index_stored(struct hf *h, struct error *e)
{
    size_t count = 0;
    for (int i = 0; i < h->file_count; i++)
        count += h->files[i].count;
    const struct stored_tensor **list = xcalloc(count + 1, sizeof *list);
    for (int i = 0, n = 0; i < h->file_count; i++)
        for (int k = 0; k < h->files[i].count; k++)
            list[n++] = &h->files[i].tensors[k];
    int rc = hf_stored_set(h, list, (int)count, e);
    free(list);
    return rc;
}

int hf_stored_set(struct hf *h, const struct stored_tensor *const *list, int count, struct error *e)
{
    h->stored = arena_alloc(&h->arena, ((size_t)count + 1) * sizeof *h->stored);
    h->used = arena_alloc(&h->arena, (size_t)count + 1);
    h->stored_count = count;
    memcpy(h->stored, list, count * sizeof *list);
    if (count)
        qsort(h->stored, count, sizeof *h->stored, by_name);
    for (int i = 1; i < h->stored_count; i++)
        if (strcmp(h->stored[i - 1]->name, h->stored[i]->name) == 0)
            return error_set(e, ERROR_FAILED,
                             "cannot open %s: the tensor %.100s is in %s and in %s; take away what does not"
                             " belong",
                             h->folder, h->stored[i]->name, path_name(h->stored[i - 1]->path),
                             path_name(h->stored[i]->path));
    return 0;
}

/* Every tensor that the index names must be in the file that it names. */
static int check_index(const struct hf *h, const json_t *index, struct error *e)
{
    json_t *map = json_object_get(index, "weight_map"), *file;
    const char *name;
    json_object_foreach(map, name, file) {
        const struct stored_tensor *t = hf_stored(h, name);
        if (!t || strcmp(path_name(t->path), json_string_value(file)) != 0)
            return error_set(e, ERROR_FAILED,
                             "cannot read %s/%s: it lacks the tensor %.100s, which " INDEX " says it has; get"
                             " both again",
                             h->folder, json_string_value(file), name);
    }
    return 0;
}

int hf_files_open(struct hf *h, struct error *e)
{
    struct names n = {0};
    json_t *index = NULL;
    int rc = list_files(h, &n, &index, e);
    if (!rc)
        rc = check_missing(h, &n, e);
    if (!rc)
        rc = open_files(h, &n, e);
    if (!rc)
        rc = index_stored(h, e);
    if (!rc && index)
        rc = check_index(h, index, e);
    json_decref(index);
    names_done(&n);
    return rc;
}

const struct stored_tensor *hf_stored(const struct hf *h, const char *name)
{
    const struct stored_tensor **t = find(h, name);
    return t ? *t : NULL;
}

int hf_stored_error(const struct stored_tensor *t, struct error *e, const char *fmt, ...)
{
    char text[400];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return error_set(e, ERROR_FAILED, "cannot read %s: the tensor %.100s %s", t->path, t->name, text);
}

void hf_use(struct hf *h, const struct stored_tensor *t)
{
    h->used[find(h, t->name) - h->stored] = true;
}
