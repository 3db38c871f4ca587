#include "report/parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "eval/word_diff.h"
#include "run/attempts.h"

/* What eval_result calls them. */
static const char *activations_text(const char *name)
{
    static const struct { const char *name, *text; } texts[] = {
        {"q8", "rounded to 8 bits, as llama.cpp does"},
        {"int8", "rounded to 8 bits, a scale for each token, as the format says"},
        {"llm.int8", "rounded to 8 bits but for columns with outliers, as LLM.int8 does"},
        {"e4m3", "rounded to 8-bit floats, as the format says"},
    };
    for (size_t i = 0; name && i < ARRAY_LENGTH(texts); i++)
        if (strcmp(texts[i].name, name) == 0)
            return texts[i].text;
    return "32-bit floats, not rounded";
}

static void add_perplexity(struct document *d, const struct eval_figures *f)
{
    document_number(d, "chunks", "Chunks of text", f->chunks, "%.0f", 1);
    if (f->chunks < f->chunks_planned)
        document_number(d, "chunks_planned", "Stopped there, since the interval of the loss had decided; else the chunks"
                        " would have been", f->chunks_planned, "%.0f", 1);
    document_number(d, "tokens_scored", "Tokens scored", f->tokens, "%.0f", 1);
    document_number(d, "ppl", "Perplexity", f->ppl, "%.4f", 1);
    document_number(d, "ppl_low", "95 % interval from", f->ppl_low, "%.4f", 1);
    document_number(d, "ppl_high", "95 % interval to", f->ppl_high, "%.4f", 1);
    document_number(d, "ppl_base", "Perplexity of the original", f->ppl_base, "%.4f", 1);
    document_number(d, "loss", "Loss of perplexity", expm1(f->delta_ln_ppl), "%+.2f %%", 100);
    document_number(d, "loss_low", "95 % interval of the loss from", expm1(f->delta_low), "%+.2f %%", 100);
    document_number(d, "loss_high", "95 % interval of the loss to", expm1(f->delta_high), "%+.2f %%", 100);
    document_number(d, "delta_ln_ppl", "The same as a difference of ln perplexity", f->delta_ln_ppl, "%+.5f", 1);
}

static void add_divergence(struct document *d, const struct eval_figures *f)
{
    document_number(d, "kld_mean", "Divergence from the original (KL), mean", f->kld_mean, "%.5f", 1);
    document_number(d, "kld_low", "95 % interval of that from", f->kld_low, "%.5f", 1);
    document_number(d, "kld_high", "95 % interval of that to", f->kld_high, "%.5f", 1);
    document_number(d, "kld_median", "Divergence, median", f->kld_median, "%.5f", 1);
    document_number(d, "kld_p99", "Divergence, 99 %", f->kld_p99, "%.4f", 1);
    document_number(d, "kld_max", "Divergence, most", f->kld_max, "%.4f", 1);
    document_number(d, "same_top", "Same most likely token", f->same_top, "%.2f %%", 100);
    document_number(d, "rms_dp", "Change of the true token's probability (RMS)", f->rms_dp, "%.3f %%", 100);
}

/* --------------------------------------------------------------------- speed */

static void add_rates(struct document *d, const struct eval_result *r)
{
    const struct eval_figures *f = &r->figures;
    document_number(d, "prefill_tokens_per_s", "Reading a prompt here", f->prefill_tokens_per_s, "%.1f tokens/s", 1);
    document_number(d, "decode_tokens_per_s", "Writing an answer here", f->decode_tokens_per_s, "%.1f tokens/s", 1);
    document_number(d, "base_prefill_tokens_per_s", "The original, reading", r->base_prefill_tokens_per_s,
                    "%.1f tokens/s", 1);
    document_number(d, "base_decode_tokens_per_s", "The original, writing", r->base_decode_tokens_per_s,
                    "%.1f tokens/s", 1);
}

enum { WITH, READING, WRITING, FIRST, EACH, HELD, NOTE };
struct speed_row { const char *with, *note; double prefill, decode; const struct eval_cost *cost; };
enum { SPEED_ROWS = 16 };
struct speed_rows { struct speed_row rows[SPEED_ROWS]; int count; };

