/* What rounding costs where nothing is known of the numbers but that they are spread as most weights are: normally. */
#ifndef QUANT_NORMAL_ERROR_H
#define QUANT_NORMAL_ERROR_H

#include "quant/quant_type.h"

/* Σ (x - y)² over Σ x² of normal numbers x that the type stores as y; the same numbers on every machine. */
double quant_normal_error(const struct quant_type *t);

#endif
