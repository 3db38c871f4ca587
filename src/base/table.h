/* A table for people: columns as wide as their widest cell (in terminal columns), numbers to the right. */
#ifndef BASE_TABLE_H
#define BASE_TABLE_H

#include <stdio.h>

struct table {
    char **cells;
    int columns, count, capacity; /* cells so far: rows × columns */
    const char *align;            /* a letter a column: 'l' or 'r' */
};
/* `align` also says how many columns. */
void table_init(struct table *t, const char *align);
/* Adds one cell, made printable; rows fill by themselves. */
void table_add(struct table *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Prints with two blanks between columns; the first row is the heading, followed by a rule where `rule`. */
void table_print(const struct table *t, FILE *out, int rule);
void table_done(struct table *t);

/* Terminal columns that a UTF-8 text takes. */
int text_width(const char *utf8);

#endif
