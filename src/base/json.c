#include "base/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/mem.h"
#include "base/str.h"

json_t *json_value(double value)
{
    if (!isfinite(value))
        return json_null();
    if (value == floor(value) && fabs(value) < 9e15)
        return json_integer((json_int_t)value);
    return json_real(value);
}

json_t *json_text(const char *text)
{
    if (!text)
        return json_null();
    json_t *j = json_string(text);
    if (j)
        return j;
    struct str clean = {0};
    utf8proc_ssize_t left = (utf8proc_ssize_t)strlen(text);
    for (const utf8proc_uint8_t *p = (const utf8proc_uint8_t *)text; left > 0;) {
        utf8proc_int32_t code;
        utf8proc_ssize_t n = utf8proc_iterate(p, left, &code);
        if (n > 0)
            str_add_bytes(&clean, p, n);
        else
            str_add(&clean, "\xef\xbf\xbd");
        p += n > 0 ? n : 1;
        left -= n > 0 ? n : 1;
    }
    char *s = str_take(&clean);
    j = json_string(s);
    free(s);
    return j ? j : json_null();
}

void json_print(FILE *out, json_t *object, int one_line)
{
    json_dumpf(object, out, (one_line ? JSON_COMPACT : JSON_INDENT(2)) | JSON_REAL_PRECISION(10));
    fputc('\n', out);
    fflush(out);
    json_decref(object);
}
