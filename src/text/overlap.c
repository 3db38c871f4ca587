#include "text/overlap.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"

/* A run is known by its hash of 64 bits: among a million runs two are mistaken for each other once in ten million
 * times. */
struct runs {
    uint64_t *slots;      /* a power of two of them, 0: empty */
    size_t mask, count;
};

static uint64_t mix(uint64_t h)
{
    h ^= h >> 32;
    h *= 0xD6E8FEB86659FD93u;
    h ^= h >> 32;
    h *= 0xD6E8FEB86659FD93u;
    return h ^ h >> 32;
}

static bool is_letter(unsigned char c)
{
    return isalnum(c) || c >= 0x80;
}

/* The next word's hash, or 0 at the end. */
static uint64_t next_word(const char **at, const char *end)
{
    const char *p = *at;
    uint64_t h = 0xCBF29CE484222325u; /* FNV-1a */
    while (p < end && !is_letter((unsigned char)*p))
        p++;
    bool any = p < end;
    for (; p < end && is_letter((unsigned char)*p); p++)
        h = (h ^ (uint64_t)tolower((unsigned char)*p)) * 0x100000001B3u;
    *at = p;
    return any ? h | 1 : 0;
}

typedef void (*run_taker)(void *user, uint64_t run);

static void runs_of(const char *text, size_t length, run_taker take, void *user)
{
    uint64_t words[OVERLAP_WORDS] = {0}, word;
    const char *end = text + length;
    for (int n = 1; (word = next_word(&text, end)); n++) {
        uint64_t run = 0;
        for (int i = 1; i < OVERLAP_WORDS; i++)
            words[i - 1] = words[i];
        words[OVERLAP_WORDS - 1] = word;
        for (int i = 0; i < OVERLAP_WORDS; i++)
            run = mix(run + words[i]);
        if (n >= OVERLAP_WORDS)
            take(user, run ? run : 1);
    }
}

static void runs_of_samples(const struct samples *s, run_taker take, void *user)
{
    for (int f = 0; f < s->file_count; f++) {
        const struct sample_file *file = &s->files[f];
        if (!file->records)
            runs_of(file->text, file->length, take, user);
        for (int i = file->first; i < file->first + file->count && file->records; i++)
            runs_of(s->items[i].text, s->items[i].length, take, user);
    }
}

static uint64_t *slot(const struct runs *r, uint64_t run)
{
    size_t i = run & r->mask;
    while (r->slots[i] && r->slots[i] != run)
        i = (i + 1) & r->mask;
    return &r->slots[i];
}

static void grow(struct runs *r)
{
    struct runs old = *r;
    r->mask = old.mask * 2 + 1;
    r->slots = xcalloc(r->mask + 1, sizeof *r->slots);
    for (size_t i = 0; i <= old.mask; i++)
        if (old.slots[i])
            *slot(r, old.slots[i]) = old.slots[i];
    free(old.slots);
}

static void add_run(void *user, uint64_t run)
{
    struct runs *r = user;
    if (r->count * 2 > r->mask)
        grow(r);
    uint64_t *at = slot(r, run);
    r->count += !*at;
    *at = run;
}

struct counted {
    const struct runs *other;
    int64_t all, found;
};

static void count_run(void *user, uint64_t run)
{
    struct counted *c = user;
    c->all++;
    c->found += *slot(c->other, run) != 0;
}

double samples_overlap(const struct samples *text, const struct samples *other)
{
    struct runs r = {.mask = 1023};
    struct counted c = {.other = &r};
    r.slots = xcalloc(r.mask + 1, sizeof *r.slots);
    runs_of_samples(other, add_run, &r);
    runs_of_samples(text, count_run, &c);
    free(r.slots);
    return c.all ? (double)c.found / (double)c.all : NAN;
}
