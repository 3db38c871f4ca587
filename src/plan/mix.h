/* Which of several options each item gets, so that the sum of losses is least and the sum of bytes stays within a
 * budget: the multiple-choice knapsack. Items are weights, options their types; nothing here knows that.
 *
 * Of an item only the options on the lower convex hull of (bytes, loss) matter to the relaxed problem, where shares of
 * options may be mixed. There the steps from each option to the next one on the hull are taken in the order of what a
 * byte gains, until the budget is used up: its loss bounds all others from below. The same without the share is a first
 * solution; branch and bound with that bound finds the best one, or, where many weights are alike, stops after a while
 * with one that is next to it: `bound` tells how near. P. Sinha, A. A. Zoltners (1979), The multiple-choice knapsack
 * problem. */
#ifndef PLAN_MIX_H
#define PLAN_MIX_H

#include <stdbool.h>
#include <stdint.h>

struct mix_option {
    uint64_t bytes;
    double loss;
};
struct mix_item {
    const struct mix_option *options; /* [count], in any order; 1 at least */
    int count;
};
struct mix_result {
    uint64_t bytes;  /* of the options chosen; where nothing fits, of the smallest ones */
    double loss;
    double bound;    /* no choice within the budget loses less */
};

/* chosen[count]: an index into each item's options. False where not even the smallest options fit. */
bool mix_solve(const struct mix_item *items, int count, uint64_t budget, int *chosen, struct mix_result *r);

#endif
