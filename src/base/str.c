#include "base/str.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <utf8proc.h>

#include "base/mem.h"

static void reserve(struct str *s, size_t more)
{
    if (s->length + more + 1 <= s->capacity)
        return;
    s->capacity = (s->length + more + 1) * 2;
    s->data = xrealloc(s->data, s->capacity);
}

void str_add_bytes(struct str *s, const void *bytes, size_t n)
{
    reserve(s, n);
    if (n)
        memcpy(s->data + s->length, bytes, n);
    s->length += n;
    s->data[s->length] = 0;
}

void str_add(struct str *s, const char *text)
{
    str_add_bytes(s, text, strlen(text));
}

void str_add_char(struct str *s, char c)
{
    str_add_bytes(s, &c, 1);
}

void str_addf(struct str *s, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n > 0) {
        reserve(s, n);
        vsnprintf(s->data + s->length, n + 1, fmt, again);
        s->length += n;
    }
    va_end(again);
}

void str_add_word(struct str *s, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./=:,+%@";
    if (s->length)
        str_add_char(s, ' ');
    if (*word && !word[strspn(word, plain)]) {
        str_add(s, word);
        return;
    }
    str_add_char(s, '\'');
    for (const char *c = word; *c; c++)
        *c == '\'' ? str_add(s, "'\\''") : str_add_char(s, *c);
    str_add_char(s, '\'');
}

char *str_word(const char *word)
{
    struct str s = {0};
    str_add_word(&s, word);
    return str_take(&s);
}

char *str_take(struct str *s)
{
    char *text = s->data ? s->data : xstrdup("");
    *s = (struct str){0};
    return text;
}

char *str_keep(struct str *s, struct arena *a)
{
    char *text = arena_strdup(a, s->data ? s->data : "");
    str_done(s);
    return text;
}

void str_done(struct str *s)
{
    free(s->data);
    *s = (struct str){0};
}

bool str_starts(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_ends(const char *s, const char *suffix)
{
    size_t n = strlen(s), m = strlen(suffix);
    return n >= m && strcmp(s + n - m, suffix) == 0;
}

bool str_same(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

bool str_among(const char *const *list, const char *word)
{
    for (; list && *list; list++)
        if (strcmp(*list, word) == 0)
            return true;
    return false;
}

static bool steers(utf8proc_int32_t c)
{
    utf8proc_category_t k = utf8proc_category(c);
    return k == UTF8PROC_CATEGORY_CC || k == UTF8PROC_CATEGORY_ZL || k == UTF8PROC_CATEGORY_ZP ||
           (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);
}

size_t text_character(const char *text, size_t length, bool *printable)
{
    utf8proc_int32_t c;
    utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)length, &c);
    *printable = n > 0 && !steers(c);
    return n > 0 ? (size_t)n : 1;
}

void text_make_printable(char *text)
{
    char *to = text;
    for (size_t left = strlen(text), n; left; text += n, left -= n) {
        bool printable;
        n = text_character(text, left, &printable);
        if (printable)
            to = (char *)memmove(to, text, n) + n;
        else
            *to++ = '?';
    }
    *to = 0;
}

char *format_bytes(char out[static FORMAT_SIZE], double bytes)
{
    static const char *const unit[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    size_t u = 0;
    while (bytes >= 1023.95 && u + 1 < ARRAY_LENGTH(unit)) {
        bytes /= 1024;
        u++;
    }
    snprintf(out, FORMAT_SIZE, u && bytes < 99.95 ? "%.1f %s" : "%.0f %s", bytes, unit[u]);
    return out;
}

char *format_duration(char out[static FORMAT_SIZE], double seconds)
{
    long s = lround(seconds);
    if (seconds < 9.95)
        snprintf(out, FORMAT_SIZE, "%.1f s", seconds);
    else if (s < 3600)
        snprintf(out, FORMAT_SIZE, "%ld:%02ld", s / 60, s % 60);
    else
        snprintf(out, FORMAT_SIZE, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
    return out;
}

char *format_count(char out[static FORMAT_SIZE], double count)
{
    if (count >= 1e12)
        snprintf(out, FORMAT_SIZE, "%.3gT", count / 1e12);
    else if (count >= 1e9)
        snprintf(out, FORMAT_SIZE, "%.3gB", count / 1e9);
    else if (count >= 1e6)
        snprintf(out, FORMAT_SIZE, "%.3gM", count / 1e6);
    else if (count >= 1e3)
        snprintf(out, FORMAT_SIZE, "%.3gK", count / 1e3);
    else
        snprintf(out, FORMAT_SIZE, "%.0f", count);
    return out;
}

bool parse_bytes(const char *text, uint64_t *bytes)
{
    static const struct { const char *suffix; double scale; } unit[] = {
        {"", 1}, {"b", 1},
        {"k", 0x1p10}, {"ki", 0x1p10}, {"kib", 0x1p10}, {"kb", 1e3},
        {"m", 0x1p20}, {"mi", 0x1p20}, {"mib", 0x1p20}, {"mb", 1e6},
        {"g", 0x1p30}, {"gi", 0x1p30}, {"gib", 0x1p30}, {"gb", 1e9},
        {"t", 0x1p40}, {"ti", 0x1p40}, {"tib", 0x1p40}, {"tb", 1e12},
    };
    char *end;
    errno = 0;
    double value = strtod(text, &end);
    if (end == text || errno || !(value >= 0) || !isfinite(value))
        return false;
    while (*end == ' ')
        end++;
    for (size_t i = 0; i < ARRAY_LENGTH(unit); i++)
        if (strcasecmp(end, unit[i].suffix) == 0 && value * unit[i].scale < 0x1p63) {
            *bytes = (uint64_t)llround(value * unit[i].scale);
            return true;
        }
    return false;
}

bool parse_double(const char *text, double *value)
{
    char *end;
    errno = 0;
    double v = strtod(text, &end);
    if (end == text || *end || errno || !isfinite(v))
        return false;
    *value = v;
    return true;
}

bool parse_percent(const char *text, double *fraction)
{
    char *end;
    errno = 0;
    double v = strtod(text, &end);
    if (end == text || errno || !isfinite(v) || v < 0)
        return false;
    while (*end == ' ')
        end++;
    if (*end == '%')
        end++;
    if (*end)
        return false;
    *fraction = v / 100;
    return true;
}

bool parse_int(const char *text, int64_t low, int64_t high, int64_t *value)
{
    char *end;
    errno = 0;
    long long v = strtoll(text, &end, 10);
    if (end == text || *end || errno || v < low || v > high)
        return false;
    *value = v;
    return true;
}
