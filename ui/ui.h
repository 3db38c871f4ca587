/* The loop: draws the page, hands it keys, acts on its answers. */
#ifndef UI_UI_H
#define UI_UI_H

#include "ui/keybar.h"
#include "ui/terminal.h"
#include "ui/wizard.h"

struct ui {
    struct wizard *w;
    int rows, cols;
    struct screen_layout layout;
    struct keybar_item bar[KEYBAR_MAX];
    int bar_count;
    double ticked;       /* when pages were last told that time goes by */
    bool quit;
};
struct ui_options {
    const char *script;  /* a file of steps; NULL: a person at a terminal */
    bool no_mouse;
};
int ui_run(struct wizard *w, const struct ui_options *o, struct error *e);

/* For the script driver. */
void ui_draw(struct ui *u);
void ui_tick(struct ui *u);

/* The keys that work on every page; each page lists its own. */
extern const struct page_key ui_global_keys[];

#endif
