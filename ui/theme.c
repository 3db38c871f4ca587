#include "ui/theme.h"

#include <curses.h>
#include <langinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* Colours: of terminals with 8, and with 256 (the 6×6×6 cube and the greys, which no user theme changes).
 * -1 is the terminal's own. The attributes under `mono` serve where there is no colour. */
struct look {
    short fg8, bg8, fg256, bg256;
    attr_t colour, mono;
};
static const struct look looks[STYLE_COUNT] = {
    [STYLE_NORMAL] = {-1, -1, -1, -1, A_NORMAL, A_NORMAL},
    [STYLE_DIM] = {-1, -1, 245, -1, A_NORMAL, A_DIM},
    [STYLE_STRONG] = {-1, -1, -1, -1, A_BOLD, A_BOLD},
    [STYLE_ACCENT] = {COLOR_CYAN, -1, 37, -1, A_NORMAL, A_BOLD},
    [STYLE_GOOD] = {COLOR_GREEN, -1, 71, -1, A_NORMAL, A_NORMAL},
    [STYLE_WARN] = {COLOR_YELLOW, -1, 172, -1, A_NORMAL, A_BOLD},
    [STYLE_BAD] = {COLOR_RED, -1, 167, -1, A_NORMAL, A_BOLD},
    [STYLE_TITLE] = {COLOR_WHITE, COLOR_BLUE, 254, 24, A_NORMAL, A_REVERSE},
    [STYLE_BORDER] = {-1, -1, 242, -1, A_NORMAL, A_DIM},
    [STYLE_HEADING] = {COLOR_CYAN, -1, 37, -1, A_NORMAL, A_BOLD},
    [STYLE_SELECTED] = {COLOR_BLACK, COLOR_CYAN, 231, 31, A_NORMAL, A_REVERSE},
    [STYLE_KEY] = {-1, -1, -1, -1, A_BOLD, A_BOLD},
    [STYLE_LABEL] = {COLOR_BLACK, COLOR_CYAN, 254, 24, A_NORMAL, A_REVERSE},
    [STYLE_INPUT] = {-1, -1, -1, -1, A_UNDERLINE, A_UNDERLINE},
    [STYLE_WEIGHTS] = {COLOR_BLUE, -1, 67, -1, A_NORMAL, A_NORMAL},
    [STYLE_KV] = {COLOR_GREEN, -1, 71, -1, A_NORMAL, A_NORMAL},
    [STYLE_BUFFERS] = {COLOR_MAGENTA, -1, 139, -1, A_NORMAL, A_NORMAL},
    [STYLE_USED] = {COLOR_YELLOW, -1, 179, -1, A_NORMAL, A_NORMAL},
};

/* Pairs where a part of a bar meets the next one within a cell: foreground of one, the other's as
 * background. */
static const struct {
    enum style style, over;
} meetings[] = {
    {STYLE_WEIGHTS, STYLE_KV},
    {STYLE_WEIGHTS, STYLE_BUFFERS},
    {STYLE_KV, STYLE_BUFFERS},
    {STYLE_USED, STYLE_WEIGHTS},
};

