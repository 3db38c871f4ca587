/* What is known when a decision is taken: the machine, the model, the wishes and the estimates, as the conditions of the
 * rules ask about them. */
#ifndef PLAN_FACTS_H
#define PLAN_FACTS_H

#include "plan/estimate.h"

/* What conditions ask about; unknown ones (NaN, NULL) meet no condition. */
enum plan_fact {
    FACT_PARAMETERS, FACT_VRAM, FACT_RAM, FACT_CTX, FACT_PARALLEL, FACT_EXPERTS,     /* numbers */
    FACT_CAPABILITY, FACT_TENSOR_PARALLEL, FACT_KV_SHARE, FACT_PROMPT_SHARE,
    FACT_FIT, FACT_USE_CASE, FACT_RUNTIME, FACT_KV_TYPE, FACT_PRIORITY, FACT_FLASH_ATTENTION, FACT_VENDOR, /* words */
    FACT_GPU, FACT_CALIBRATION, FACT_DOMAIN_TEXT, FACT_QUANTIZED_SOURCE, FACT_SOURCE_FITS, FACT_SOURCE_FAST, /* 0 or 1 */
    FACT_BEYOND_TRAINING, FACT_LOSS_ASKED, FACT_EVALUATION, FACT_CAPABILITY_KNOWN, FACT_SOURCE_FOLDER,
    FACT_COUNT,
};
struct facts {
    double number[FACT_COUNT];
    const char *word[FACT_COUNT];
    enum fit fit;
    double max_loss, min_speed; /* the wishes; NaN: none */
    const char *runtime;        /* its title */
    int answer_tokens;          /* of a typical answer in this use case; 0: not said */
    const struct estimate *original; /* the row of the checkpoint as it is, or else the largest; NULL: no rows */
    const struct estimates *s;
};

/* After the rows of the estimates have been reckoned. */
struct facts facts_gather(const struct estimates *s, const struct machine *m, const struct model *model,
                          const struct wishes *w, const struct rules *r);
/* A maker whose GPUs have no compute capability, and whom the kernels of the rules are not for. */
bool facts_foreign(const char *vendor);
/* What a prompt that fills the context takes, and a typical answer to it, of the original; NaN: unknown. */
double facts_prompt_seconds(const struct facts *f);
double facts_answer_seconds(const struct facts *f);

#endif
