/* What the runtime makes of the format. */
#include <math.h>
#include <string.h>

#include "doctor/checks.h"
#include "plan/kernel.h"

static const struct runtime *runtime_of(const struct patient *p)
{
    return runtime_named(p->rules, wishes_choice(&p->wishes, WISH_RUNTIME));
}

static bool on_cpu(const struct patient *p)
{
    return strcmp(wishes_choice(&p->wishes, WISH_FIT), "cpu") == 0;
}

/* Of the weakest GPU; NaN: not known. */
static double capability_of(const struct patient *p)
{
    return machine_least_capability(p->machine, p->machine->gpu_count);
}

static enum finding format_unknown(struct look *l)
{
    return look_say(l, FINDING_UNKNOWN, "the folder's format is not one that the rules name");
}

static enum finding runtime_refuses(struct look *l)
{
    const struct patient *p = l->p;
    const struct runtime *r = runtime_of(p);
    if (!p->format)
        return format_unknown(l);
    if (runtime_accepts(r, p->format))
        return look_say(l, FINDING_NOT, "%s reads %s", r->title, p->format);
    return str_among(r->refuses, p->format)
               ? look_say(l, FINDING_FOUND, "%s does not read %s", r->title, p->format)
               : look_say(l, FINDING_UNKNOWN, "the rules do not say whether %s reads %s", r->title, p->format);
}

static enum finding capability_too_low(struct look *l)
{
    const struct patient *p = l->p;
    const struct runtime *r = runtime_of(p);
    const struct runtime_format *f = p->format ? runtime_accepts(r, p->format) : NULL;
    double capability = capability_of(p);
    if (!f)
        return p->format ? look_say(l, FINDING_UNKNOWN, "the rules do not say what %s wants for %s", r->title, p->format)
                         : format_unknown(l);
    if (on_cpu(p) || f->capability_min <= 0)
        return look_say(l, FINDING_NOT, "nothing is asked of a GPU");
    if (isnan(capability))
        return look_say(l, FINDING_UNKNOWN, "%.1f is wanted, and this GPU's is not known", f->capability_min);
    return look_say(l, capability < f->capability_min ? FINDING_FOUND : FINDING_NOT, "%.1f is wanted, it has %.1f",
                    f->capability_min, capability);
}

/* The level whose name the run has, or the row of the model as it is. */
static const struct level *level_of(const struct patient *p, struct arena *a)
{
    const struct level *level = p->row ? p->row->level : NULL;
    struct error e;
    if (p->plan && rules_level_find(p->rules, p->plan->level, &level, a, &e))
        return NULL;
    return level;
}

static enum finding say_kernel(struct look *l, const struct kernel_answer *k)
{
    if (k->verdict == KERNEL_SERVES)
        return look_say(l, FINDING_NOT, "%s", k->kernel->title);
    if (k->verdict == KERNEL_REFUSED)
        return look_say(l, FINDING_FOUND, "%.300s", k->count ? k->remarks[0].text : "none");
    return look_say(l, FINDING_UNKNOWN, "which one is not known");
}

static enum finding no_kernel(struct look *l)
{
    const struct patient *p = l->p;
    struct arena a = {0};
    const struct level *level = level_of(p, &a);
    const struct kernel_question q = {
        .model = p->model, .level = level, .runtime = runtime_of(p), .capability = capability_of(p), .cpu = on_cpu(p),
        .tensor_parallel = (int)p->wishes.value[WISH_TENSOR_PARALLEL].number,
    };
    enum finding f;
    if (level && level->scheme) {
        struct kernel_answer answer = kernel_ask(p->rules, &q, &a);
        f = say_kernel(l, &answer);
    } else if (p->model->folder && p->model->quantized) {
        f = look_say(l, FINDING_UNKNOWN, "how the folder was quantized is not known; name its run");
    } else {
        f = look_say(l, FINDING_NOT, "GGUF types and plain weights have them");
    }
    arena_done(&a);
    return f;
}

static enum finding holds_sixteen_bits(struct look *l)
{
    const struct patient *p = l->p;
    const struct runtime *r = runtime_of(p);
    const struct runtime_format *f = p->format ? runtime_accepts(r, p->format) : NULL;
    if (!f)
        return look_say(l, FINDING_UNKNOWN, "the rules do not say how %s holds it", r->title);
    return look_say(l, f->dequantizes ? FINDING_FOUND : FINDING_NOT, "%s, %s", r->title, p->format);
}

static enum finding gpu_format_on_a_cpu(struct look *l)
{
    static const char *const formats[] = {"gptq", "awq", "fp8", "int8", "compressed-tensors", NULL};
    const struct patient *p = l->p;
    if (!p->format)
        return format_unknown(l);
    bool without = on_cpu(p) || !p->machine->gpu_count;
    return look_say(l, without && str_among(formats, p->format) ? FINDING_FOUND : FINDING_NOT, "%s, %s", p->format,
                    without ? "without a GPU" : "on a GPU");
}

static enum finding bitsandbytes_served(struct look *l)
{
    const struct patient *p = l->p;
    const char *runtime = wishes_choice(&p->wishes, WISH_RUNTIME);
    bool served = p->format && strcmp(p->format, "bitsandbytes") == 0 && strcmp(runtime, "transformers") != 0;
    return look_say(l, served ? FINDING_FOUND : FINDING_NOT, "%s in %s", p->format ? p->format : "another format", runtime);
}

const struct check runtime_checks[] = {
    {"runtime-refuses", NEEDS_MODEL, runtime_refuses},
    {"capability-too-low", NEEDS_MODEL, capability_too_low},
    {"no-kernel", NEEDS_MODEL, no_kernel},
    {"holds-sixteen-bits", NEEDS_MODEL, holds_sixteen_bits},
    {"gpu-format-on-a-cpu", NEEDS_MODEL, gpu_format_on_a_cpu},
    {"bitsandbytes-served", NEEDS_MODEL, bitsandbytes_served},
    {0},
};
