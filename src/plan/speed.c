#include "plan/speed.h"

#include <math.h>

static double seconds(double work, struct fact rate, double efficiency)
{
    return !(work > 0) ? 0 : fact_known(rate) ? work / (rate.value * efficiency) : NAN;
}

/* GPUs that share each layer work at once; those that hold layers of their own work in turn. */
static double at_once(const struct placement *p, const struct machine *m, const struct runtime *r)
{
    int used = 0;
    for (int g = 0; r->tensor_parallel && m && g < m->gpu_count && g < p->gpu_count; g++)
        used += p->layers_on_gpu[g] > 0;
    return used > 1 ? used : 1;
}

double speed_decode(const struct costs *c, const struct placement *p, const struct machine *m,
                    const struct runtime *r)
{
    struct fact ram = m ? m->memory.bandwidth : (struct fact){0};
    double time = 0;
    for (int i = 0; i < c->count; i++) {
        int g = placement_device(p, c->count, m ? m->gpu_count : 0, i);
        double bytes = (double)(c->layer[i].read + c->layer[i].kv_half);
        time += g < 0 ? seconds(bytes, ram, r->cpu_efficiency)
                      : seconds(bytes, m->gpus[g].bandwidth, r->gpu_efficiency);
    }
    return time > 0 ? at_once(p, m, r) / time : NAN;
}

double speed_prefill(const struct costs *c, const struct placement *p, const struct machine *m,
                     const struct runtime *r)
{
    double time = 0;
    for (int i = 0; i < c->count; i++) {
        int g = placement_device(p, c->count, m ? m->gpu_count : 0, i);
        struct fact rate = g < 0 ? (struct fact){0} : m->gpus[g].flops;
        time += seconds(c->layer[i].operations, rate, r->prefill_efficiency);
    }
    return time > 0 ? at_once(p, m, r) / time : NAN;
}
