#include "report/parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"

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
    document_number(d, "kld_median", "Divergence, median", f->kld_median, "%.5f", 1);
    document_number(d, "kld_p99", "Divergence, 99 %", f->kld_p99, "%.4f", 1);
    document_number(d, "kld_max", "Divergence, most", f->kld_max, "%.4f", 1);
    document_number(d, "same_top", "Same most likely token", f->same_top, "%.2f %%", 100);
    document_number(d, "rms_dp", "Change of the true token's probability (RMS)", f->rms_dp, "%.3f %%", 100);
}

static void add_speed(struct document *d, const struct eval_result *r)
{
    const struct eval_figures *f = &r->figures;
    document_number(d, "prefill_tokens_per_s", "Reading a prompt here", f->prefill_tokens_per_s, "%.1f tokens/s", 1);
    document_number(d, "decode_tokens_per_s", "Writing an answer here", f->decode_tokens_per_s, "%.1f tokens/s", 1);
    document_number(d, "base_prefill_tokens_per_s", "The original, reading", r->base_prefill_tokens_per_s,
                    "%.1f tokens/s", 1);
    document_number(d, "base_decode_tokens_per_s", "The original, writing", r->base_decode_tokens_per_s,
                    "%.1f tokens/s", 1);
}

static struct document_cell task_cell(void *user, int row, int column)
{
    const struct eval_task *t = &((const struct run_state *)user)->eval.tasks[row];
    const char *texts[] = {t->name, t->layout, t->metric};
    const double numbers[] = {NAN, NAN, NAN, t->items, 100 * t->accuracy, 100 * t->low, 100 * t->high, 100 * t->base,
                              100 * t->delta, 100 * t->delta_low, 100 * t->delta_high};
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
    };
    document_table(d, "tasks", "Tasks (95 % intervals)", columns, ARRAY_LENGTH(columns), s->eval.task_count, task_cell,
                   (void *)s);
}

static struct document_cell sample_cell(void *user, int row, int column)
{
    const struct eval_sample *x = &((const struct run_state *)user)->eval.samples[row];
    const char *cells[] = {x->prompt, x->base, x->answer};
    return (struct document_cell){.text = cells[column]};
}

static void add_samples(struct document *d, const struct run_state *s)
{
    static const struct document_column columns[] = {
        {"prompt", "Prompt"}, {"base", "Original"}, {"answer", "Quantized"},
    };
    document_table(d, "samples", "Answers side by side", columns, ARRAY_LENGTH(columns), s->eval.sample_count,
                   sample_cell, (void *)s);
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
        document_text(d, "text", "Text", p->eval_text ? path_name(p->eval_text) : "the text that comes with quantwiz");
        document_number(d, "context", "Tokens per chunk", p->eval_context, "%.0f", 1);
        document_text(d, "activations", "Activations measured",
                      activations_text(s->eval.activations));
        add_perplexity(d, &s->eval.figures);
        add_divergence(d, &s->eval.figures);
        add_speed(d, &s->eval);
        add_tasks(d, s);
        add_samples(d, s);
    }
    document_part_end(d);
}
