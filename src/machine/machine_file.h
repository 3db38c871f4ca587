/* --machine FILE: another machine, replayed from hwloc's XML or described in our YAML. */
#ifndef MACHINE_MACHINE_FILE_H
#define MACHINE_MACHINE_FILE_H

#include "machine/machine.h"

/* Fills an empty machine. */
int machine_file_read(struct machine *m, const char *path, struct error *e);

#endif
