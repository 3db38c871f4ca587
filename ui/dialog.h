/* What lies over a page: a text, a question with buttons, a list to choose from, a line to type. */
#ifndef UI_DIALOG_H
#define UI_DIALOG_H

#include "base/error.h"
#include "ui/field.h"
#include "ui/text.h"

struct wizard;

enum { DIALOG_CHOICES_MAX = 12 };
struct dialog_choice {
    int key;              /* a letter that chooses it at once; 0: none */
    char *label;          /* owned */
};
struct dialog {
    char *title, *body;   /* body: paragraphs; a line that begins with '#' is a heading */
    struct dialog_choice choice[DIALOG_CHOICES_MAX];
    int choices, at;
    bool has_field;
    struct field field;
    struct text text;     /* the body as wrapped at the last drawing */
    char *problem;        /* what is wrong with the answer; NULL: nothing */
    /* Chosen: the number and what was typed (NULL without a field); -1 on Esc. 0 closes the dialog, an
     * error keeps it open and shows the text. NULL: closes. */
    int (*answer)(struct wizard *w, int choice, const char *typed, struct error *e);
};

/* They take no ownership; the newest lies on top. */
struct dialog *dialog_open(struct wizard *w, const char *title, const char *body);
void dialog_choice(struct dialog *d, int key, const char *label);
void dialog_message(struct wizard *w, const char *title, const char *body);
void dialog_error(struct wizard *w, const struct error *e);
struct dialog *dialog_input(struct wizard *w, const char *title, const char *body, const char *initial,
                            int (*answer)(struct wizard *w, int choice, const char *typed, struct error *e));

void dialog_paint(struct dialog *d, struct rect screen);
/* True when the dialog is over; the caller frees it with dialog_free. */
bool dialog_key(struct wizard *w, struct dialog *d, int key);
bool dialog_click(struct wizard *w, struct dialog *d, struct rect screen, int y, int x);
void dialog_free(struct dialog *d);

#endif
