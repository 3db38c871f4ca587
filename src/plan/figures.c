#include "plan/figures.h"

#include <math.h>
#include <string.h>

static void put_percent(struct str *s, double fraction)
{
    if (isnan(fraction))
        str_add(s, "unknown");
    else
        str_addf(s, "%.*f %%", fabs(fraction) < 0.0995 ? 1 : 0, fabs(fraction) < 0.0005 ? 0 : 100 * fraction);
}

static void put_rate(struct str *s, double tokens)
{
    str_addf(s, "%.*f", tokens < 10 ? 1 : 0, tokens);
}

static void put_parameters(struct str *s, const struct telling *t)
{
    char text[FORMAT_SIZE];
    str_add(s, format_count(text, (double)t->model->parameters));
}

static void put_source_type(struct str *s, const struct telling *t)
{
    str_add(s, t->model->file_type);
}

static void put_limit(struct str *s, const struct telling *t)
{
    put_percent(s, t->facts->max_loss);
}

static void put_wish_speed(struct str *s, const struct telling *t)
{
    put_rate(s, t->facts->min_speed);
}

static void put_use_case(struct str *s, const struct telling *t)
{
    str_add(s, t->facts->word[FACT_USE_CASE]);
}

static void put_ctx(struct str *s, const struct telling *t)
{
    str_addf(s, "%.0f", t->facts->number[FACT_CTX]);
}

static void put_trained_ctx(struct str *s, const struct telling *t)
{
    str_addf(s, "%d", t->model->hp.context);
}

static void put_loss(struct str *s, const struct telling *t)
{
    put_percent(s, t->row ? t->row->expected_loss : NAN);
}

static void put_loss_from(struct str *s, const struct telling *t)
{
    str_add(s, t->row && t->row->loss_from ? t->row->loss_from : "unknown");
}

static void put_level(struct str *s, const struct telling *t)
{
    str_add(s, t->row ? t->row->level->name : "it");
}

static void put_format(struct str *s, const struct telling *t)
{
    str_add(s, t->row ? t->row->level->format : "it");
}

static void put_runtime(struct str *s, const struct telling *t)
{
    str_add(s, t->facts->runtime);
}

static void put_capability(struct str *s, const struct telling *t)
{
    double capability = t->facts->number[FACT_CAPABILITY];
    if (isnan(capability))
        str_add(s, "unknown");
    else
        str_addf(s, "%.1f", capability);
}

static void put_speed(struct str *s, const struct telling *t)
{
    put_rate(s, t->row ? t->row->tokens_per_s : NAN);
}

static void put_seconds(struct str *s, double seconds)
{
    if (isnan(seconds))
        str_add(s, "unknown");
    else
        str_addf(s, "%.*f s", seconds < 9.95 ? 1 : 0, seconds);
}

static void put_size(struct str *s, double bytes)
{
    char text[FORMAT_SIZE];
    str_add(s, format_bytes(text, bytes));
}

static void put_prompt_seconds(struct str *s, const struct telling *t)
{
    put_seconds(s, facts_prompt_seconds(t->facts));
}

static void put_answer_seconds(struct str *s, const struct telling *t)
{
    put_seconds(s, facts_answer_seconds(t->facts));
}

static void put_answer_tokens(struct str *s, const struct telling *t)
{
    str_addf(s, "%d", t->facts->answer_tokens);
}

static void put_kv(struct str *s, const struct telling *t)
{
    put_size(s, t->row ? (double)t->row->kv_bytes : NAN);
}

static void put_kv_type(struct str *s, const struct telling *t)
{
    str_add(s, t->facts->word[FACT_KV_TYPE]);
}

static void put_weights(struct str *s, const struct telling *t)
{
    put_size(s, t->row ? (double)t->row->weights_bytes : NAN);
}

/* What the row takes where it would lie, and what may be used there. */
static void put_needed(struct str *s, const struct telling *t)
{
    put_size(s, t->row ? (double)estimate_needs(t->row, t->facts->fit == FIT_CPU) : NAN);
}

static void put_budget(struct str *s, const struct telling *t)
{
    bool cpu = t->facts->fit == FIT_CPU;
    put_size(s, (double)(cpu ? t->facts->s->cpu_budget : t->facts->s->gpu_budget));
}

static void put_vendor(struct str *s, const struct telling *t)
{
    const char *vendor = t->facts->word[FACT_VENDOR];
    str_add(s, vendor ? vendor : "unknown makers");
}

static void put_parallel(struct str *s, const struct telling *t)
{
    str_addf(s, "%.0f", t->facts->number[FACT_PARALLEL]);
}

static const struct figure {
    const char *name;
    void (*put)(struct str *s, const struct telling *t);
} figures[] = {
    {"parameters", put_parameters}, {"source_type", put_source_type}, {"limit", put_limit},
    {"use_case", put_use_case},     {"ctx", put_ctx},                 {"trained_ctx", put_trained_ctx},
    {"loss", put_loss},             {"loss_from", put_loss_from},     {"level", put_level},
    {"speed", put_speed},           {"wish_speed", put_wish_speed},   {"format", put_format},
    {"runtime", put_runtime},       {"capability", put_capability},   {"kv", put_kv},
    {"kv_type", put_kv_type},       {"weights", put_weights},         {"needed", put_needed},
    {"budget", put_budget},         {"vendor", put_vendor},           {"parallel", put_parallel},
    {"prompt_seconds", put_prompt_seconds}, {"answer_seconds", put_answer_seconds},
    {"answer_tokens", put_answer_tokens},
};

/* The figure that a "{name}" at `text` stands for, or NULL. */
static const struct figure *figure_at(const char *text)
{
    for (size_t i = 0; *text == '{' && i < ARRAY_LENGTH(figures); i++) {
        size_t n = strlen(figures[i].name);
        if (strncmp(text + 1, figures[i].name, n) == 0 && text[n + 1] == '}')
            return &figures[i];
    }
    return NULL;
}

bool figures_known(const char *text)
{
    while ((text = strchr(text, '{')))
        if (!figure_at(text++))
            return false;
    return true;
}

char *figures_fill(const char *text, const struct telling *t, struct arena *a)
{
    struct str s = {0};
    while (*text) {
        const struct figure *f = figure_at(text);
        if (f)
            f->put(&s, t);
        else
            str_add_char(&s, *text);
        text += f ? strlen(f->name) + 2 : 1;
    }
    return str_keep(&s, a);
}
