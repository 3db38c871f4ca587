/* A mix of types in the wizard: measuring what types cost takes minutes, so it has a queue of its own, and the screen
 * goes on meanwhile; the mix itself follows the wishes like any other row of the estimates. */
#ifndef UI_MIX_H
#define UI_MIX_H

#include "plan/mixture.h"
#include "ui/jobs.h"

struct wizard;

struct mix_view {
    struct jobs *jobs;
    struct mix_job *running;     /* NULL: nothing is being measured */
    struct mix_job *measured;    /* the last that was, with its costs or its error; NULL: none */
    struct mix_costs *plain;     /* of a preset's mix; NULL: none */
    struct mixture *mixture;     /* of the estimates at present; NULL: none */
    struct error error;          /* why there is none, where the wishes ask for one */
};

void mix_view_start(struct wizard *w);
/* A measurement that is going on ends; what it has found stays for the next time. */
void mix_view_done(struct wizard *w);
/* Makes the estimates with a mix where the wishes ask for one; false where they do not, or where it has to be measured
 * first, which is begun then. */
bool mix_view_estimates(struct wizard *w);
/* "measuring a mix: 41 %"; NULL: nothing is being measured. */
const char *mix_view_busy(const struct wizard *w, char text[static 64]);
/* Asks which mix there is to be, or none. */
int mix_view_ask(struct wizard *w);

#endif
