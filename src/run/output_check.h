/* What must hold before the first byte of an output is written. */
#ifndef RUN_OUTPUT_CHECK_H
#define RUN_OUTPUT_CHECK_H

#include "run/layout.h"

/* The source is whole and every tensor can be decoded and made; the output is none of the source's files (by any
 * name), its folder exists and can be written; the disk has room for what is planned. */
int output_check(const struct layout *l, const char *out, struct error *e);

#endif
