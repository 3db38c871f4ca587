/* Allocation that cannot fail (it dies, after restoring the terminal), an arena, a growing array. */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* Once, at the start: what is large goes back to the system as soon as it is freed. Left alone, the C library keeps pieces of
 * up to 32 MiB after the first of them was freed, and a walk through a model's layers leaves holes in them. */
void mem_prepare(void);
void *xmalloc(size_t size) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t count, size_t size) __attribute__((malloc, returns_nonnull));
void *xrealloc(void *p, size_t size);
char *xstrdup(const char *s) __attribute__((malloc, returns_nonnull));
char *xstrndup(const char *s, size_t n) __attribute__((malloc, returns_nonnull));
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2), malloc, returns_nonnull));
char *xvasprintf(const char *fmt, va_list ap) __attribute__((format(printf, 1, 0), malloc, returns_nonnull));
/* 64-byte aligned, for vector code; free() it. */
void *xaligned(size_t size) __attribute__((malloc, returns_nonnull));

/* Many small pieces with one lifetime: arena_alloc never fails, arena_done frees all. Zero it to start. */
struct arena {
    struct arena_block *blocks;
};
void *arena_alloc(struct arena *a, size_t size) __attribute__((returns_nonnull)); /* zeroed, 16-byte aligned */
char *arena_strdup(struct arena *a, const char *s);
char *arena_strndup(struct arena *a, const char *s, size_t n);
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void arena_done(struct arena *a);

/* Appends to `T *array` with its `count` and `capacity`: array_push(items, count, capacity) = item; */
#define array_push(array, count, capacity)                                                       \
    (*((count) < (capacity) ? &(array)[(count)++]                                                \
                            : (((capacity) = (capacity) ? (capacity) * 2 : 8),                   \
                               ((array) = xrealloc((array), (capacity) * sizeof *(array))),      \
                               &(array)[(count)++])))

#define ARRAY_LENGTH(a) (sizeof(a) / sizeof *(a))

#endif
