#include "text/samples.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/str.h"
#include "text/strmap.h"
#include "text/utf8.h"

enum {
    TEXT_LIMIT = 1 << 28,  /* bytes of all files together */
    DEPTH_LIMIT = 16,      /* folders in folders */
};

/* -------------------------------------------------------------------- files */

struct paths {
    char **items;
    int count, capacity;
};

static void paths_done(struct paths *p)
{
    for (int i = 0; i < p->count; i++)
        free(p->items[i]);
    free(p->items);
}

static bool is_text_name(const char *name)
{
    return str_ends(name, ".txt") || str_ends(name, ".jsonl") || str_ends(name, ".json");
}

static int is_wanted(const struct dirent *d)
{
    return d->d_name[0] != '.';
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int list_folder(struct paths *p, const char *folder, int depth, struct error *e);

static int list_entry(struct paths *p, const char *folder, const char *name, int depth, struct error *e)
{
    char *path = path_join(folder, name);
    int rc = 0;
    if (file_is_folder(path))
        rc = list_folder(p, path, depth + 1, e);
    else if (is_text_name(name) && file_is_plain(path))
        array_push(p->items, p->count, p->capacity) = xstrdup(path);
    free(path);
    return rc;
}

static int list_folder(struct paths *p, const char *folder, int depth, struct error *e)
{
    struct dirent **entries;
    if (depth > DEPTH_LIMIT)
        return error_set(e, ERROR_USAGE, "%s: more than %d folders in each other; is there a link to one above?",
                         folder, DEPTH_LIMIT);
    int count = scandir(folder, &entries, is_wanted, by_name), rc = 0;
    if (count < 0)
        return error_errno(e, "cannot read the folder %s", folder);
    for (int i = 0; i < count; i++) {
        rc = rc ? rc : list_entry(p, folder, entries[i]->d_name, depth, e);
        free(entries[i]);
    }
    free(entries);
    return rc;
}

static int check_size(const struct paths *p, const char *path, struct error *e)
{
    uint64_t bytes = 0;
    struct stat st;
    for (int i = 0; i < p->count; i++)
        bytes += stat(p->items[i], &st) == 0 ? (uint64_t)st.st_size : 0;
    if (bytes <= TEXT_LIMIT)
        return 0;
    char is[FORMAT_SIZE], most[FORMAT_SIZE];
    return error_set(e, ERROR_USAGE, "%s: %s of text, and %s at most are read; a part of it is enough", path,
                     format_bytes(is, (double)bytes), format_bytes(most, TEXT_LIMIT));
}

/* The files that `path` stands for. */
static int list_files(struct paths *p, const char *path, struct error *e)
{
    int rc = 0;
    if (file_is_folder(path))
        rc = list_folder(p, path, 0, e);
    else
        array_push(p->items, p->count, p->capacity) = xstrdup(path);
    if (!rc && !p->count)
        rc = error_set(e, ERROR_USAGE, "%s has no text in it: it should hold .txt or .jsonl files", path);
    return rc ? rc : check_size(p, path, e);
}

/* Of one file its own hash, so that sha256sum tells the same. */
static void hash_of_files(char out[static HASH_TEXT], const char *path, const struct paths *p,
                          const char (*hashes)[HASH_TEXT])
{
    struct str lines = {0};
    size_t skip = strlen(path) + !str_ends(path, "/");
    if (!file_is_folder(path)) {
        memcpy(out, hashes[0], HASH_TEXT);
        return;
    }
    for (int i = 0; i < p->count; i++)
        str_addf(&lines, "%s  %s\n", hashes[i], p->items[i] + skip);
    hash_bytes(out, lines.data, lines.length);
    str_done(&lines);
}

int samples_hash(char hash[static HASH_TEXT], const char *path, struct error *e)
{
    struct paths p = {0};
    uint64_t bytes;
    int rc = list_files(&p, path, e);
    char (*hashes)[HASH_TEXT] = xcalloc(p.count + 1, sizeof *hashes);
    for (int i = 0; i < p.count && !rc; i++)
        rc = hash_file(hashes[i], p.items[i], &bytes, e);
    if (!rc)
        hash_of_files(hash, path, &p, (const char (*)[HASH_TEXT])hashes);
    paths_done(&p);
    free(hashes);
    return rc;
}

/* ------------------------------------------------------------------ reading */

struct reader {
    struct samples *s;
    const struct tokenizer *tokenizer;
    struct strmap seen; /* records, and whole files of running text */
};

static bool is_new(struct reader *r, const char *text, size_t length)
{
    bool new = strmap_add(&r->seen, text, length, 0);
    r->s->duplicates += !new;
    return new;
}

static void add(struct samples *s, struct sample x)
{
    x.tokens = -1;
    x.file = s->file_count - 1;
    array_push(s->items, s->count, s->capacity) = x;
}

static void add_record(void *user, const char *text, size_t length, enum record_kind kind, int line)
{
    struct reader *r = user;
    if (strspn(text, " \t\r\n") == length) {
        r->s->too_short++;
    } else {
        const char *kept = arena_strndup(&r->s->arena, text, length);
        if (is_new(r, kept, length))
            add(r->s, (struct sample){.text = kept, .length = length, .line = line, .kind = kind});
    }
}

static bool is_blank_line(const char *p)
{
    p += strspn(p, " \t\r");
    return *p == '\n';
}

static int count_lines(const char *from, const char *to)
{
    int lines = 0;
    for (; from < to && (from = memchr(from, '\n', to - from)); from++)
        lines++;
    return lines;
}

static void read_paragraphs(struct samples *s, const char *p)
{
    const char *counted = p;
    int line = 1;
    while (*p) {
        const char *begin = p += strspn(p, " \t\r\n");
        while (*p && !(*p == '\n' && (!p[1] || is_blank_line(p + 1))))
            p++;
        line += count_lines(counted, begin);
        counted = begin;
        if (p > begin)
            add(s, (struct sample){.text = begin, .length = p - begin, .line = line});
    }
}

/* Some editors put it in front. */
#define BYTE_ORDER_MARK "\xEF\xBB\xBF"

/* Running text may well begin with a quotation mark or a bracket, so the name decides first. */
static bool holds_records(const char *text, const char *path)
{
    const char *first = text + strspn(text, " \t\r\n");
    if (str_ends(path, ".jsonl") || str_ends(path, ".json"))
        return true;
    return !str_ends(path, ".txt") && (*first == '{' || *first == '"');
}

static bool is_utf8(const char *text, size_t length, size_t *bad)
{
    for (size_t at = 0; at < length;) {
        *bad = at;
        uint32_t c = utf8_next(text, length, &at);
        if (!c || (c == UTF8_INVALID && at - *bad < 3))
            return false;
    }
    return true;
}

static int check_text(const char *text, size_t length, const char *path, struct error *e)
{
    size_t bad = 0;
    if (is_utf8(text, length, &bad))
        return 0;
    return error_set(e, ERROR_USAGE, "%s:%d: byte 0x%02X at offset %zu is no UTF-8; convert the text first (iconv -f"
                     " ENCODING -t UTF-8)", path, count_lines(text, text + bad) + 1, (unsigned char)text[bad], bad);
}

/* Takes `owned`. */
static int read_text(struct reader *r, char *owned, size_t length, const char *path, struct error *e)
{
    struct samples *s = r->s;
    const char *text = owned;
    if (str_starts(text, BYTE_ORDER_MARK)) {
        text += strlen(BYTE_ORDER_MARK);
        length -= strlen(BYTE_ORDER_MARK);
    }
    struct sample_file f = {.path = arena_strdup(&s->arena, path), .owned = owned, .text = text, .length = length,
                            .records = holds_records(text, path), .first = s->count};
    int rc = check_text(text, length, path, e);
    if (rc || (!f.records && !is_new(r, text, length))) {
        free(owned);
        return rc;
    }
    array_push(s->files, s->file_count, s->file_capacity) = f;
    if (f.records)
        rc = records_read(text, length, path, r->tokenizer, &(struct record_taker){add_record, r}, e);
    else
        read_paragraphs(s, text);
    s->files[s->file_count - 1].count = s->count - f.first;
    return rc;
}

static int read_file(struct reader *r, const char *path, uint64_t *left, char hash[static HASH_TEXT],
                     struct error *e)
{
    char *text;
    size_t length;
    int rc = file_read(path, *left, &text, &length, e);
    if (rc)
        return rc;
    *left -= length;
    hash_bytes(hash, text, length);
    return read_text(r, text, length, path, e);
}

/* Of characters that programs are full of, and prose is not. */
static double code_share(const struct sample *x)
{
    static const bool marks[256] = {
        ['{'] = true, ['}'] = true, ['('] = true, [')'] = true, ['['] = true, [']'] = true, ['<'] = true, ['>'] = true,
        ['='] = true, [';'] = true, ['_'] = true, ['#'] = true, ['/'] = true, ['\\'] = true, ['|'] = true, ['&'] = true,
    };
    size_t found = 0;
    for (size_t i = 0; i < x->length; i++)
        found += marks[(unsigned char)x->text[i]];
    return (double)found / (double)x->length;
}

static int finish(struct reader *r, const char *path, int rc, struct error *e)
{
    struct samples *s = r->s;
    for (int i = 0; i < s->count; i++)
        s->code_share += code_share(&s->items[i]) / s->count;
    strmap_done(&r->seen);
    if (!rc && !s->count)
        rc = error_set(e, ERROR_USAGE, "%s: no text in it", path);
    return rc;
}

int samples_parse(struct samples *s, const char *text, size_t length, const char *path, const struct tokenizer *t,
                  struct error *e)
{
    struct reader r = {.s = s, .tokenizer = t};
    *s = (struct samples){0};
    strmap_init(&r.seen, 64);
    hash_bytes(s->hash, text, length);
    return finish(&r, path, read_text(&r, xstrndup(text, length), strnlen(text, length), path, e), e);
}

int samples_read(struct samples *s, const char *path, const struct tokenizer *t, struct error *e)
{
    struct reader r = {.s = s, .tokenizer = t};
    struct paths p = {0};
    uint64_t left = TEXT_LIMIT;
    *s = (struct samples){0};
    strmap_init(&r.seen, 64);
    int rc = list_files(&p, path, e);
    char (*hashes)[HASH_TEXT] = xcalloc(p.count + 1, sizeof *hashes);
    for (int i = 0; i < p.count && !rc; i++)
        rc = read_file(&r, p.items[i], &left, hashes[i], e);
    if (!rc)
        hash_of_files(s->hash, path, &p, (const char (*)[HASH_TEXT])hashes);
    paths_done(&p);
    free(hashes);
    return finish(&r, path, rc, e);
}

void samples_done(struct samples *s)
{
    for (int i = 0; i < s->file_count; i++)
        free(s->files[i].owned);
    free(s->files);
    free(s->items);
    arena_done(&s->arena);
    *s = (struct samples){0};
}

/* ------------------------------------------------------------------- tokens */

void sample_encode(const struct sample *x, const struct tokenizer *t, int flags, struct tokens *out)
{
    tokenizer_encode(t, x->text, x->length, x->kind == RECORD_CHAT ? TOKENIZE_SPECIAL : flags, out);
}

/* Records that are too short give way to those behind them. */
static void drop_short(struct samples *s)
{
    int kept = 0;
    for (int f = 0; f < s->file_count; f++) {
        struct sample_file *file = &s->files[f];
        int first = kept;
        for (int i = file->first; i < file->first + file->count; i++)
            if (!file->records || s->items[i].tokens >= SAMPLE_SHORTEST)
                s->items[kept++] = s->items[i];
        file->first = first;
        file->count = kept - first;
    }
    s->too_short += s->count - kept;
    s->count = kept;
}

void samples_count_tokens(struct samples *s, const struct tokenizer *t)
{
    struct tokens tokens = {0};
    for (int i = 0; i < s->count; i++) {
        tokens.count = 0;
        sample_encode(&s->items[i], t, 0, &tokens);
        s->items[i].tokens = (int)tokens.count;
    }
    tokens_done(&tokens);
    drop_short(s);
}

int64_t samples_tokens(const struct samples *s)
{
    int64_t sum = 0;
    for (int i = 0; i < s->count; i++)
        sum += s->items[i].tokens;
    return sum;
}

static int by_value(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

int samples_quantile(const struct samples *s, double share)
{
    if (!s->count || s->items[0].tokens < 0)
        return 0;
    int *sorted = xmalloc(s->count * sizeof *sorted);
    for (int i = 0; i < s->count; i++)
        sorted[i] = s->items[i].tokens;
    qsort(sorted, s->count, sizeof *sorted, by_value);
    int value = sorted[(int)(share * (s->count - 1) + 0.5)];
    free(sorted);
    return value;
}
