#include "machine/pci_ids.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *pci_market_name(const char *name, struct arena *a)
{
    const char *open = strrchr(name, '['), *close = open ? strchr(open, ']') : NULL;
    return close ? arena_strndup(a, open + 1, close - open - 1) : arena_strdup(a, name);
}

/* The list has lines "10de  NVIDIA Corporation", and under each "<tab>2684  AD102 [GeForce RTX 4090]". */
static const char *find(FILE *f, unsigned vendor, unsigned device, struct arena *a)
{
    char line[512];
    unsigned id;
    int at;
    bool here = false;
    while (fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = 0;
        if (line[0] != '\t' && line[0] != '#' && line[0])
            here = sscanf(line, "%4x", &id) == 1 && id == vendor;
        else if (here && line[0] == '\t' && line[1] != '\t' && sscanf(line, "\t%4x %n", &id, &at) == 1 &&
                 id == device)
            return pci_market_name(line + at, a);
    }
    return NULL;
}

const char *pci_device_name(const char *root, unsigned vendor, unsigned device, struct arena *a)
{
    static const char *const places[] = {"/usr/share/misc/pci.ids", "/usr/share/hwdata/pci.ids"};
    const char *name = NULL;
    for (size_t i = 0; i < ARRAY_LENGTH(places) && !name; i++) {
        char *path = xasprintf("%s%s", root, places[i]);
        FILE *f = fopen(path, "re");
        if (f) {
            name = find(f, vendor, device, a);
            fclose(f);
        }
        free(path);
    }
    return name;
}
