/* Looking for checkpoints. One walk serves all places: look_in() lists a folder, takes the files that are models and
 * goes into folders below. What differs are the roots, the names that people see, and Ollama's manifests.
 *
 * A folder or file is identified by device and inode and taken once, so links cannot make loops or doubles. Nothing is
 * opened but folders and Ollama's manifests; the clock is looked at before each entry. */
#include "model/discover.h"

#include <dirent.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "model/shard.h"

enum {
    DEPTH_MAX = 3,             /* folders below a root */
    MANIFEST_MAX = 1 << 20,    /* bytes; Ollama's have a few hundred */
};

struct seen { dev_t device; ino_t inode; };

struct search {
    struct found_models *found;
    const char *place;
    double deadline;
    void *seen;                /* tsearch tree of struct seen */
};

/* ------------------------------------------------------------- time and loops */

static bool out_of_time(struct search *s)
{
    if (clock_monotonic() > s->deadline)
        s->found->complete = false;
    return !s->found->complete;
}

static int compare_seen(const void *a, const void *b)
{
    const struct seen *x = a, *y = b;
    if (x->device != y->device)
        return x->device < y->device ? -1 : 1;
    return x->inode < y->inode ? -1 : x->inode > y->inode;
}

/* True the first time that this file or folder is met. */
static bool first_time(struct search *s, const struct stat *st)
{
    struct seen *key = xmalloc(sizeof *key);
    *key = (struct seen){st->st_dev, st->st_ino};
    struct seen **node = tsearch(key, &s->seen, compare_seen);
    if (!node)
        die("out of memory");
    if (*node == key)
        return true;
    free(key);
    return false;
}

/* -------------------------------------------------------------------- entries */

static void add(struct search *s, const char *path, const char *name, uint64_t bytes)
{
    struct found_models *f = s->found;
    char *printable = xstrdup(name);
    text_make_printable(printable);
    array_push(f->items, f->count, f->capacity) =
        (struct found_model){.path = xstrdup(path), .name = printable, .place = s->place, .bytes = bytes};
}

typedef void visitor(struct search *s, const char *path, const char *name, void *user);

struct names {
    char **items;
    int count, capacity;
};

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names in a folder that do not start with a dot, sorted, so that what is found does not depend on the disk. */
static struct names read_names(struct search *s, const char *folder)
{
    struct names n = {0};
    DIR *dir = opendir(folder);
    struct dirent *entry;
    while (dir && !out_of_time(s) && (entry = readdir(dir)))
        if (entry->d_name[0] != '.')
            array_push(n.items, n.count, n.capacity) = xstrdup(entry->d_name);
    if (dir)
        closedir(dir);
    if (n.count)
        qsort(n.items, n.count, sizeof *n.items, compare_names);
    return n;
}

/* Calls `visit` for each entry of a folder; not twice for the same folder. */
static void each_entry(struct search *s, const char *folder, visitor *visit, void *user)
{
    struct stat st;
    if (out_of_time(s) || stat(folder, &st) != 0 || !S_ISDIR(st.st_mode) || !first_time(s, &st))
        return;
    struct names n = read_names(s, folder);
    for (int i = 0; i < n.count; i++) {
        char *path = path_join(folder, n.items[i]);
        if (!out_of_time(s))
            visit(s, path, n.items[i], user);
        free(path);
        free(n.items[i]);
    }
    free(n.items);
}

/* ------------------------------------------------------------ files and folders */

static bool ends_with(const char *s, const char *suffix)
{
    size_t n = strlen(s), k = strlen(suffix);
    return n > k && strcasecmp(s + n - k, suffix) == 0;
}

/* Parts of vision models and importance matrices are GGUF files too, but no models. */
static bool is_model_name(const char *name)
{
    return ends_with(name, ".gguf") && !strcasestr(name, "mmproj") && !ends_with(name, "imatrix.gguf");
}

static uint64_t set_bytes(const char *path, int count)
{
    uint64_t bytes = 0;
    for (int i = 1; i <= count; i++) {
        struct stat st;
        char *shard = shard_path(path, i, count);
        if (stat(shard, &st) == 0)
            bytes += st.st_size;
        free(shard);
    }
    return bytes;
}

/* A file, or a set of shards by its first. */
static void take_file(struct search *s, const char *path, const char *name, const struct stat *st)
{
    int number, count;
    bool shard = shard_name(path, &number, &count);
    if ((shard && number != 1) || !first_time(s, st))
        return;
    add(s, path, name, shard ? set_bytes(path, count) : (uint64_t)st->st_size);
}

