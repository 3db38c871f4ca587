#include "ui/speed_pane.h"

#include <math.h>
#include <stdio.h>

#include "base/str.h"
#include "ui/paint.h"

/* Rows come with the most telling one first, as far as the pane goes; figures that nobody took take no row. */
struct rows {
    struct rect in;
    int y;                /* of the next; above the pane: not painted */
};

static bool shown(struct rows *r)
{
    bool inside = r->y >= 0 && r->y < r->in.h;
    r->y += !inside;
    return inside;
}

static void row(struct rows *r, const char *label, const char *format, double value, double base)
{
    char text[32];
    if (!(value > 0) || !shown(r))
        return;
    snprintf(text, sizeof text, format, value);
    int x = paintf(r->in, r->y, 0, STYLE_NORMAL, "%-8s%6s", label, text);
    snprintf(text, sizeof text, format, base);
    if (base > 0)
        paintf(r->in, r->y, x + 1, STYLE_DIM, "base %s", text);
    r->y++;
}

static void row_bytes(struct rows *r, const char *label, double value, double base)
{
    char a[FORMAT_SIZE], b[FORMAT_SIZE];
    if (!(value > 0 && base > 0) || !shown(r))
        return;
    paintf(r->in, r->y++, 0, STYLE_NORMAL, "%s %s of %s", label, format_bytes(a, value), format_bytes(b, base));
}

static void row_runtime(struct rows *r, const struct run_runtime *t)
{
    if (!shown(r))
        return;
    if (t->error)
        paintf(r->in, r->y++, 0, STYLE_WARN, "%s: %s", t->program ? t->program : "?", t->error);
    else
        paintf(r->in, r->y++, 0, STYLE_NORMAL, "%s %.*f, reads %.0f", t->program ? t->program : "?",
               t->decode_tokens_per_s < 100 ? 1 : 0, t->decode_tokens_per_s, t->prefill_tokens_per_s);
}

/* Digits that say something. */
static const char *rate_format(double value)
{
    return value < 100 ? "%.1f" : "%.0f";
}

static int add_rows(const struct run_state *s, struct rows r)
{
    const struct eval_result *e = &s->eval;
    int from = r.y;
    double prefill = e->figures.prefill_tokens_per_s, decode = e->figures.decode_tokens_per_s;
    row(&r, "prefill", rate_format(prefill), prefill, e->base_prefill_tokens_per_s);
    row(&r, "decode", rate_format(decode), decode, e->base_decode_tokens_per_s);
    row_bytes(&r, "size", (double)e->bytes, (double)e->bytes_base);
    for (int i = 0; i < s->runtime_count; i++)
        row_runtime(&r, &s->runtimes[i]);
    row(&r, "1st, ms", "%.0f", 1000 * e->cost.ttft_s, 1000 * e->base_cost.ttft_s);
    row(&r, "next, ms", "%.1f", e->cost.ms_per_token, e->base_cost.ms_per_token);
    row_bytes(&r, "memory", e->cost.rss_bytes, e->base_cost.rss_bytes);
    return r.y - from;
}

void speed_pane_draw(const struct run_state *s, struct rect in, bool second)
{
    int count = add_rows(s, (struct rows){{in.y, in.x, 0, in.w}, 0});
    add_rows(s, (struct rows){in, second && count > in.h ? -in.h : 0});
}
