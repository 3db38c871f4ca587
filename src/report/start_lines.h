/* report_start_lines lives apart from the document. */
#ifndef REPORT_START_LINES_H
#define REPORT_START_LINES_H

#include "report/report.h"

/* A text with each {placeholder} replaced; `names` and `values` end with NULL. Unknown ones stay as they are. */
char *fill_placeholders(const char *text, const char *const *names, const char *const *values, struct arena *a);

#endif
