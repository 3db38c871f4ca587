/* A message is a row of fields: a varint that holds the field's number and how its value is stored, then
 * the value: a varint, 4 or 8 bytes, or a length and so many bytes. Messages within messages are stored as
 * bytes. Tables say which field of which message goes where; all others are passed over. */
#include "model/sentencepiece.h"

#include <stdlib.h>
#include <string.h>

enum wire { WIRE_VARINT, WIRE_FIXED64, WIRE_BYTES, WIRE_GROUP, WIRE_GROUP_END, WIRE_FIXED32 };

struct reader {
    const unsigned char *start, *at, *end; /* start: of the file, for offsets */
    const char *name;
    struct error *e;
};

struct field {
    unsigned number;
    enum wire wire;
    uint64_t value;             /* varint, fixed */
    const unsigned char *bytes; /* WIRE_BYTES: `value` of them */
};

/* ------------------------------------------------------------------- fields */

static int damaged(const struct reader *r, const char *what)
{
    return error_set(r->e, ERROR_FAILED, "cannot read %s: offset %zu: %s; it is damaged or no SentencePiece model",
                     r->name, (size_t)(r->at - r->start), what);
}

static int read_varint(struct reader *r, uint64_t *value)
{
    *value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
        if (r->at == r->end)
            return damaged(r, "the file ends within a number");
        unsigned char byte = *r->at++;
        *value |= (uint64_t)(byte & 0x7F) << shift;
        if (!(byte & 0x80))
            return 0;
    }
    return damaged(r, "a number has more than ten bytes");
}

static int read_fixed(struct reader *r, size_t bytes, uint64_t *value)
{
    *value = 0;
    if ((size_t)(r->end - r->at) < bytes)
        return damaged(r, "the file ends within a number");
    memcpy(value, r->at, bytes); /* little endian, as this machine */
    r->at += bytes;
    return 0;
}

static int read_bytes(struct reader *r, struct field *f)
{
    int rc = read_varint(r, &f->value);
    if (rc)
        return rc;
    if (f->value > (uint64_t)(r->end - r->at))
        return damaged(r, "a field claims more bytes than are left");
    f->bytes = r->at;
    r->at += f->value;
    return 0;
}

static int read_field(struct reader *r, struct field *f)
{
    uint64_t key;
    int rc = read_varint(r, &key);
    if (rc)
        return rc;
    *f = (struct field){.number = key >> 3 > UINT32_MAX ? 0 : (unsigned)(key >> 3), .wire = key & 7};
    if (f->number == 0)
        return damaged(r, "a field has the number 0");
    switch (f->wire) {
    case WIRE_VARINT: return read_varint(r, &f->value);
    case WIRE_FIXED64: return read_fixed(r, 8, &f->value);
    case WIRE_FIXED32: return read_fixed(r, 4, &f->value);
    case WIRE_BYTES: return read_bytes(r, f);
    default: return damaged(r, "a field is stored in an unknown way");
    }
}

/* Each field of a message goes to `take`. */
static int read_message(struct reader *r, const unsigned char *bytes, size_t size, void *user,
                        int (*take)(void *user, struct reader *r, const struct field *f))
{
    struct reader inner = {r->start, bytes, bytes + size, r->name, r->e};
    int rc = 0;
    while (!rc && inner.at < inner.end) {
        struct field f;
        if (!(rc = read_field(&inner, &f)))
            rc = take(user, &inner, &f);
    }
    return rc;
}

/* ----------------------------------------------------------------- messages */

struct place { /* where a number goes */
    unsigned number;
    enum { PLACE_INT, PLACE_BOOL } kind;
    void *value;
};

static void put_number(const struct place *places, size_t count, const struct field *f)
{
    for (size_t i = 0; i < count; i++) {
        if (places[i].number != f->number || f->wire != WIRE_VARINT)
            continue;
        if (places[i].kind == PLACE_BOOL)
            *(bool *)places[i].value = f->value != 0;
        else
            *(int32_t *)places[i].value = (int32_t)f->value;
    }
}

