/* What a document says of a checkpoint folder beside what it says of any file: how its weights are stored, and for
 * bitsandbytes the lines that do the same while the original is loaded. */
#ifndef REPORT_FOLDER_H
#define REPORT_FOLDER_H

#include "plan/plan.h"
#include "report/document.h"

/* Nothing where the plan makes a GGUF file. */
void folder_settings_add(struct document *d, const struct plan *p);
void folder_loading_add(struct document *d, const struct plan *p);

#endif
