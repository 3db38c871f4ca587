/* Growing strings, and numbers as people write and read them. */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A growing byte string; `data` is always NUL-terminated once something was added. Zero it to start. */
struct str {
    char *data;
    size_t length, capacity;
};
void str_add(struct str *s, const char *text);
void str_add_bytes(struct str *s, const void *bytes, size_t n);
void str_addf(struct str *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void str_add_char(struct str *s, char c);
/* A word as a POSIX shell reads it back, quoted where it must be; after a blank, unless it is the first. */
void str_add_word(struct str *s, const char *word);
/* One such word; the caller owns it. */
char *str_word(const char *word);
/* The text, never NULL; the caller owns it and `s` is empty again. */
char *str_take(struct str *s);
/* The same in an arena. */
struct arena;
char *str_keep(struct str *s, struct arena *a);
void str_done(struct str *s);

bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);
/* The same text, or both NULL. */
bool str_same(const char *a, const char *b);
/* Whether the word stands in a NULL-terminated list; NULL: no list. */
bool str_among(const char *const *list, const char *word);

/* The bytes of the character that `length` > 0 bytes begin with. Not `printable` is what must not reach a terminal:
 * control characters, separators of lines, marks that change a line's direction, bytes that are no UTF-8. */
size_t text_character(const char *text, size_t length, bool *printable);
/* Replaces such characters by '?', in place: for text from files that goes to a terminal. */
void text_make_printable(char *text);

/* "4.8 GiB", "310 MiB", "17 B"; returns `out`. */
enum { FORMAT_SIZE = 24 };
char *format_bytes(char out[static FORMAT_SIZE], double bytes);
/* "1:12", "2:03:04", "0.8 s". */
char *format_duration(char out[static FORMAT_SIZE], double seconds);
/* "7.25B", "135M", "4.6M". */
char *format_count(char out[static FORMAT_SIZE], double count);

/* "10GiB", "10G" (binary), "10GB" (decimal), "512MiB", "1024"; false when it is none of these. */
bool parse_bytes(const char *text, uint64_t *bytes);
/* "2%", "2", "0.5 %" -> 0.02, 0.02, 0.005. */
bool parse_percent(const char *text, double *fraction);
/* The whole of `text` as a number within [low, high]. */
bool parse_int(const char *text, int64_t low, int64_t high, int64_t *value);
bool parse_double(const char *text, double *value);

#endif