static int take_trainer(void *user, struct reader *r, const struct field *f)
{
    struct sentencepiece *s = user;
    int32_t algorithm = (int32_t)s->algorithm;
    const struct place places[] = {
        {3, PLACE_INT, &algorithm}, {24, PLACE_BOOL, &s->space_behind}, {40, PLACE_INT, &s->unk},
        {41, PLACE_INT, &s->bos},   {42, PLACE_INT, &s->eos},           {43, PLACE_INT, &s->pad},
    };
    put_number(places, ARRAY_LENGTH(places), f);
    if (algorithm < PIECES_UNIGRAM || algorithm > PIECES_CHAR)
        return damaged(r, "its kind of model is unknown");
    s->algorithm = algorithm;
    return 0;
}

static int take_normalizer(void *user, struct reader *r, const struct field *f)
{
    struct sentencepiece *s = user;
    const struct place places[] = {{3, PLACE_BOOL, &s->adds_space}, {4, PLACE_BOOL, &s->removes_spaces}};
    (void)r;
    put_number(places, ARRAY_LENGTH(places), f);
    if (f->number == 2 && f->wire == WIRE_BYTES && f->value > 0) {
        s->charsmap = f->bytes;
        s->charsmap_bytes = f->value;
    }
    return 0;
}

struct taking { /* a piece */
    struct sentencepiece *s;
    struct sentencepiece_piece piece;
};

static int take_piece(void *user, struct reader *r, const struct field *f)
{
    struct taking *t = user;
    int32_t type = (int32_t)t->piece.type;
    const struct place places[] = {{3, PLACE_INT, &type}};
    put_number(places, ARRAY_LENGTH(places), f);
    if (type < PIECE_NORMAL || type > PIECE_BYTE)
        return damaged(r, "a piece is of an unknown type");
    t->piece.type = type;
    if (f->number == 1 && f->wire == WIRE_BYTES) {
        if (f->value == 0 || memchr(f->bytes, 0, f->value))
            return damaged(r, "a piece is empty or has a zero byte in it");
        t->piece.text = arena_strndup(&t->s->arena, (const char *)f->bytes, f->value);
    } else if (f->number == 2 && f->wire == WIRE_FIXED32) {
        memcpy(&t->piece.score, &(uint32_t){(uint32_t)f->value}, sizeof t->piece.score);
    }
    return 0;
}

static int take_model(void *user, struct reader *r, const struct field *f)
{
    struct sentencepiece *s = user;
    struct taking t = {s, {.type = PIECE_NORMAL}};
    int rc;
    if (f->wire != WIRE_BYTES)
        return 0;
    if (f->number == 2)
        return read_message(r, f->bytes, f->value, s, take_trainer);
    if (f->number == 3)
        return read_message(r, f->bytes, f->value, s, take_normalizer);
    if (f->number != 1)
        return 0;
    if ((rc = read_message(r, f->bytes, f->value, &t, take_piece)))
        return rc;
    if (!t.piece.text || t.piece.score != t.piece.score)
        return damaged(r, "a piece has no text, or a score that is no number");
    array_push(s->pieces, s->count, s->capacity) = t.piece;
    return 0;
}

int sentencepiece_parse(struct sentencepiece *s, const void *bytes, size_t size, const char *name, struct error *e)
{
    struct reader r = {bytes, bytes, (const unsigned char *)bytes + size, name, e};
    *s = (struct sentencepiece){
        .algorithm = PIECES_UNIGRAM, .unk = 0, .bos = 1, .eos = 2, .pad = -1, .adds_space = true,
        .removes_spaces = true, /* as the .proto file has them where a file says nothing */
    };
    int rc = read_message(&r, bytes, size, s, take_model);
    return rc || s->count ? rc : damaged(&r, "there are no pieces");
}

void sentencepiece_done(struct sentencepiece *s)
{
    free(s->pieces);
    arena_done(&s->arena);
    *s = (struct sentencepiece){0};
}
