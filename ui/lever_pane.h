/* The levers on the Estimates page: lines of its pane, each with the key that takes it. */
#ifndef UI_LEVER_PANE_H
#define UI_LEVER_PANE_H

#include "plan/lever.h"
#include "ui/text.h"
#include "ui/wizard.h"

enum { LEVER_KEY_FIRST = 'A', LEVER_KEY_LAST = 'K' }; /* capitals, since digits go to the steps */

struct lever_pane {
    struct levers levers;          /* the estimates' own, or of one row, in `arena` */
    int row;                       /* that they are for */
    unsigned made;                 /* wizard.estimates_made then */
    struct arena arena;
};
/* Those for this row of the estimates: where some level fits, a row's that does not; else those of the whole page. */
void lever_pane_find(struct lever_pane *p, const struct wizard *w, int row);
void lever_pane_add(const struct lever_pane *p, struct text *t, int width);
/* The one that a key stands for; NULL: none, or the pane is not of these estimates any more. */
const struct lever *lever_pane_at(const struct lever_pane *p, const struct wizard *w, int key);
void lever_pane_done(struct lever_pane *p);

#endif
