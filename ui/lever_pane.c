#include "ui/lever_pane.h"

#include <stdlib.h>

void lever_pane_find(struct lever_pane *p, const struct wizard *w, int row)
{
    const struct estimates *s = w->estimates;
    if (p->row == row && p->made == w->estimates_made)
        return;
    arena_done(&p->arena);
    *p = (struct lever_pane){.row = row, .made = w->estimates_made};
    if (s->rows[row].recommended || s->recommended < 0)
        p->levers = s->levers;
    else if (s->rows[row].verdict == VERDICT_TOO_BIG)
        levers_find(&p->levers, &p->arena, s, row, w->machine, w->model, &w->wishes, w->rules);
}

static void add_head(struct text *t, int width, const struct levers *l)
{
    static const char *const heads[] = {
        [LEVERS_FIT_ANY] = "What would help, the cheapest first:",
        [LEVERS_FIT_BETTER] = "One change that makes a level fit which is favoured more, the cheapest first:",
        [LEVERS_FIT_ROW] = "What would make it fit, the cheapest first:",
        [LEVERS_SPEED] = "What would be faster, the cheapest first:",
    };
    text_add(t, width, STYLE_ACCENT, heads[l->goal], NULL);
}

static void add_lever(struct text *t, int width, const struct lever *l, int key)
{
    bool good = (l->enough && !l->lossy) || l->together;
    char *line = xasprintf("%c%s %s", key, l->together ? "+" : "", l->text);
    text_add(t, width, good ? STYLE_GOOD : STYLE_NORMAL, line, l->where);
    free(line);
}

void lever_pane_add(const struct lever_pane *p, struct text *t, int width)
{
    if (p->levers.count)
        add_head(t, width, &p->levers);
    for (int i = 0; i < p->levers.count; i++)
        add_lever(t, width, &p->levers.items[i], LEVER_KEY_FIRST + i <= LEVER_KEY_LAST ? LEVER_KEY_FIRST + i : ' ');
}

const struct lever *lever_pane_at(const struct lever_pane *p, const struct wizard *w, int key)
{
    int i = key - LEVER_KEY_FIRST;
    return p->made == w->estimates_made && i >= 0 && i < p->levers.count ? &p->levers.items[i] : NULL;
}

void lever_pane_done(struct lever_pane *p)
{
    arena_done(&p->arena);
}