static struct document_cell speed_cell(void *user, int row, int column)
{
    const struct speed_row *r = &((struct speed_rows *)user)->rows[row];
    const double numbers[] = {
        [WITH] = NAN, [READING] = r->prefill, [WRITING] = r->decode, [FIRST] = 1000 * r->cost->ttft_s,
        [EACH] = r->cost->ms_per_token, [HELD] = r->cost->rss_bytes / (1 << 20), [NOTE] = NAN,
    };
    return (struct document_cell){.text = column == WITH ? r->with : column == NOTE ? r->note : NULL,
                                  .number = numbers[column]};
}

static void add_speed(struct document *d, const struct run_state *s)
{
    static const struct document_column columns[] = {
        [WITH] = {"with", "With"},
        [READING] = {"prefill_tokens_per_s", "Reading, tokens/s", "%.1f"},
        [WRITING] = {"decode_tokens_per_s", "Writing, tokens/s", "%.1f"},
        [FIRST] = {"ttft_ms", "First token after, ms", "%.0f"},
        [EACH] = {"ms_per_token", "Each further one, ms", "%.1f"},
        [HELD] = {"rss_mib", "Memory held, MiB", "%.0f"},
        [NOTE] = {"note", "Note"},
    };
    const struct eval_result *r = &s->eval;
    const struct eval_figures *f = &r->figures;
    struct speed_rows rows = {.count = 1};
    rows.rows[0] = (struct speed_row){"quantwiz", NULL, f->prefill_tokens_per_s, f->decode_tokens_per_s, &r->cost};
    if (f->has_base)
        rows.rows[rows.count++] = (struct speed_row){"quantwiz, the original", NULL, r->base_prefill_tokens_per_s,
                                                     r->base_decode_tokens_per_s, &r->base_cost};
    for (int i = 0; i < s->runtime_count && rows.count < SPEED_ROWS; i++) {
        const struct run_runtime *t = &s->runtimes[i];
        rows.rows[rows.count++] = (struct speed_row){t->program, t->error, t->prefill_tokens_per_s, t->decode_tokens_per_s,
                                                     &t->cost};
    }
    document_table(d, "speed", "Speed on this machine (the first token behind a prompt of about 64; quantwiz computes on the"
                   " CPU, whatever the runtime does)", columns, ARRAY_LENGTH(columns), rows.count, speed_cell, &rows);
}

/* --------------------------------------------------------------------- tasks */

static struct document_cell task_cell(void *user, int row, int column)
{
    const struct eval_task *t = &((const struct run_state *)user)->eval.tasks[row];
    const char *texts[] = {t->name, t->layout, t->metric};
    const double numbers[] = {NAN, NAN, NAN, t->items, 100 * t->accuracy, 100 * t->low, 100 * t->high, 100 * t->base,
                              100 * t->delta, 100 * t->delta_low, 100 * t->delta_high, 100 * t->acc, 100 * t->acc_norm,
                              100 * t->base_acc, 100 * t->base_acc_norm};
    return (struct document_cell){.text = column < (int)ARRAY_LENGTH(texts) ? texts[column] : NULL,
                                  .number = numbers[column]};
}

static void add_tasks(struct document *d, const struct run_state *s)
{
    static const struct document_column columns[] = {
        {"name", "Task"}, {"layout", "Layout"}, {"metric", "Measure"}, {"items", "Questions", "%.0f"},
        {"accuracy_percent", "Right, %", "%.1f"}, {"low_percent", "from", "%.1f"}, {"high_percent", "to", "%.1f"},
        {"base_percent", "Original, %", "%.1f"}, {"delta_percent", "Difference", "%+.1f"},
        {"delta_low_percent", "from", "%+.1f"}, {"delta_high_percent", "to", "%+.1f"},
        {"acc_percent", "acc, %", "%.1f", "-"}, {"acc_norm_percent", "acc_norm, %", "%.1f", "-"},
        {"base_acc_percent", "Original's acc", "%.1f", "-"}, {"base_acc_norm_percent", "acc_norm", "%.1f", "-"},
    };
    document_table(d, "tasks", "Tasks (95 % intervals)", columns, ARRAY_LENGTH(columns), s->eval.task_count, task_cell,
                   (void *)s);
}

/* ------------------------------------------------------------------- samples */

enum { PROMPT, BASE, ANSWER, DIFFERS, DIFFERENCE };
struct sample_rows { const struct run_state *state; struct arena arena; };

