/* A calibration text as the page Calibrate shows it, read by the other thread: its samples, their lengths, and how much
 * of the evaluation's text stands in it. */
#ifndef UI_TEXT_VIEW_H
#define UI_TEXT_VIEW_H

#include "model/model.h"
#include "text/samples.h"
#include "ui/jobs.h"

enum { TEXT_BINS = 16 };      /* by powers of two: 1, 2 to 3, 4 to 7, ... */

struct text_view {
    char *text, *evaluated;   /* whose samples these are, and what they were compared with; NULL: none */
    const struct model *model;
    struct samples samples;
    double overlap;           /* share of the text to evaluate on that stands in this one; NaN: unknown */
    double bins[TEXT_BINS];   /* samples by their tokens */
    int at;                   /* the sample shown */
    bool reading;
    struct error error;
    void (*ready)(void *owner); /* called on the screen's thread when a text was read */
};
/* Has `text` read where it is not there yet and nothing is being read; NULL: forgets what there is. Takes `evaluated`. */
void text_view_ask(struct text_view *v, struct jobs *q, const struct model *m, const char *text, char *evaluated);
void text_view_forget(struct text_view *v);

#endif
