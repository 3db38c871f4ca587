/* How long a run will take here: measured on slices of the model itself, for a fraction of a second. */
#ifndef RUN_FORECAST_H
#define RUN_FORECAST_H

#include "base/error.h"
#include "model/model.h"

/* Seconds that quantizing to `level` takes with all threads, from encoding a slice of a tensor for each pair of types
 * that occurs; of a checkpoint folder from making its smallest weight. Reading from a cold disk comes on top. */
int forecast_quantize(const struct model *m, const char *level, double *seconds, struct error *e);

#endif
