/* Names of PCI devices, from the system's list of them (pci.ids, which pciutils and hwdata install). */
#ifndef MACHINE_PCI_IDS_H
#define MACHINE_PCI_IDS_H

#include "base/mem.h"

/* "GeForce RTX 4090", or NULL where the list or the device is missing. `root` goes before /usr. */
const char *pci_device_name(const char *root, unsigned vendor, unsigned device, struct arena *a);
/* The part of "AD102 [GeForce RTX 4090]" that people know; all of it where there are no brackets. */
const char *pci_market_name(const char *name, struct arena *a);

#endif
