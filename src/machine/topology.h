/* Cores, caches, NUMA nodes and devices as hwloc sees them, here or in a saved XML file. */
#ifndef MACHINE_TOPOLOGY_H
#define MACHINE_TOPOLOGY_H

#include <hwloc.h>

#include "machine/machine.h"

/* Sets what hwloc reads from the environment, unless it is set. */
void topology_prepare(void);
/* Of this machine. hwloc_topology_destroy() it. */
int topology_open(hwloc_topology_t *out, struct error *e);
/* Of the machine that hwloc's XML (version 2) describes; `name` is what errors call it. A damaged text can
 * crash hwloc: only machine_file.c, which lets a child try first, should call this. */
int topology_open_xml(hwloc_topology_t *out, const char *text, size_t length, const char *name,
                      struct error *e);
/* The processor, its caches and the NUMA nodes. `threads` counts all of the topology's. */
void topology_describe(struct machine *m, hwloc_topology_t t);
/* A named fact of an object, or NULL. */
const char *topology_info(hwloc_obj_t o, const char *name);

#endif
