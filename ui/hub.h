/* A repository of the Hugging Face hub in the wizard: what it offers, as rows of the model page, and the
 * download of one of them. Both wait for the network, so they have a queue of their own, and nothing else
 * waits for them. */
#ifndef UI_HUB_H
#define UI_HUB_H

#include "hub/listing.h"
#include "plan/ready_made.h"
#include "ui/jobs.h"

struct wizard;

struct hub_row {
    char *given;       /* what to fetch: "hf:ORG/NAME:FILE" */
    char *name;        /* for people: the file's, or "ORG/NAME" */
    const char *level; /* "source": the checkpoint itself; "GGUF": a repository */
    uint64_t bytes;
    bool present;                    /* in the cache */
    const struct relative *relative; /* a repository of others: Enter lists it; NULL: a model */
    const struct ready_made *judged; /* NULL: the checkpoint itself */
};

struct hub_view {
    struct jobs *jobs;
    struct listing *listing;     /* of the repository asked for last; NULL: none */
    struct estimates *estimates; /* of the model in it; NULL: not known */
    struct ready_made *judged;
    char *advice;
    struct hub_row *rows;
    int count, capacity;
    bool fresh;                 /* the rows are new: the cursor belongs on the recommended one */
    struct fetch_job *fetching; /* NULL: nothing is being fetched */
    char *fetched;              /* path of what has just come: the cursor belongs there; NULL once it is */
};

struct hub_progress {
    const char *given; /* what is being fetched */
    double share;      /* of 1; NaN: not known yet */
    char text[160];    /* "1.2 GiB of 4.4 GiB, 35 MiB/s, model.gguf" */
};

void hub_view_start(struct wizard *w);
/* A download that is going on ends; its beginning stays for the next time. */
void hub_view_done(struct wizard *w);
/* Lists a repository; what was listed before makes room when the answer is there. */
void hub_view_ask(struct wizard *w, const char *given);
/* The machine or a wish changed: other rows may fit now. */
void hub_view_judge(struct wizard *w);
/* Fetches a row's model; when it is there it is opened and chosen. One at a time: false where one is going
 * on. */
bool hub_view_fetch(struct wizard *w, const struct hub_row *row);
bool hub_view_progress(const struct wizard *w, struct hub_progress *p);
void hub_view_stop(struct wizard *w);

#endif
