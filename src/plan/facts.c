#include "plan/facts.h"

#include <math.h>
#include <string.h>

#include "plan/placement.h"
#include "plan/runtime.h"
#include "text/calibration.h"

static double truth(bool known, bool value)
{
    return known ? value : NAN;
}

/* Memory of the GPUs that are used; 0 without any. A budget that the person named stands in for GPUs that nobody found. */
static double total_vram(const struct machine *m, const struct wishes *w, int gpus)
{
    double sum = 0;
    bool known = true;
    for (int i = 0; i < gpus; i++) {
        known = known && fact_known(m->gpus[i].vram_total_bytes);
        sum += fact_or(m->gpus[i].vram_total_bytes, 0);
    }
    if (gpus)
        return known ? sum : NAN;
    return wishes_fit(w) != FIT_CPU && w->value[WISH_BUDGET].set ? w->value[WISH_BUDGET].number : 0;
}

/* Of all GPUs that are used; NULL where they differ, or none is used. */
static const char *vendor_of(const struct machine *m, const struct wishes *w, int gpus)
{
    const char *vendor = gpus && wishes_fit(w) != FIT_CPU ? m->gpus[0].vendor : NULL;
    for (int i = 1; i < gpus && vendor; i++)
        if (!m->gpus[i].vendor || strcmp(m->gpus[i].vendor, vendor) != 0)
            vendor = NULL;
    return vendor;
}

bool facts_foreign(const char *vendor)
{
    return vendor && strcmp(vendor, "NVIDIA") != 0;
}

/* How much of the memory, and of what a step reads with its sequences all full, is the cache. */
static double kv_share(const struct estimate *original)
{
    double kv = original ? (double)original->kv_bytes : 0, weights = original ? (double)original->weights_bytes : 0;
    return kv + weights > 0 ? kv / (kv + weights) : NAN;
}

double facts_prompt_seconds(const struct facts *f)
{
    return f->original ? f->number[FACT_CTX] / f->original->prefill_tokens_per_s : NAN;
}

double facts_answer_seconds(const struct facts *f)
{
    return f->original && f->answer_tokens ? f->answer_tokens / f->original->tokens_per_s : NAN;
}

static double prompt_share(const struct facts *f)
{
    double prompt = facts_prompt_seconds(f);
    return prompt / (prompt + facts_answer_seconds(f));
}

/* Whether the checkpoint as it is runs as fast as was wished for. */
static double source_fast(const struct estimate *source, double wish)
{
    bool known = source && source->verdict == VERDICT_FITS && !isnan(source->tokens_per_s) && !isnan(wish);
    return truth(known, known && source->tokens_per_s >= wish);
}

static bool has_domain_text(const struct wishes *w)
{
    const char *text = w->value[WISH_CALIBRATION].text;
    return text && strcmp(text, CALIBRATION_GENERAL) != 0;
}

struct facts facts_gather(const struct estimates *s, const struct machine *m, const struct model *model,
                          const struct wishes *w, const struct rules *r)
{
    const struct runtime *runtime = runtime_named(r, wishes_choice(w, WISH_RUNTIME));
    const struct estimate *source = estimates_source(s);
    int gpus = gpus_used(m, w, runtime);
    double ctx = w->value[WISH_CTX].number;
    const char *vendor = vendor_of(m, w, gpus);
    struct facts f = {
        .number = {
            [FACT_PARAMETERS] = (double)model->parameters,
            [FACT_VRAM] = total_vram(m, w, gpus),
            [FACT_RAM] = m && fact_known(m->memory.total_bytes) ? m->memory.total_bytes.value : NAN,
            [FACT_CTX] = ctx,
            [FACT_BEYOND_TRAINING] = truth(model->hp.context > 0, ctx > model->hp.context),
            [FACT_PARALLEL] = w->value[WISH_PARALLEL].number,
            [FACT_EXPERTS] = model->hp.experts,
            [FACT_CAPABILITY] = machine_least_capability(m, gpus),
            [FACT_CAPABILITY_KNOWN] = truth(wishes_fit(w) != FIT_CPU && !facts_foreign(vendor),
                                            !isnan(machine_least_capability(m, gpus))),
            [FACT_TENSOR_PARALLEL] = w->value[WISH_TENSOR_PARALLEL].number,
            [FACT_SOURCE_FOLDER] = model->folder != NULL,
            [FACT_GPU] = truth(m != NULL, m && m->gpu_count > 0),
            [FACT_CALIBRATION] = wishes_given(w, WISH_CALIBRATION),
            [FACT_DOMAIN_TEXT] = has_domain_text(w),
            [FACT_QUANTIZED_SOURCE] = model->quantized,
            [FACT_SOURCE_FITS] = truth(source && source->verdict != VERDICT_UNKNOWN,
                                       source && source->verdict == VERDICT_FITS),
            [FACT_SOURCE_FAST] = source_fast(source, w->value[WISH_MIN_SPEED].number),
            [FACT_LOSS_ASKED] = w->value[WISH_MAX_LOSS].set,
            [FACT_EVALUATION] = 1,
        },
        .word = {
            [FACT_FIT] = wishes_choice(w, WISH_FIT),
            [FACT_USE_CASE] = wishes_choice(w, WISH_USE_CASE),
            [FACT_RUNTIME] = wishes_choice(w, WISH_RUNTIME),
            [FACT_KV_TYPE] = wishes_choice(w, WISH_KV_TYPE),
            [FACT_PRIORITY] = wishes_choice(w, WISH_PRIORITY),
            [FACT_FLASH_ATTENTION] = wishes_choice(w, WISH_FLASH_ATTENTION),
            [FACT_VENDOR] = vendor,
        },
        .fit = wishes_fit(w),
        .max_loss = w->value[WISH_MAX_LOSS].number,
        .min_speed = w->value[WISH_MIN_SPEED].number,
        .runtime = runtime->title,
        .answer_tokens = rules_answer_tokens(r, wishes_choice(w, WISH_USE_CASE)),
        .original = source ? source : s->count ? &s->rows[0] : NULL,
        .s = s,
    };
    f.number[FACT_KV_SHARE] = kv_share(f.original);
    f.number[FACT_PROMPT_SHARE] = prompt_share(&f);
    return f;
}
