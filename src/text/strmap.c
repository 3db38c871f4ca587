#include "text/strmap.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct strmap_slot {
    const char *text; /* NULL: free */
    uint32_t length, hash;
    int32_t value;
};

/* FNV-1a, 64 bits: http://www.isthe.com/chongo/tech/comp/fnv/ */
static const uint64_t FNV_BASIS = 0xcbf29ce484222325, FNV_PRIME = 0x100000001b3;

static uint64_t hash_more(uint64_t h, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        h = (h ^ (unsigned char)text[i]) * FNV_PRIME;
    return h;
}

/* The low bits choose the slot, so the better mixed high ones are folded in. */
static uint32_t hash_finish(uint64_t h)
{
    return (uint32_t)(h ^ h >> 32);
}

void strmap_init(struct strmap *m, size_t expected)
{
    size_t size = 16;
    while (size < 2 * expected)
        size *= 2;
    *m = (struct strmap){xcalloc(size, sizeof *m->slots), size - 1, 0};
}

void strmap_done(struct strmap *m)
{
    free(m->slots);
    *m = (struct strmap){0};
}

/* The slot that holds the string, or the free one where it belongs. */
static struct strmap_slot *find(const struct strmap *m, uint32_t hash, const char *a, size_t a_length, const char *b,
                                size_t b_length)
{
    for (size_t i = hash & m->mask;; i = (i + 1) & m->mask) {
        struct strmap_slot *s = &m->slots[i];
        if (!s->text || (s->hash == hash && s->length == a_length + b_length && memcmp(s->text, a, a_length) == 0 &&
                         memcmp(s->text + a_length, b, b_length) == 0))
            return s;
    }
}

static void grow(struct strmap *m)
{
    struct strmap old = *m;
    strmap_init(m, old.count * 2);
    for (size_t i = 0; i <= old.mask; i++)
        if (old.slots[i].text)
            *find(m, old.slots[i].hash, old.slots[i].text, old.slots[i].length, "", 0) = old.slots[i];
    m->count = old.count;
    free(old.slots);
}

bool strmap_add(struct strmap *m, const char *text, size_t length, int32_t value)
{
    if (2 * m->count > m->mask)
        grow(m);
    uint32_t hash = hash_finish(hash_more(FNV_BASIS, text, length));
    struct strmap_slot *s = find(m, hash, text, length, "", 0);
    if (s->text)
        return false;
    *s = (struct strmap_slot){text, (uint32_t)length, hash, value};
    m->count++;
    return true;
}

int32_t strmap_get_joined(const struct strmap *m, const char *a, size_t a_length, const char *b, size_t b_length)
{
    uint32_t hash = hash_finish(hash_more(hash_more(FNV_BASIS, a, a_length), b, b_length));
    const struct strmap_slot *s = find(m, hash, a, a_length, b, b_length);
    return s->text ? s->value : -1;
}

int32_t strmap_get(const struct strmap *m, const char *text, size_t length)
{
    return strmap_get_joined(m, text, length, "", 0);
}
