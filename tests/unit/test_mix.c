/* The solver of mixes: the best choice where all can be counted, never over the budget, never worse for more bytes. */
#include "unit.h"

#include <math.h>

#include "plan/mix.h"

enum { ITEMS = 7, OPTIONS = 5 };

struct problem {
    struct mix_option options[ITEMS][OPTIONS];
    struct mix_item items[ITEMS];
    int count;
};

static unsigned seed = 1;

static double chance(void)
{
    seed = seed * 1664525 + 1013904223;
    return (seed >> 8) / (double)(1 << 24);
}

/* Sizes of few values, so that different choices take as many bytes; some options are useless, some alike. */
static void make_problem(struct problem *p)
{
    p->count = 1 + (int)(chance() * ITEMS);
    for (int i = 0; i < p->count; i++) {
        int count = 1 + (int)(chance() * OPTIONS);
        for (int k = 0; k < count; k++)
            p->options[i][k] = (struct mix_option){32 * (1 + (uint64_t)(chance() * 20)), floor(chance() * 50) / 10};
        p->items[i] = (struct mix_item){p->options[i], count};
    }
}

/* All choices; INFINITY where none is within the budget. */
static double best_loss(const struct problem *p, int item, uint64_t budget, double loss)
{
    double best = INFINITY;
    if (item == p->count)
        return loss;
    for (int k = 0; k < p->items[item].count; k++) {
        const struct mix_option *o = &p->options[item][k];
        double found = o->bytes <= budget ? best_loss(p, item + 1, budget - o->bytes, loss + o->loss) : INFINITY;
        best = found < best ? found : best;
    }
    return best;
}

static void check(const struct problem *p, uint64_t budget)
{
    int chosen[ITEMS];
    struct mix_result r;
    double best = best_loss(p, 0, budget, 0), loss = 0;
    uint64_t bytes = 0;
    bool fits = mix_solve(p->items, p->count, budget, chosen, &r);
    assert_int_equal(fits, best < INFINITY);
    for (int i = 0; i < p->count; i++) {
        assert_true(chosen[i] >= 0 && chosen[i] < p->items[i].count);
        bytes += p->options[i][chosen[i]].bytes;
        loss += p->options[i][chosen[i]].loss;
    }
    assert_true(r.bytes == bytes && fabs(r.loss - loss) < 1e-9);
    assert_true(!fits || (bytes <= budget && fabs(loss - best) < 1e-9 && r.bound <= loss + 1e-9));
}

static void small_problems_are_solved_exactly(void **state)
{
    (void)state;
    for (int i = 0; i < 400; i++) {
        struct problem p;
        make_problem(&p);
        for (uint64_t budget = 0; budget < 32 * 20 * ITEMS; budget += 1 + (uint64_t)(chance() * 700))
            check(&p, budget);
    }
}

static void what_does_not_fit_says_what_would(void **state)
{
    const struct mix_option a[] = {{100, 1}, {40, 3}}, b[] = {{60, 2}};
    const struct mix_item items[] = {{a, 2}, {b, 1}};
    struct mix_result r;
    int chosen[2];
    (void)state;
    assert_false(mix_solve(items, 2, 99, chosen, &r));
    assert_true(r.bytes == 100 && chosen[0] == 1 && chosen[1] == 0);
    assert_true(mix_solve(items, 2, 100, chosen, &r));
    assert_true(r.bytes == 100 && r.loss == 5);
    assert_true(mix_solve(items, 2, UINT64_MAX, chosen, &r));
    assert_true(r.bytes == 160 && r.loss == 3);
}

/* As in a model: many weights of a few shapes, with types of 2 to 8 bits. */
static void large_problems_come_near_their_bound(void **state)
{
    enum { WEIGHTS = 600, TYPES = 8 };
    static const double bits[TYPES] = {2.625, 3.4375, 4.25, 4.5, 5.5, 6.5625, 8.5, 16};
    static struct mix_option options[WEIGHTS][TYPES];
    static struct mix_item items[WEIGHTS];
    static int chosen[WEIGHTS];
    double before = INFINITY;
    (void)state;
    for (int i = 0; i < WEIGHTS; i++) {
        double elements = (1 + i % 3) * 1e6, slope = exp(2 * chance());
        for (int k = 0; k < TYPES; k++)
            options[i][k] = (struct mix_option){(uint64_t)(elements * bits[k] / 8), slope * elements * exp2(-2 * bits[k])};
        items[i] = (struct mix_item){options[i], TYPES};
    }
    for (uint64_t budget = 420000000; budget <= 1000000000; budget += 145000000) {
        struct mix_result r;
        assert_true(mix_solve(items, WEIGHTS, budget, chosen, &r));
        assert_true(r.bytes <= budget && r.loss >= r.bound * (1 - 1e-9) && r.loss <= r.bound * 1.001);
        assert_true(r.loss < before);
        before = r.loss;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_problems_are_solved_exactly),
        cmocka_unit_test(what_does_not_fit_says_what_would),
        cmocka_unit_test(large_problems_come_near_their_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
