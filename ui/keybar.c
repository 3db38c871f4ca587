#include "ui/keybar.h"

#include "ui/key.h"
#include "ui/paint.h"

/* Arrow keys are shown by arrows; a pair of them in one item. */
static const char *bar_key_name(int key)
{
    switch (key) {
    case K_LEFT: return theme_ascii() ? "<>" : "←→";
    case K_UP: return theme_ascii() ? "^v" : "↑↓";
    default: return key_name(key);
    }
}

static int collect(struct keybar_item *out, int room, const struct wizard *w, const struct page_key *keys)
{
    int n = 0;
    for (const struct page_key *k = keys; k && k->help && n < room; k++)
        if (k->label && (!k->shown || k->shown(w)))
            out[n++] = (struct keybar_item){k->key, k->label, 0,
                                            paint_width(bar_key_name(k->key)) + paint_width(k->label) + 3};
    return n;
}

static int total_width(const struct keybar_item *items, int count)
{
    int total = 0;
    for (int i = 0; i < count; i++)
        total += items[i].width;
    return total;
}

int keybar_place(struct keybar_item out[static KEYBAR_MAX], const struct wizard *w,
                 const struct page_key *global, const struct page_key *page, int width)
{
    struct keybar_item last[KEYBAR_MAX];
    int globals = collect(last, KEYBAR_MAX, w, global), count = 0, x = 0;
    if (globals > 0)
        out[count++] = last[0];
    count += collect(out + 1, KEYBAR_MAX - globals, w, page);
    while (count > 1 && total_width(out, count) + total_width(last + 1, globals - 1) > width)
        count--;
    for (int i = 1; i < globals; i++)
        out[count++] = last[i];
    for (int i = 0; i < count; x += out[i++].width)
        out[i].x = x;
    return count;
}

void keybar_paint(struct rect r, const struct keybar_item *items, int count)
{
    paint_fill(r, STYLE_NORMAL);
    for (int i = 0; i < count; i++) {
        int x = items[i].x + paint_text(r, 0, items[i].x, STYLE_KEY, bar_key_name(items[i].key));
        paintf(r, 0, x, STYLE_LABEL, " %s ", items[i].label);
    }
}

int keybar_hit(const struct keybar_item *items, int count, int x)
{
    for (int i = 0; i < count; i++)
        if (x >= items[i].x && x < items[i].x + items[i].width)
            return items[i].key;
    return K_NONE;
}
