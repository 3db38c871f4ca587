#include "ui/dialog.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "ui/frame.h"
#include "ui/key.h"
#include "ui/wizard.h"

enum { WIDTH_MAX = 74, MARGIN = 2, BUTTONS_IN_A_ROW = 3 };

struct dialog *dialog_open(struct wizard *w, const char *title, const char *body)
{
    struct dialog *d = xcalloc(1, sizeof *d);
    d->title = xstrdup(title);
    d->body = xstrdup(body);
    array_push(w->dialogs, w->dialog_count, w->dialog_capacity) = d;
    return d;
}

void dialog_choice(struct dialog *d, int key, const char *label)
{
    if (d->choices < DIALOG_CHOICES_MAX)
        d->choice[d->choices++] = (struct dialog_choice){key, xstrdup(label)};
}

void dialog_message(struct wizard *w, const char *title, const char *body)
{
    dialog_choice(dialog_open(w, title, body), 0, "OK");
}

void dialog_error(struct wizard *w, const struct error *e)
{
    dialog_message(w, "Something went wrong", e->text);
}

struct dialog *dialog_input(struct wizard *w, const char *title, const char *body, const char *initial,
                            int (*answer)(struct wizard *w, int choice, const char *typed, struct error *e))
{
    struct dialog *d = dialog_open(w, title, body);
    d->has_field = true;
    field_set(&d->field, initial ? initial : "");
    dialog_choice(d, 0, "OK");
    dialog_choice(d, 0, "Cancel");
    d->answer = answer;
    return d;
}

void dialog_free(struct dialog *d)
{
    for (int i = 0; i < d->choices; i++)
        free(d->choice[i].label);
    field_done(&d->field);
    text_done(&d->text);
    free(d->title);
    free(d->body);
    free(d->problem);
    free(d);
}

/* ------------------------------------------------------------------ drawing */

/* "[ label ]" and two blanks each. */
static int buttons_width(const struct dialog *d)
{
    int total = 0;
    for (int i = 0; i < d->choices; i++)
        total += paint_width(d->choice[i].label) + 6;
    return total;
}

static bool is_list(const struct dialog *d)
{
    return d->choices > BUTTONS_IN_A_ROW || buttons_width(d) > WIDTH_MAX - 2 * MARGIN;
}

static int choice_rows(const struct dialog *d)
{
    return is_list(d) ? d->choices : d->choices > 0;
}

/* Paragraph by paragraph, so that headings get their style. */
static void wrap_body(struct dialog *d, int width)
{
    text_clear(&d->text);
    for (const char *p = d->body; *p;) {
        size_t n = strcspn(p, "\n");
        bool heading = *p == '#';
        size_t skip = heading ? strspn(p, "# ") : 0;
        char *line = xstrndup(p + skip, n - skip);
        text_add(&d->text, width, heading ? STYLE_HEADING : STYLE_NORMAL, line, NULL);
        free(line);
        p += n + (p[n] == '\n');
    }
}

/* The rows below the body: field, problem or completions, choices. */
static int rows_below(const struct dialog *d)
{
    return (d->has_field ? 3 : 0) + (d->problem && !d->has_field ? 2 : 0) +
           (choice_rows(d) ? choice_rows(d) + 1 : 0);
}

static struct rect place(struct dialog *d, struct rect screen)
{
    int width = screen.w - 6 < WIDTH_MAX ? screen.w - 6 : WIDTH_MAX;
    wrap_body(d, width - 2 * MARGIN);
    int height = d->text.count + rows_below(d);
    height = height > screen.h - 4 ? screen.h - 4 : height;
    return rect_middle(screen, height, width);
}

static void paint_buttons(const struct dialog *d, struct rect r)
{
    int x = (r.w - buttons_width(d)) / 2;
    for (int i = 0; i < d->choices; i++) {
        enum style s = i == d->at ? STYLE_SELECTED : STYLE_NORMAL;
        x += paintf(r, 0, x, s, "[ %s ]", d->choice[i].label) + 2;
    }
}

static void paint_list(const struct dialog *d, struct rect r)
{
    for (int i = 0; i < d->choices; i++) {
        paintf(r, i, 0, STYLE_ACCENT, "%s", i == d->at ? theme_glyph(GLYPH_HERE) : " ");
        paint_field(r, i, 2, r.w - 2, ALIGN_LEFT, i == d->at ? STYLE_SELECTED : STYLE_NORMAL,
                    d->choice[i].label);
    }
}

