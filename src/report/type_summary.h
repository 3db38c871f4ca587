/* The tensors of a run by the type that they got. */
#ifndef REPORT_TYPE_SUMMARY_H
#define REPORT_TYPE_SUMMARY_H

#include "report/document.h"
#include "run/run_state.h"

void type_summary_add(struct document *d, const struct run_state *s);

#endif