static const char *const glyphs[GLYPH_COUNT][2] = {
    [GLYPH_STAR] = {"★", "*"},       [GLYPH_DONE] = {"✓", "v"},       [GLYPH_NO] = {"✗", "x"},
    [GLYPH_HERE] = {"▸", ">"},       [GLYPH_LEFT] = {"◂", "<"},       [GLYPH_RIGHT] = {"▸", ">"},
    [GLYPH_FULL] = {"█", "#"},       [GLYPH_SHADE_1] = {"▓", "="},    [GLYPH_SHADE_2] = {"▒", "-"},
    [GLYPH_TRACK] = {"·", "."},      [GLYPH_EDGE_LEFT] = {"▕", "["},  [GLYPH_EDGE_RIGHT] = {"▏", "]"},
    [GLYPH_OVER] = {"▶", "+"},       [GLYPH_SCROLL] = {"┃", "#"},
};
static const char *const lines[16][2] = {
    {" ", " "}, {"│", "|"}, {"│", "|"}, {"│", "|"}, {"─", "-"}, {"┘", "+"}, {"┐", "+"}, {"┤", "+"},
    {"─", "-"}, {"└", "+"}, {"┌", "+"}, {"├", "+"}, {"─", "-"}, {"┴", "+"}, {"┬", "+"}, {"┼", "+"},
};
static const char *const eighths[9][2] = {
    {" ", " "}, {"▏", " "}, {"▎", " "}, {"▍", "-"}, {"▌", "-"},
    {"▋", "="}, {"▊", "="}, {"▉", "#"}, {"█", "#"},
};
static const char *const eighths_up[9][2] = {
    {" ", " "}, {"▁", "_"}, {"▂", "."}, {"▃", ","}, {"▄", "-"},
    {"▅", "="}, {"▆", "+"}, {"▇", "*"}, {"█", "#"},
};

static bool ascii, colour;

static short foreground(enum style s)
{
    return COLORS >= 256 ? looks[s].fg256 : looks[s].fg8;
}

static short background(enum style s)
{
    return COLORS >= 256 ? looks[s].bg256 : looks[s].bg8;
}

void theme_start(void)
{
    const char *forced = getenv("QUANTWIZ_ASCII"), *none = getenv("NO_COLOR");
    ascii = (forced && strcmp(forced, "1") == 0) || strcmp(nl_langinfo(CODESET), "UTF-8") != 0;
    colour = !(none && *none) && has_colors() && start_color() == OK && use_default_colors() == OK;
    if (!colour)
        return;
    for (int s = 1; s < STYLE_COUNT; s++)
        init_pair(s, foreground(s), background(s));
    for (size_t i = 0; i < ARRAY_LENGTH(meetings); i++)
        init_pair(STYLE_COUNT + i, foreground(meetings[i].style), foreground(meetings[i].over));
}

bool theme_ascii(void)
{
    return ascii;
}

bool theme_colour(void)
{
    return colour;
}

const char *theme_glyph(enum glyph g)
{
    return glyphs[g][ascii];
}

const char *theme_line(unsigned directions)
{
    return lines[directions & 15][ascii];
}

const char *theme_eighth(int n)
{
    return eighths[n < 0 ? 0 : n > 8 ? 8 : n][ascii];
}

const char *theme_eighth_up(int n)
{
    return eighths_up[n < 0 ? 0 : n > 8 ? 8 : n][ascii];
}

struct style_bits theme_style(enum style s, enum style over)
{
    if (!colour)
        return (struct style_bits){looks[s].mono, 0};
    for (size_t i = 0; over && i < ARRAY_LENGTH(meetings); i++)
        if (meetings[i].style == s && meetings[i].over == over)
            return (struct style_bits){looks[s].colour, (short)(STYLE_COUNT + i)};
    return (struct style_bits){looks[s].colour, (short)s};
}

static void describe_colour(char *out, size_t size, short c)
{
    static const char *const basic[] = {"black", "red",     "green", "yellow",
                                        "blue",  "magenta", "cyan",  "white"};
    if (c < 0)
        snprintf(out, size, "default");
    else if (c < 8)
        snprintf(out, size, "%s", basic[c]);
    else
        snprintf(out, size, "%d", c);
}

const char *theme_describe(unsigned attributes, short pair, char out[static 64])
{
    short fg = -1, bg = -1;
    char fore[12], back[12];
    if (pair)
        pair_content(pair, &fg, &bg);
    describe_colour(fore, sizeof fore, fg);
    describe_colour(back, sizeof back, bg);
    snprintf(out, 64, "%s%s%s%s%s on %s", attributes & A_BOLD ? "bold " : "",
             attributes & A_DIM ? "dim " : "", attributes & A_REVERSE ? "reverse " : "",
             attributes & A_UNDERLINE ? "underlined " : "", fore, back);
    return out;
}
