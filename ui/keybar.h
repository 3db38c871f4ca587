/* The keys along the bottom, as in htop: the key, then what it does. */
#ifndef UI_KEYBAR_H
#define UI_KEYBAR_H

#include "ui/page.h"

enum { KEYBAR_MAX = 24 };
struct keybar_item {
    int key;
    const char *label;
    int x, width;
};
/* Keys of the page between the global ones; those that do not fit into `width` are left out, the page's last
 * ones first. Returns how many. */
int keybar_place(struct keybar_item out[static KEYBAR_MAX], const struct wizard *w,
                 const struct page_key *global, const struct page_key *page, int width);
void keybar_paint(struct rect r, const struct keybar_item *items, int count);
int keybar_hit(const struct keybar_item *items, int count, int x); /* the key, or K_NONE */

#endif
