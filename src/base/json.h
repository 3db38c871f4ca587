/* Small helpers over jansson, so that "unknown" is null everywhere. */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <jansson.h>
#include <stdio.h>

/* A number; null where it is NaN or infinite. Whole values print without a fraction. */
json_t *json_value(double value);
/* A text, invalid UTF-8 replaced; null for NULL. */
json_t *json_text(const char *text);
/* One line (compact) or indented, keys in insertion order; takes the reference. */
void json_print(FILE *out, json_t *object, int one_line);

#endif
