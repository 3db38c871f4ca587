/* What `estimate` and `plan` start from: machine, checkpoint, wishes, rules and the estimates from them, among them a
 * mix where one is wished for and no level is named, which has to be measured the first time. */
#ifndef CMD_SITUATION_H
#define CMD_SITUATION_H

#include "cmd/cmd.h"
#include "plan/estimate.h"

struct situation {
    struct machine *machine;
    struct model *model;
    struct rules *rules;
    struct wishes wishes;
    struct mix_costs *costs;    /* of the mix */
    struct mixture *mix;        /* NULL: none was asked for, or a level was named */
    struct estimates *estimates;
};
/* From MODEL, --machine and the wishes on the command line; `weights`: a model on the hub is fetched as a
 * whole, not its headers alone. `level`: has a row even where it is no candidate (NULL: none). Call situation_done
 * whatever is returned. */
int situation_init(struct situation *s, const struct args *a, bool weights, const char *level, struct error *e);
void situation_done(struct situation *s);

#endif
