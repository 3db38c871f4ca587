#include "ui/chart.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/mem.h"

double chart_resample(const double *values, int count, double *out, int columns)
{
    double largest = NAN;
    for (int c = 0; c < columns; c++) {
        int from = (int)((long)c * count / columns), to = (int)((long)(c + 1) * count / columns), n = 0;
        double sum = 0;
        for (int i = from; i < (to > from ? to : from + 1) && i < count; i++)
            if (!isnan(values[i])) {
                sum += values[i];
                n++;
            }
        out[c] = n ? sum / n : NAN;
        largest = n ? fmax(largest, out[c]) : largest;
    }
    return largest;
}

static void paint_bar(struct rect r, int x, int width, enum style s, double share)
{
    int eighths = (int)lround(share * r.h * 8);
    if (share > 0 && eighths == 0)
        eighths = 1;
    for (int row = 0; row < r.h && eighths > row * 8; row++)
        for (int i = 0; i < width; i++)
            paint_over(r, r.h - 1 - row, x + i, s, STYLE_NORMAL, theme_eighth_up(eighths - row * 8));
}

int chart_bars(struct rect r, enum style s, const double *values, int count)
{
    if (count < 1 || r.w < 1)
        return 0;
    int step = r.w / count > 4 ? 4 : r.w / count, columns = step ? count : r.w;
    double *cells = xcalloc(columns, sizeof *cells), largest = chart_resample(values, count, cells, columns);
    int pitch = step ? step : 1;
    for (int c = 0; c < columns && largest > 0; c++)
        if (!isnan(cells[c]))
            paint_bar(r, c * pitch, pitch > 2 ? pitch - 1 : pitch, s, cells[c] / largest);
    free(cells);
    return step;
}

/* ------------------------------------------------------------------- curves */

/* A braille cell is two dots wide and four high; the bits of U+2800 by column and row. */
static const unsigned char braille[2][4] = {{0x01, 0x02, 0x04, 0x40}, {0x08, 0x10, 0x20, 0x80}};

static void set_dot(int y, int x, int h, int w, unsigned char *cells)
{
    if (y >= 0 && y < h * 4 && x >= 0 && x < w * 2)
        cells[y / 4 * w + x / 2] |= braille[x % 2][y % 4];
}

/* Values outside of the range come to lie just outside of the canvas. */
static int dot_row(double value, double low, double high, int h)
{
    double row = high > low ? (high - value) / (high - low) * (h * 4 - 1) : (h * 4 - 1) / 2.0;
    return row < -1 ? -1 : row > h * 4 ? h * 4 : (int)lround(row);
}

/* The curve's value at dot column x, between its neighbours. */
static double value_at(const struct curve *c, int planned, int x, int dots)
{
    double at = planned > 1 && dots > 1 ? (double)x * (planned - 1) / (dots - 1) : 0;
    int i = (int)at;
    if (i >= c->count || (at > i && i + 1 >= c->count))
        return NAN;
    double part = at - i;
    return part > 0 ? c->values[i] * (1 - part) + c->values[i + 1] * part : c->values[i];
}

void chart_trace(const struct curve *c, int planned, double low, double high, int h, int w,
                 unsigned char *cells)
{
    enum { NOTHING = -2 };
    int before = NOTHING;
    for (int x = 0; x < w * 2; x++) {
        double value = value_at(c, planned, x, w * 2);
        if (isnan(value)) {
            before = NOTHING;
            continue;
        }
        int y = dot_row(value, low, high, h), from = before == NOTHING ? y : before, step = from < y ? 1 : -1;
        for (int at = from; at != y + step; at += step)
            if (!c->dotted || (x + at) % 2 == 0)
                set_dot(at, x, h, w, cells);
        before = y;
    }
}

static void paint_dots(struct rect r, int y, int x, const struct curve *c, unsigned char dots)
{
    char utf8[5] = {0};
    if (theme_ascii())
        strcpy(utf8, c->dotted ? "." : "*");
    else
        utf8proc_encode_char(0x2800 + dots, (utf8proc_uint8_t *)utf8);
    paint_over(r, y, x, c->style, STYLE_NORMAL, utf8);
}

void chart_curves(struct rect r, const struct curve *curves, int count, int planned, double low, double high)
{
    unsigned char *cells = xcalloc((size_t)count * r.h, r.w);
    for (int k = 0; k < count; k++)
        chart_trace(&curves[k], planned, low, high, r.h, r.w, cells + (size_t)k * r.h * r.w);
    for (int i = 0; i < r.h * r.w; i++) {
        unsigned char dots = 0;
        const struct curve *top = NULL;
        for (int k = 0; k < count; k++)
            if (cells[(size_t)k * r.h * r.w + i]) {
                dots |= cells[(size_t)k * r.h * r.w + i];
                top = &curves[k];
            }
        if (top)
            paint_dots(r, i / r.w, i % r.w, top, dots);
    }
    free(cells);
}