static struct document_cell sample_cell(void *user, int row, int column)
{
    struct sample_rows *rows = user;
    const struct eval_sample *x = &rows->state->eval.samples[row];
    const char *texts[] = {[PROMPT] = x->prompt, [BASE] = x->base, [ANSWER] = x->answer, [DIFFERENCE] = NULL};
    if (column == DIFFERENCE && x->base && x->answer)
        texts[DIFFERENCE] = word_diff(x->base, x->answer, &rows->arena);
    return (struct document_cell){.text = texts[column], .number = x->differs_at < 0 ? NAN : x->differs_at + 1};
}

static void add_samples(struct document *d, const struct run_state *s)
{
    static const struct document_column columns[] = {
        [PROMPT] = {"prompt", "Prompt"},
        [BASE] = {"base", "Original"},
        [ANSWER] = {"answer", "Quantized"},
        [DIFFERS] = {"differs_at", "First difference at character", "%.0f", "none"},
        [DIFFERENCE] = {"difference", "From the one to the other"},
    };
    struct sample_rows rows = {.state = s};
    document_table(d, "samples", "Answers side by side (in the last column [-words-] are the original's alone, {+words+} the"
                   " quantized model's)", columns, ARRAY_LENGTH(columns), s->eval.sample_count, sample_cell, &rows);
    arena_done(&rows.arena);
}

/* ------------------------------------------------------------------ attempts */

enum { NUMBER, LEVEL, METHOD, LOSS, DIVERGENCE, SAME, VERDICT, WHY };

static struct document_cell attempt_cell(void *user, int row, int column)
{
    const struct attempt *a = &((struct attempts *)user)->items[row];
    const char *texts[] = {[LEVEL] = a->level, [METHOD] = a->method ? a->method : "", [VERDICT] = a->verdict,
                           [WHY] = a->incoherent ? a->incoherent : a->why};
    const double numbers[] = {[NUMBER] = a->number, [LOSS] = 100 * a->loss, [DIVERGENCE] = a->kld_mean,
                              [SAME] = 100 * a->same_top, [WHY] = NAN};
    return (struct document_cell){.text = texts[column], .number = numbers[column]};
}

/* What was tried up to this run, where the gate was not content at once: what came after does not change its document. */
static void add_attempts(struct document *d, const struct run_state *s)
{
    static const struct document_column columns[] = {
        [NUMBER] = {"number", "Attempt", "%.0f"}, [LEVEL] = {"level", "Level"}, [METHOD] = {"method", "Method"},
        [LOSS] = {"loss_percent", "Loss, %", "%+.2f"}, [DIVERGENCE] = {"kld_mean", "Divergence", "%.5f"},
        [SAME] = {"same_top_percent", "Same top token, %", "%.1f"}, [VERDICT] = {"verdict", "Verdict"},
        [WHY] = {"why", "Why"},
    };
    struct attempts list;
    struct error ignored;
    if (attempts_read_until(&list, s->folder, &ignored) == 0)
        document_table(d, "attempts", "What the quality gate has tried", columns, ARRAY_LENGTH(columns), list.count,
                       attempt_cell, &list);
    attempts_done(&list);
}

void evaluation_part(struct document *d, const struct plan *p, const struct run_state *s)
{
    document_part(d, "quality_evaluation_results", "Quality Evaluation Results");
    document_bool(d, "evaluated", "Evaluated", s->has_result);
    if (s->has_result) {
        document_text(d, "verdict", "Verdict", s->eval.figures.verdict);
        document_number(d, "max_loss", "Largest loss allowed", p->max_loss, "%.3g %%", 100);
        if (s->proposal)
            document_text(d, "proposal", "What to try next", s->proposal);
        if (s->passed_over)
            document_text(d, "passed_over", "Passed over, since it does not fit", s->passed_over);
        document_text(d, "text", "Text", p->eval_text ? path_name(p->eval_text) : "the text that comes with quantwiz");
        document_number(d, "context", "Tokens per chunk", p->eval_context, "%.0f", 1);
        document_text(d, "activations", "Activations measured", activations_text(s->eval.activations));
        add_perplexity(d, &s->eval.figures);
        add_divergence(d, &s->eval.figures);
        add_rates(d, &s->eval);
        add_attempts(d, s);
        add_tasks(d, s);
        add_samples(d, s);
        add_speed(d, s);
    }
    document_part_end(d);
}
