/* What the pages share: the machine, the model, the wishes, and all that follows from them. Owned by the
 * screen's thread; jobs (jobs.h) bring what takes long. */
#ifndef UI_WIZARD_H
#define UI_WIZARD_H

#include "machine/machine.h"
#include "model/discover.h"
#include "model/model.h"
#include "plan/estimate.h"
#include "plan/plan.h"
#include "plan/rules.h"
#include "plan/wishes.h"
#include "run/run_state.h"
#include "ui/dialog.h"
#include "ui/hub.h"
#include "ui/jobs.h"
#include "ui/mix.h"
#include "ui/page.h"

struct wizard_options {
    const char *model;          /* checkpoint to begin with; NULL: to be chosen */
    const char *pre;            /* the pre-tokenizer of folders where it is not recognized; NULL: none is named */
    const char *machine_file;   /* replay this machine; NULL: this computer */
    const char *out_folder;     /* where artefacts and runs go; NULL: the current folder */
    const char *attach;         /* run folder: only Run, Evaluate and Report are shown; NULL: the whole way */
    const struct wishes *wishes;/* set on the command line */
};

/* A checkpoint that was looked at: kept open (it is only mapped), so going back to it is free. */
struct opened_model {
    char *path, *name;          /* name: for people */
    struct model *model;        /* NULL while it is being opened, or where that failed */
    bool pending, given;        /* given: named by hand */
    bool wanted;                /* to be chosen when it is open */
    struct error error;
};

struct wizard {
    struct wizard_options options;
    struct jobs *jobs;

    struct machine *machine;    /* NULL until it was detected */
    bool detecting, measuring;  /* measuring: a job reads `machine`, which must stay */
    struct error machine_error;

    struct found_models found;
    bool searching;
    unsigned models_changed;    /* counts changes of `found`, `opened` and `hub` */
    struct hub_view hub;
    struct opened_model **opened;
    int opened_count, opened_capacity;
    struct model *model;        /* the chosen one, of `opened`; NULL: none yet */

    struct rules *rules;
    struct wishes wishes;
    struct estimates *estimates;/* NULL until machine and model are known */
    struct error estimates_error;
    struct mix_view mix;        /* the estimates may have a row for one */
    unsigned estimates_made;    /* counts how often */
    char level[24];             /* the chosen row; "": the recommended one */
    bool nearest;               /* weights are rounded one by one, whatever a text could make good */
    int samples;                /* of the calibration text, at most; 0: as the plan suggests */

    struct plan *plan;          /* of the chosen row; NULL: to be made */
    struct error plan_error;
    struct run_state run;
    bool has_run;
    const char *series;         /* the folder of a plan with variants that was attached to; NULL: none */
    struct plan *run_plan;      /* what the run is doing, as its folder says */
    char **runs;                /* found at the start: alive or interrupted; NULL-terminated, or NULL */

    int page, asked_page;       /* asked_page: where a dialog's answer wants to go; -1 */
    int page_before;            /* of a page beside the steps: where Back leads */
    bool visited[PAGE_COUNT], asked_quit;
    void *state[PAGE_COUNT];
    struct dialog **dialogs;
    int dialog_count, dialog_capacity;
    char message[256];          /* on the page's lower border until the next key */
};

int wizard_start(struct wizard *w, const struct wizard_options *o, struct error *e);
void wizard_done(struct wizard *w);
void *wizard_state(const struct wizard *w, const struct page *p);
void wizard_say(struct wizard *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Another page, after the present answer: for dialogs. */
void wizard_ask_page(struct wizard *w, enum page_number page);

/* Takes in what the jobs have found, true where there was something; the second blocks until nothing is left of them. */
bool wizard_collect(struct wizard *w);
void wizard_drain(struct wizard *w);
/* Detects the machine (again), then measures its memory bandwidth: where that was done since the last boot only if
 * `measure`. */
void wizard_detect(struct wizard *w, bool measure);
void wizard_search(struct wizard *w);
/* Offers runs that are going on or were interrupted. */
void wizard_find_runs(struct wizard *w);
/* The record of a path, opening it in the background when it is new. */
struct opened_model *wizard_open(struct wizard *w, const char *path);
/* The same for a model that was named by hand, and is to be chosen as soon as it is open; `name` NULL: the file's. */
void wizard_open_chosen(struct wizard *w, const char *path, const char *name);
/* A path, or a name that source_resolve() knows. */
void wizard_open_named(struct wizard *w, const char *given);
/* The model at that path if it has been opened already. */
const struct model *wizard_opened(const struct wizard *w, const char *path);
void wizard_choose_model(struct wizard *w, struct model *m);
/* A wish, the machine or the model changed: defaults, estimates and plan follow. */
void wizard_changed(struct wizard *w);
/* The chosen row of the estimates; NULL: none. */
const struct estimate *wizard_row(const struct wizard *w);
int wizard_row_index(const struct wizard *w);
/* Columns that the longest name of a level takes. */
int wizard_level_width(const struct wizard *w);
void wizard_choose_level(struct wizard *w, const char *level);
/* Makes the plan of the chosen row where it is missing; NULL and plan_error where it cannot. */
const struct plan *wizard_plan(struct wizard *w);
const char *wizard_out_folder(const struct wizard *w);

/* Saves the plan and starts the worker on it; or on the plan of the run that was interrupted. */
int wizard_start_run(struct wizard *w, struct error *e);
int wizard_resume_run(struct wizard *w, struct error *e);
/* Takes the quality gate's next step after the run that was rejected. */
int wizard_take_step(struct wizard *w, struct error *e);
/* Follows the run in this folder. */
int wizard_attach(struct wizard *w, const char *folder, struct error *e);
/* Takes in new events; true when there were any. */
bool wizard_poll(struct wizard *w);
/* Why a page that shows a run is locked; NULL: it is not. */
const char *wizard_needs_run(const struct wizard *w);
bool wizard_run_alive(const struct wizard *w);
bool wizard_run_over(const struct wizard *w);

/* The state behind the screen, a fact a line; free() it. */
char *wizard_dump(const struct wizard *w);

#endif
