/* The terminal: started, left in order whatever happens, and asked for events. */
#ifndef UI_TERMINAL_H
#define UI_TERMINAL_H

#include <stdbool.h>

#include "base/error.h"

enum ui_event_kind {
    UI_TICK,     /* nothing happened for a while */
    UI_KEY, UI_CLICK, UI_WHEEL, UI_RESIZE,
    UI_WAKE,     /* background work finished */
    UI_END,      /* the script is over, or the terminal is gone */
};
struct ui_event {
    enum ui_event_kind kind;
    int key;     /* UI_KEY: see key.h; UI_WHEEL: K_UP or K_DOWN */
    int y, x;    /* UI_CLICK */
};

/* Standard error is collected meanwhile (a library's message would garble the screen) and printed at the
 * end. */
int terminal_open(bool mouse, struct error *e);
/* Draws into the void, at this size: for scripts. TERM says what can be drawn. */
int terminal_open_nowhere(int rows, int cols, struct error *e);
void terminal_close(void);
/* Only async-signal-safe calls: for die_hook and fatal signals. */
void terminal_restore(void);
/* Gives the shell its turn (Ctrl-Z). */
void terminal_suspend(void);

/* Waits for at most `timeout_ms`; `wake_fd` readable gives UI_WAKE. */
void terminal_next(int wake_fd, int timeout_ms, struct ui_event *out);

#endif