static void paint_field_rows(const struct dialog *d, struct rect r)
{
    field_paint(&d->field, r, 0, 0, r.w);
    if (d->problem)
        paint_field(r, 1, 0, r.w, ALIGN_LEFT, STYLE_BAD, d->problem);
    else if (d->field.candidates)
        paint_field(r, 1, 0, r.w, ALIGN_LEFT, STYLE_DIM, d->field.candidates);
}

void dialog_paint(struct dialog *d, struct rect screen)
{
    struct rect box = place(d, screen), in = box;
    frame_box(box, d->title, d->field.complete ? "Tab completes" : NULL);
    in.x += MARGIN;
    in.w -= 2 * MARGIN;
    struct rect body = rect_cut_top(&in, in.h - rows_below(d), 0);
    body.w++; /* the margin is two columns wide: see text_paint */
    text_paint(&d->text, body);
    if (d->has_field) {
        in.y++;
        paint_field_rows(d, in);
        in.y += 2;
    } else if (d->problem) {
        paint_field(in, 1, 0, in.w, ALIGN_LEFT, STYLE_BAD, d->problem);
        in.y += 2;
    }
    in.y++;
    in.h = choice_rows(d);
    (is_list(d) ? paint_list : paint_buttons)(d, in);
}

/* --------------------------------------------------------------------- keys */

static bool finish(struct wizard *w, struct dialog *d, int choice)
{
    struct error e = {0};
    if (!d->answer || choice < 0 ||
        d->answer(w, choice, d->has_field ? field_text(&d->field) : NULL, &e) == 0)
        return true;
    free(d->problem);
    d->problem = xstrdup(e.text);
    return false;
}

static int choice_of_key(const struct dialog *d, int key)
{
    for (int i = 0; i < d->choices; i++)
        if (d->choice[i].key && d->choice[i].key == key)
            return i;
    return -1;
}

static void move_choice(struct dialog *d, int step)
{
    if (d->choices)
        d->at = (d->at + step + d->choices) % d->choices;
}

static bool field_takes(struct dialog *d, int key)
{
    if (!d->has_field || key == K_UP || key == K_DOWN || !field_key(&d->field, key))
        return false;
    free(d->problem);
    d->problem = NULL;
    return true;
}

/* A dialog with "OK" and "Cancel" behind a field: the second one cancels. */
static bool is_cancel(const struct dialog *d, int choice)
{
    return d->has_field && choice == d->choices - 1 && d->choices > 1;
}

bool dialog_key(struct wizard *w, struct dialog *d, int key)
{
    if (key == K_ESC || key == K_CTRL('c') || (key == K_F(10)))
        return finish(w, d, -1);
    if (field_takes(d, key))
        return false;
    int chosen = d->has_field ? -1 : choice_of_key(d, key);
    if (key == K_ENTER)
        chosen = d->at;
    if (chosen >= 0)
        return finish(w, d, is_cancel(d, chosen) ? -1 : chosen);
    if (key == K_TAB || key == K_RIGHT || (is_list(d) && (key == K_DOWN || key == 'j')))
        move_choice(d, 1);
    else if (key == K_BACKTAB || key == K_LEFT || (is_list(d) && (key == K_UP || key == 'k')))
        move_choice(d, -1);
    else if (!text_key(&d->text, key) && d->choices <= 1 && (key == 'q' || key == '?'))
        return finish(w, d, -1);
    return false;
}

bool dialog_click(struct wizard *w, struct dialog *d, struct rect screen, int y, int x)
{
    struct rect box = place(d, screen);
    int first = box.y + box.h - choice_rows(d);
    if (!rect_holds(box, y, x) || y < first)
        return false;
    if (is_list(d))
        return finish(w, d, y - first);
    int at = box.x + MARGIN + (box.w - 2 * MARGIN - buttons_width(d)) / 2;
    for (int i = 0; i < d->choices; i++) {
        int width = paint_width(d->choice[i].label) + 4;
        if (x >= at && x < at + width)
            return finish(w, d, is_cancel(d, i) ? -1 : i);
        at += width + 2;
    }
    return false;
}
