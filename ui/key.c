#include "ui/key.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/mem.h"

static const struct { int key; const char *name; } names[] = {
    {K_TAB, "Tab"}, {K_ENTER, "Enter"}, {K_ESC, "Esc"}, {K_BACKSPACE, "Backspace"}, {' ', "Space"},
    {K_UP, "Up"}, {K_DOWN, "Down"}, {K_LEFT, "Left"}, {K_RIGHT, "Right"}, {K_HOME, "Home"}, {K_END, "End"},
    {K_PAGE_UP, "PgUp"}, {K_PAGE_DOWN, "PgDn"}, {K_DELETE, "Del"}, {K_BACKTAB, "S-Tab"},
};

static int single_character(const char *name)
{
    utf8proc_int32_t code;
    utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)name, -1, &code);
    return n > 0 && code != 0 && !name[n] ? code : K_NONE;
}

int key_named(const char *name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
        if (strcmp(names[i].name, name) == 0)
            return names[i].key;
    if (name[0] == 'F' && name[1] >= '1' && name[1] <= '9') {
        int n = atoi(name + 1);
        return n <= 12 ? K_F(n) : K_NONE;
    }
    if (name[0] == 'C' && name[1] == '-' && name[2] >= 'a' && name[2] <= 'z' && !name[3])
        return K_CTRL(name[2]);
    return single_character(name);
}

const char *key_name(int key)
{
    static char ring[4][8];
    static int next;
    char *out = ring[next++ % 4];
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
        if (names[i].key == key)
            return names[i].name;
    if (key > K_F0 && key < K_END_OF_KEYS)
        snprintf(out, sizeof ring[0], "F%d", key - K_F0);
    else if (key > 0 && key < 27)
        snprintf(out, sizeof ring[0], "C-%c", key + 'a' - 1);
    else
        out[utf8proc_encode_char(key, (utf8proc_uint8_t *)out)] = 0;
    return out;
}
