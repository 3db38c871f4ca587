/* rules/gpus.yaml: what the makers say of their GPUs, for facts that no driver tells. */
#ifndef MACHINE_GPU_TABLE_H
#define MACHINE_GPU_TABLE_H

#include "base/error.h"
#include "machine/machine.h"

struct gpu_table;
/* Reads and checks the rules; *out is NULL on failure. */
int gpu_table_load(struct gpu_table **out, struct error *e);
void gpu_table_free(struct gpu_table *t);
int gpu_table_count(const struct gpu_table *t);

/* Puts FACT_TABLED where `g` has no fact. The rows with the longest name found in g->name count; of those,
 * where the memory is known, the ones of that size; and a fact on which they disagree stays unknown.
 * `whole_bytes` stands for the memory of a GPU of which `g` is a slice, else 0. `t` may be NULL; texts are
 * copied to `a`. */
void gpu_table_complete(const struct gpu_table *t, struct machine_gpu *g, double whole_bytes,
                        struct arena *a);

#endif
