/* rules/steps.yaml: every quantized level has a next one that exists and is larger, up to the last. */
#include "unit.h"

#include "plan/rules.h"
#include "run/proposal.h"

/* Plain floats, and what has 8 bits and keeps activations as they are. */
static bool is_last(const struct level *l)
{
    if (l->type)
        return !l->type->quantized || strcmp(l->name, "Q8_0") == 0;
    return !l->scheme || strncmp(l->name, "gptq-int8", 9) == 0 || strcmp(l->name, "bnb-int8") == 0;
}

static void steps_lead_upwards(void **state)
{
    (void)state;
    struct rules *r;
    struct error e = {0};
    struct arena a = {0};
    assert_ok(rules_load(&r, &e), &e);
    for (int i = 0; i < r->level_count; i++) {
        const struct level *l = &r->levels[i];
        struct proposal p;
        assert_ok(proposal_after(&p, l->name, &a, &e), &e);
        bool last = is_last(l);
        assert_true(last == (p.next == NULL));
        if (last)
            continue;
        const struct level *next = rules_level(r, p.next);
        assert_non_null(next);
        assert_true(l->type ? next->nominal_bits > l->nominal_bits : next->nominal_bits >= l->nominal_bits);
        assert_true(!l->type == !next->type); /* a file stays a file, a folder a folder */
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
