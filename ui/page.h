/* A page of the wizard: one const table at the end of its file. Pages never call each other; they answer a
 * key with flags, and the loop (ui.c) acts on them. */
#ifndef UI_PAGE_H
#define UI_PAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "ui/layout.h"

struct wizard;

enum page_flags {
    PAGE_IGNORED = 0,
    PAGE_HANDLED = 1,
    PAGE_NEXT = 2,
    PAGE_BACK = 4,
    PAGE_QUIT = 8,
};

/* A key, listed once: the key bar, the help, the manual and the dispatch are made from it. */
struct page_key {
    int key, also;                            /* either of them; 0: none */
    const char *label;                        /* in the key bar; NULL: in the help alone */
    const char *help;                         /* what it does, for the help and the manual */
    int (*run)(struct wizard *w);             /* NULL: the page's `key` handles it */
    bool (*shown)(const struct wizard *w);    /* NULL: always */
};

struct page {
    const char *name;                         /* of the step: "Machine" */
    const char *about;                        /* help: what the page is for */
    const char *const *terms;                 /* help: names of glossary entries, NULL-terminated */
    const struct page_key *keys;              /* ends with {0} */
    size_t state_size;                        /* of what the page keeps; zeroed at the start */
    bool wide;                                /* takes the steps' columns where the screen is narrow */
    bool attached;                            /* there when attached to a run, too */
    const char *(*locked)(const struct wizard *w); /* why it cannot be opened now; NULL: it can */
    bool (*complete)(const struct wizard *w); /* gets its mark in the steps */
    void (*enter)(struct wizard *w);
    void (*draw)(struct wizard *w, struct rect page);
    int (*key)(struct wizard *w, int key);    /* keys that the table has not taken */
    bool (*typing)(const struct wizard *w);   /* takes text now: keys go to `key` before the table */
    int (*click)(struct wizard *w, int y, int x);
    int (*tick)(struct wizard *w);            /* a few times a second */
    void (*close)(struct wizard *w);          /* frees what the state holds */
};

/* For the keys of several pages. */
int page_go_next(struct wizard *w);
int page_go_back(struct wizard *w);
int page_go_doctor(struct wizard *w);

extern const struct page page_machine, page_model, page_wishes, page_estimates, page_calibrate, page_review,
    page_run, page_evaluate, page_report, page_compare, page_doctor;
enum page_number {
    PAGE_MACHINE,
    PAGE_MODEL,
    PAGE_WISHES,
    PAGE_ESTIMATES,
    PAGE_CALIBRATE,
    PAGE_REVIEW,
    PAGE_RUN,
    PAGE_EVALUATE,
    PAGE_REPORT,
    PAGE_STEPS,                               /* so many are steps; the others lie beside them: keys of pages open */
    PAGE_COMPARE = PAGE_STEPS,                /* them, and Back leads to the page before */
    PAGE_DOCTOR,
    PAGE_COUNT,
};
extern const struct page *const pages[PAGE_COUNT];

#endif
