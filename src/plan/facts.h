/* What is known when a decision is taken: the machine, the model, the wishes and the estimates, as the conditions of the
 * rules ask about them. */
#ifndef PLAN_FACTS_H
#define PLAN_FACTS_H

#include "plan/estimate.h"

/* What conditions ask about; unknown ones (NaN, NULL) meet no condition. */
enum plan_fact {
    FACT_PARAMETERS, FACT_VRAM, FACT_RAM, FACT_CTX, FACT_PARALLEL, FACT_EXPERTS,     /* numbers */
    FACT_CAPABILITY, FACT_TENSOR_PARALLEL,
    FACT_FIT, FACT_USE_CASE, FACT_RUNTIME, FACT_KV_TYPE,                             /* words */
    FACT_GPU, FACT_CALIBRATION, FACT_DOMAIN_TEXT, FACT_QUANTIZED_SOURCE, FACT_SOURCE_FITS,             /* 0 or 1 */
    FACT_BEYOND_TRAINING, FACT_LOSS_ASKED, FACT_EVALUATION, FACT_CAPABILITY_KNOWN, FACT_SOURCE_FOLDER,
    FACT_COUNT,
};
struct facts {
    double number[FACT_COUNT];
    const char *word[FACT_COUNT];
    enum fit fit;
    double max_loss, min_speed; /* the wishes; NaN: none */
    const char *runtime;        /* its title */
    const struct estimates *s;
};

/* After the rows of the estimates have been reckoned. */
struct facts facts_gather(const struct estimates *s, const struct machine *m, const struct model *model,
                          const struct wishes *w, const struct rules *r);

#endif
