#include "eval/base_store.h"

#include <config.h>
#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/str.h"

enum { KEY_DIGITS = 16 };

struct base_store {
    char *folder, *answers_path;
    char key[HASH_TEXT];       /* base and arithmetic */
    json_t *answers;
    bool changed;
    int fd;                    /* of hidden rows; -1: none */
    uint64_t chunk_bytes;
    int chunks;                /* so many are whole */
};

static char *path_of(const struct base_store *s, const char *key, const char *end)
{
    return xasprintf("%s/base-%.*s.%s", s->folder, KEY_DIGITS, key, end);
}

static void take_key(struct base_store *s, const struct model *base, bool as_gguf, enum activations activations)
{
    char fingerprint[HASH_TEXT];
    model_fingerprint(base, fingerprint);
    bool differs = as_gguf && base->hp.rope_ramp_exact; /* for most models both arithmetics are one */
    char *all = xasprintf("%s %s %d %d", PACKAGE_STRING, fingerprint, differs, activations);
    hash_bytes(s->key, all, strlen(all));
    free(all);
}

int base_store_open(struct base_store **out, const char *folder, const struct model *base, bool as_gguf,
                    enum activations activations, struct error *e)
{
    struct base_store *s = xcalloc(1, sizeof *s);
    s->folder = xstrdup(folder);
    s->fd = -1;
    take_key(s, base, as_gguf, activations);
    int rc = file_make_folder(folder, e);
    if (!rc) {
        s->answers_path = path_of(s, s->key, "json");
        json_t *kept = json_load_file(s->answers_path, 0, NULL);
        s->answers = json_is_object(kept) ? kept : json_object();
    }
    *out = s;
    if (rc) {
        base_store_close(s);
        *out = NULL;
    }
    return rc;
}

static void close_hidden(struct base_store *s)
{
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
}

void base_store_close(struct base_store *s)
{
    struct error ignored;
    if (!s)
        return;
    if (s->changed) {
        char *text = json_dumps(s->answers, JSON_INDENT(1) | JSON_SORT_KEYS | JSON_REAL_PRECISION(17));
        file_write(s->answers_path, text, strlen(text), &ignored);
        free(text);
    }
    close_hidden(s);
    json_decref(s->answers);
    free(s->answers_path);
    free(s->folder);
    free(s);
}

/* ---------------------------------------------------------------------- chunks */

void base_store_begin(struct base_store *s, const int32_t *tokens, size_t count, int context, int64_t floats)
{
    char text[HASH_TEXT], key[HASH_TEXT];
    struct stat st;
    if (!s)
        return;
    hash_bytes(text, tokens, count * sizeof *tokens);
    char *all = xasprintf("%s %s %d %lld", s->key, text, context, (long long)floats);
    char *path = path_of(s, hash_bytes(key, all, strlen(all)), "hidden");
    close_hidden(s);
    s->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    s->chunk_bytes = (uint64_t)floats * sizeof(float);
    s->chunks = s->fd >= 0 && fstat(s->fd, &st) == 0 ? (int)((uint64_t)st.st_size / s->chunk_bytes) : 0;
    free(all);
    free(path);
}

bool base_store_recall(struct base_store *s, int chunk, float *rows)
{
    return s && chunk < s->chunks &&
           pread(s->fd, rows, s->chunk_bytes, (off_t)(chunk * s->chunk_bytes)) == (ssize_t)s->chunk_bytes;
}

void base_store_keep(struct base_store *s, int chunk, const float *rows)
{
    if (!s || s->fd < 0 || chunk != s->chunks || (chunk + 1) * s->chunk_bytes > BASE_STORE_BYTES)
        return;
    if (pwrite(s->fd, rows, s->chunk_bytes, (off_t)(chunk * s->chunk_bytes)) == (ssize_t)s->chunk_bytes)
        s->chunks++;
}

/* --------------------------------------------------------------------- answers */

const json_t *base_store_answer(const struct base_store *s, const char *question)
{
    return s ? json_object_get(s->answers, question) : NULL;
}

double base_store_number(const struct base_store *s, const char *question)
{
    const json_t *j = base_store_answer(s, question);
    return json_is_number(j) ? json_number_value(j) : NAN;
}

void base_store_add(struct base_store *s, const char *question, json_t *answer)
{
    if (!s) {
        json_decref(answer);
        return;
    }
    json_object_set_new(s->answers, question, answer);
    s->changed = true;
}

/* -------------------------------------------------------------------- removing */

void base_store_remove(const char *folder)
{
    DIR *dir = opendir(folder);
    struct dirent *d;
    while (dir && (d = readdir(dir))) {
        bool ours = str_starts(d->d_name, "base-") && (str_ends(d->d_name, ".hidden") || str_ends(d->d_name, ".json"));
        char *path = path_join(folder, d->d_name);
        if (ours)
            unlink(path);
        free(path);
    }
    if (dir)
        closedir(dir);
    rmdir(folder);
}
