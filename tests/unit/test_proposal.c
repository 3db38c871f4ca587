/* rules/steps.yaml: every quantized level has a next one that exists and is larger, up to the last. */
#include "unit.h"

#include "plan/rules.h"
#include "run/proposal.h"

static void steps_lead_upwards(void **state)
{
    (void)state;
    struct rules *r;
    struct error e;
    struct arena a = {0};
    assert_ok(rules_load(&r, &e), &e);
    for (int i = 0; i < r->level_count; i++) {
        const struct level *l = &r->levels[i];
        struct proposal p;
        assert_ok(proposal_after(&p, l->name, &a, &e), &e);
        bool last = !l->type->quantized || strcmp(l->name, "Q8_0") == 0;
        assert_true(last == (p.next == NULL));
        if (last)
            continue;
        const struct level *next = rules_level(r, p.next);
        assert_non_null(next);
        assert_true(next->nominal_bits > l->nominal_bits);
        assert_true(strlen(p.why) > 5);
    }
    rules_free(r);
    arena_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(steps_lead_upwards)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
