#include "plan/loss.h"

#include <math.h>
#include <stdio.h>

static int add_losses(struct rules *r, const struct yaml *map, double base, bool increase, double *loss,
                      struct error *e)
{
    for (size_t i = 0; map && i < map->count; i++) {
        const struct level *l = rules_level(r, map->keys[i]->text);
        if (!l)
            return yaml_expected(map->keys[i], e, "a level from the list above");
        double value = checked_number(map, map->keys[i]->text, NAN);
        loss[l->index] = increase ? value / base : value / base - 1;
    }
    return 0;
}

static int compile_table(struct rules *r, const struct yaml *row, struct loss_table *t, struct error *e)
{
    char from[128];
    double base = checked_number(row, "base", 0);
    if (!(base > 0))
        return yaml_expected(yaml_get(row, "base"), e, "a perplexity above 0");
    if (!yaml_get(row, "ppl") == !yaml_get(row, "increase"))
        return yaml_expected(row, e, "one of the keys 'ppl' and 'increase'");
    *t = (struct loss_table){.model = checked_text(row, "model"), .source = checked_text(row, "source"),
                             .parameters = checked_number(row, "parameters", 0)};
    snprintf(from, sizeof from, "published, %s", t->model);
    t->from = arena_strdup(&r->arena, from);
    t->loss = arena_alloc(&r->arena, (size_t)r->level_count * sizeof *t->loss);
    for (int i = 0; i < r->level_count; i++)
        t->loss[i] = NAN;
    int rc = add_losses(r, yaml_get(row, "ppl"), base, false, t->loss, e);
    return rc ? rc : add_losses(r, yaml_get(row, "increase"), base, true, t->loss, e);
}

int losses_compile(struct rules *r, struct error *e)
{
    const struct yaml *rows = yaml_get(r->levels_tree, "published");
    int rc = 0;
    r->larger_at_most = checked_number(r->levels_tree, "larger_at_most", 1);
    r->losses = arena_alloc(&r->arena, rows->count * sizeof *r->losses);
    for (size_t i = 0; !rc && i < rows->count; i++)
        rc = compile_table(r, rows->items[i], &r->losses[r->loss_count++], e);
    return rc;
}

const struct loss_table *loss_table(const struct rules *r, const struct level *level, double parameters)
{
    const struct loss_table *best = NULL;
    for (int i = 0; level->index >= 0 && i < r->loss_count; i++) {
        const struct loss_table *t = &r->losses[i];
        if (isnan(t->loss[level->index]) || t->parameters > parameters * r->larger_at_most)
            continue;
        if (!best || fabs(log(t->parameters / parameters)) < fabs(log(best->parameters / parameters)))
            best = t;
    }
    return best;
}
