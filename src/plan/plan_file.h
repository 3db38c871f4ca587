/* What plan.yaml may hold: the reader's checks and quantwiz-plan(5) are made from it. */
#ifndef PLAN_PLAN_FILE_H
#define PLAN_PLAN_FILE_H

#include "base/schema.h"

const struct schema_field *plan_schema(void);

#endif
