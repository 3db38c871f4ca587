/* How much memory there is and how much of it this process may take. */
#ifndef MACHINE_MEMORY_H
#define MACHINE_MEMORY_H

#include "machine/machine.h"

/* Fills total, available and limit from ROOT/proc/meminfo and the control groups; the bandwidth stays. */
void memory_read(struct machine_memory *mem, const char *root);

#endif
