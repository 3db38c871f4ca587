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
    return wishes_fit(w) != FIT_CPU && w->value[WISH_BUDGET].set
               ? w->value[WISH_BUDGET].number
               : 0;
}

/* Of NVIDIA's GPUs; NaN where one is not known, or none is there. */
static double least_capability(const struct machine *m, int gpus)
{
    double least = NAN;
    for (int i = 0; i < gpus; i++) {
        if (!fact_known(m->gpus[i].compute_capability))
            return NAN;
        least = fmin(least, m->gpus[i].compute_capability.value);
    }
    return least;
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
    return (struct facts){
        .number = {
            [FACT_PARAMETERS] = (double)model->parameters,
            [FACT_VRAM] = total_vram(m, w, gpus),
            [FACT_RAM] = m && fact_known(m->memory.total_bytes) ? m->memory.total_bytes.value : NAN,
            [FACT_CTX] = ctx,
            [FACT_BEYOND_TRAINING] = truth(model->hp.context > 0, ctx > model->hp.context),
            [FACT_PARALLEL] = w->value[WISH_PARALLEL].number,
            [FACT_EXPERTS] = model->hp.experts,
            [FACT_CAPABILITY] = least_capability(m, gpus),
            [FACT_CAPABILITY_KNOWN] = truth(wishes_fit(w) != FIT_CPU, !isnan(least_capability(m, gpus))),
            [FACT_TENSOR_PARALLEL] = w->value[WISH_TENSOR_PARALLEL].number,
            [FACT_SOURCE_FOLDER] = model->folder != NULL,
            [FACT_GPU] = truth(m != NULL, m && m->gpu_count > 0),
            [FACT_CALIBRATION] = wishes_given(w, WISH_CALIBRATION),
            [FACT_DOMAIN_TEXT] = has_domain_text(w),
            [FACT_QUANTIZED_SOURCE] = model->quantized,
            [FACT_SOURCE_FITS] = truth(source && source->verdict != VERDICT_UNKNOWN,
                                       source && source->verdict == VERDICT_FITS),
            [FACT_LOSS_ASKED] = w->value[WISH_MAX_LOSS].set,
            [FACT_EVALUATION] = 1,
        },
        .word = {
            [FACT_FIT] = wishes_choice(w, WISH_FIT),
            [FACT_USE_CASE] = wishes_choice(w, WISH_USE_CASE),
            [FACT_RUNTIME] = wishes_choice(w, WISH_RUNTIME),
            [FACT_KV_TYPE] = wishes_choice(w, WISH_KV_TYPE),
        },
        .fit = wishes_fit(w),
        .max_loss = w->value[WISH_MAX_LOSS].number,
        .min_speed = w->value[WISH_MIN_SPEED].number,
        .runtime = runtime->title,
        .s = s,
    };
}
