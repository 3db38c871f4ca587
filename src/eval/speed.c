/* How fast tokens come one by one. Prefill is measured along with the perplexity. */
#include <math.h>

#include "eval/eval_priv.h"
#include "eval/generate.h"

enum { DECODE_TOKENS = 32 };

int speed_run(struct session *s, struct error *e)
{
    static const char prompt[] = "The";
    double *const speeds[] = {&s->r->figures.decode_tokens_per_s, &s->r->base_decode_tokens_per_s};
    struct generate_options o = {.tokens = DECODE_TOKENS + 1, .past_end = true, .activations = s->o->activations};
    int rc = 0;
    double before = base_store_number(s->store, "decode_tokens_per_s");
    for (int i = 0; i < s->count && !rc; i++) {
        struct watch_part part;
        struct generation g;
        if (i == 1 && !isnan(before)) {
            *speeds[i] = before;
            break;
        }
        rc = generate(&g, s->subjects[i].model, s->subjects[i].tokenizer, prompt, &o,
                      watch_part(&part, s->w, i, i + 1, s->count, "speed"), e);
        *speeds[i] = generation_decode_speed(&g);
        generation_done(&g);
        if (i == 1 && !rc && !isnan(*speeds[i]))
            base_store_add(s->store, "decode_tokens_per_s", json_real(*speeds[i]));
    }
    return rc;
}
