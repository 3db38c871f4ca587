/* The pane "speed" of the page Evaluate: what answering costs with our own engine, and in the runtime itself. */
#ifndef UI_SPEED_PANE_H
#define UI_SPEED_PANE_H

#include <stdbool.h>

#include "run/run_state.h"
#include "ui/layout.h"

/* `second`: where not all rows fit, those that do not fit first are shown. */
void speed_pane_draw(const struct run_state *r, struct rect in, bool second);

#endif
