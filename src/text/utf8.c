#include "text/utf8.h"

#include <stdlib.h>

int utf8_announced(unsigned char first)
{
    return first < 0xC0 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
}

uint32_t utf8_next(const char *text, size_t length, size_t *at)
{
    const unsigned char *s = (const unsigned char *)text + *at;
    int n = utf8_announced(s[0]);
    uint32_t c = n == 1 ? s[0] : s[0] & (0x7F >> n);
    bool whole = (size_t)n <= length - *at && s[0] < 0xF8 && !(n == 1 && s[0] >= 0x80);
    for (int i = 1; whole && i < n; i++) {
        whole = (s[i] & 0xC0) == 0x80;
        c = c << 6 | (s[i] & 0x3F);
    }
    whole = whole && c <= 0x10FFFF;
    *at += whole ? n : 1;
    return whole ? c : UTF8_INVALID;
}

int utf8_put(char out[static 4], uint32_t c)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    int n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (int i = n - 1; i > 0; i--, c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3F));
    out[0] = (char)(0xF00 >> n | c);
    return n;
}

bool utf8_is_space(uint32_t c)
{
    return (c >= '\t' && c <= '\r') || c == ' ' || c == 0x85 || c == 0xA0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

void utf8_clean(struct str *out, const char *text, size_t length)
{
    for (size_t at = 0; at < length;) {
        char bytes[4];
        size_t plain = at;
        while (plain < length && !(text[plain] & 0x80))
            plain++;
        str_add_bytes(out, text + at, plain - at);
        if ((at = plain) < length)
            str_add_bytes(out, bytes, utf8_put(bytes, utf8_next(text, length, &at)));
    }
}

static int compare_range(const void *character, const void *row)
{
    const struct utf8_range *r = row;
    uint32_t c = *(const uint32_t *)character;
    return c < r->first ? -1 : c > r->last;
}

const void *utf8_range_of(uint32_t c, const void *rows, size_t count, size_t row_size)
{
    return bsearch(&c, rows, count, row_size, compare_range);
}