struct look {
    const char *prefix;        /* of names: "org/name/" */
    int depth;                 /* folders that may still be entered */
    bool config;               /* the folder has a config.json */
    uint64_t safetensors;      /* bytes of its *.safetensors */
};
static void look_in(struct search *s, const char *folder, const char *prefix, int depth);

static void visit_file_or_folder(struct search *s, const char *path, const char *name, void *user)
{
    struct look *l = user;
    struct stat st;
    if (stat(path, &st) != 0)
        return;
    char *full = xasprintf("%s%s", l->prefix, name);
    if (S_ISDIR(st.st_mode) && l->depth > 0) {
        char *below = xasprintf("%s/", full);
        look_in(s, path, below, l->depth - 1);
        free(below);
    } else if (S_ISREG(st.st_mode) && is_model_name(name)) {
        take_file(s, path, full, &st);
    } else if (S_ISREG(st.st_mode) && ends_with(name, ".safetensors")) {
        l->safetensors += st.st_size;
    } else if (S_ISREG(st.st_mode) && strcmp(name, "config.json") == 0) {
        l->config = true;
    }
    free(full);
}

/* GGUF files below a folder; and the folder itself, where it is a Hugging Face checkpoint. */
static void look_in(struct search *s, const char *folder, const char *prefix, int depth)
{
    struct look l = {.prefix = prefix, .depth = depth};
    each_entry(s, folder, visit_file_or_folder, &l);
    if (!l.config || !l.safetensors)
        return;
    char *name = *prefix ? xstrndup(prefix, strlen(prefix) - 1) : xstrdup(path_name(folder));
    add(s, folder, name, l.safetensors);
    free(name);
}

/* ---------------------------------------------------------------- Hugging Face */

static void visit_snapshot(struct search *s, const char *path, const char *name, void *user)
{
    (void)name;
    look_in(s, path, user, DEPTH_MAX);
}

/* "models--org--name" holds snapshots/COMMIT/FILES, links into blobs/. */
static void visit_repository(struct search *s, const char *path, const char *name, void *user)
{
    (void)user;
    if (!str_starts(name, "models--"))
        return;
    struct str prefix = {0};
    for (const char *p = name + strlen("models--"); *p; p++) {
        bool slash = p[0] == '-' && p[1] == '-';
        str_add_char(&prefix, slash ? '/' : *p);
        p += slash;
    }
    str_add_char(&prefix, '/');
    char *snapshots = path_join(path, "snapshots");
    each_entry(s, snapshots, visit_snapshot, prefix.data);
    free(snapshots);
    str_done(&prefix);
}

static void look_in_hub(struct search *s, const char *root)
{
    each_entry(s, root, visit_repository, NULL);
}

/* --------------------------------------------------------------------- Ollama */

struct manifest {
    const char *root;
    const char *name;          /* so far: "registry.ollama.ai/library/llama3.2/" */
    int level;                 /* host, namespace, model, tag */
};

/* "registry.ollama.ai/library/llama3.2/1b" is "llama3.2:1b" for people. */
static char *ollama_name(const char *full)
{
    static const char *const hidden[] = {"registry.ollama.ai/", "library/"};
    for (size_t i = 0; i < ARRAY_LENGTH(hidden); i++)
        if (str_starts(full, hidden[i]))
            full += strlen(hidden[i]);
    char *name = xstrdup(full), *slash = strrchr(name, '/');
    if (slash)
        *slash = ':';
    return name;
}

/* "sha256:" and 64 digits: nothing else may become part of a path. */
static bool is_digest(const char *digest)
{
    return digest && str_starts(digest, "sha256:") && strspn(digest + 7, "0123456789abcdef") == 64 && !digest[7 + 64];
}

static void take_blob(struct search *s, const struct manifest *m, const char *full, const char *digest)
{
    struct stat st;
    char *blob = xasprintf("%s/blobs/sha256-%s", m->root, digest + 7), *name = ollama_name(full);
    if (stat(blob, &st) == 0 && S_ISREG(st.st_mode))
        add(s, blob, name, st.st_size); /* two tags of one blob are two names that people know */
    free(blob);
    free(name);
}

/* {"layers": [{"mediaType": "application/vnd.ollama.image.model", "digest": "sha256:…"}, …]} */
static void read_manifest(struct search *s, const struct manifest *m, const char *path, const char *full)
{
    struct error e = {0};
    char *text;
    size_t i, length;
    json_t *layer;
    if (file_read(path, MANIFEST_MAX, &text, &length, &e))
        return;
    json_t *root = json_loadb(text, length, 0, NULL);
    json_array_foreach(json_object_get(root, "layers"), i, layer) {
        const char *type = json_string_value(json_object_get(layer, "mediaType"));
        const char *digest = json_string_value(json_object_get(layer, "digest"));
        if (type && strcmp(type, "application/vnd.ollama.image.model") == 0 && is_digest(digest)) {
            take_blob(s, m, full, digest);
            break;
        }
    }
    json_decref(root);
    free(text);
}

