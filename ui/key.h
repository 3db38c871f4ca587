/* Keys by number and by name. Printable characters are their Unicode number, Ctrl-A to Ctrl-Z are 1 to 26,
 * keys without a character start above Unicode. The names are what scripts, help and the manual say. */
#ifndef UI_KEY_H
#define UI_KEY_H

enum ui_key {
    K_NONE = 0,
    K_TAB = 9, K_ENTER = 13, K_ESC = 27, K_BACKSPACE = 127,
    K_UP = 0x110000, K_DOWN, K_LEFT, K_RIGHT, K_HOME, K_END, K_PAGE_UP, K_PAGE_DOWN, K_DELETE,
    K_BACKTAB,
    K_F0, /* K_F(n) */
    K_END_OF_KEYS = K_F0 + 13,
};
#define K_F(n) (K_F0 + (n))
#define K_CTRL(c) ((c) & 31)

/* "F1", "Enter", "C-c"; a printable character is its own name. K_NONE: no such key. */
int key_named(const char *name);
/* Borrowed from a static ring of a few buffers. */
const char *key_name(int key);

#endif
