/* What plan.yaml may hold: the reader's checks and quantwiz-plan(5) are made from it. */
#ifndef PLAN_PLAN_SCHEMA_H
#define PLAN_PLAN_SCHEMA_H

#include "base/schema.h"

enum { PLAN_SCHEMA = 1 }; /* `schema:` of the file */

const struct schema_field *plan_schema(void);
/* `tensors` alone, of a file that need not hold more. */
extern const struct schema_field plan_tensors_schema[];

#endif