static void visit_manifest(struct search *s, const char *path, const char *name, void *user)
{
    const struct manifest *m = user;
    struct stat st;
    char *full = xasprintf("%s%s%s", m->name, m->level ? "/" : "", name);
    struct manifest below = {.root = m->root, .name = full, .level = m->level + 1};
    if (m->level < 3)
        each_entry(s, path, visit_manifest, &below);
    else if (stat(path, &st) == 0 && S_ISREG(st.st_mode))
        read_manifest(s, m, path, full);
    free(full);
}

static void look_in_ollama(struct search *s, const char *root)
{
    struct manifest m = {.root = root, .name = ""};
    char *manifests = path_join(root, "manifests");
    each_entry(s, manifests, visit_manifest, &m);
    free(manifests);
}

/* ---------------------------------------------------------------------- places */

static void look_in_folder(struct search *s, const char *root)
{
    look_in(s, root, "", DEPTH_MAX);
}

/* Where each program keeps its models: below a variable's value, or at a path. Every one that exists is looked at. */
static const struct place {
    const char *name;
    void (*look)(struct search *s, const char *root);
    const char *variable;      /* NULL: `below` is the path */
    const char *below;
} places[] = {
    {"huggingface", look_in_hub, "HF_HUB_CACHE", ""},
    {"huggingface", look_in_hub, "HUGGINGFACE_HUB_CACHE", ""},
    {"huggingface", look_in_hub, "HF_HOME", "/hub"},
    {"huggingface", look_in_hub, "XDG_CACHE_HOME", "/huggingface/hub"},
    {"huggingface", look_in_hub, "HOME", "/.cache/huggingface/hub"},
    {"llama.cpp", look_in_folder, "LLAMA_CACHE", ""},
    {"llama.cpp", look_in_folder, "XDG_CACHE_HOME", "/llama.cpp"},
    {"llama.cpp", look_in_folder, "HOME", "/.cache/llama.cpp"},
    {"ollama", look_in_ollama, "OLLAMA_MODELS", ""},
    {"ollama", look_in_ollama, "HOME", "/.ollama/models"},
    {"ollama", look_in_ollama, NULL, "/usr/share/ollama/.ollama/models"},
    {"lmstudio", look_in_folder, "HOME", "/.lmstudio/models"},
    {"lmstudio", look_in_folder, "HOME", "/.cache/lm-studio/models"},
};

static void look_in_place(struct search *s, const struct place *p)
{
    const char *value = p->variable ? getenv(p->variable) : "";
    if (!value || (p->variable && !*value))
        return;
    char *base = path_expand(value), *root = xasprintf("%s%s", base, p->below);
    s->place = p->name;
    p->look(s, root);
    free(base);
    free(root);
}

static int compare_found(const void *a, const void *b)
{
    const struct found_model *x = a, *y = b;
    int by_place = strcmp(x->place, y->place), by_name = strcmp(x->name, y->name);
    return by_place ? by_place : by_name ? by_name : strcmp(x->path, y->path);
}

void discover_models(struct found_models *f, const char *folder, double seconds)
{
    *f = (struct found_models){.complete = true};
    struct search s = {.found = f, .place = "folder", .deadline = clock_monotonic() + seconds};
    look_in(&s, folder ? folder : ".", "", DEPTH_MAX);
    for (size_t i = 0; i < ARRAY_LENGTH(places); i++)
        look_in_place(&s, &places[i]);
    tdestroy(s.seen, free);
    if (f->count)
        qsort(f->items, f->count, sizeof *f->items, compare_found);
}

char *discover_named(const char *place, const char *name)
{
    enum { SECONDS = 60 };
    struct found_models f = {.complete = true};
    struct search s = {.found = &f, .deadline = clock_monotonic() + SECONDS};
    char *path = NULL;
    for (size_t i = 0; i < ARRAY_LENGTH(places); i++)
        if (strcmp(places[i].name, place) == 0)
            look_in_place(&s, &places[i]);
    tdestroy(s.seen, free);
    for (int i = 0; i < f.count && !path; i++)
        if (strcmp(f.items[i].name, name) == 0)
            path = xstrdup(f.items[i].path);
    found_models_done(&f);
    return path;
}

void found_models_done(struct found_models *f)
{
    for (int i = 0; i < f->count; i++) {
        free(f->items[i].path);
        free(f->items[i].name);
    }
    free(f->items);
    *f = (struct found_models){0};
}
