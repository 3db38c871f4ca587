/* quantwiz quantize IN OUT TYPE, where TYPE is a format of checkpoint folders (pack/scheme.h). */
#ifndef CMD_MAKING_FOLDER_H
#define CMD_MAKING_FOLDER_H

#include "cmd/making.h"

int making_folder_run(const struct making *m, struct error *e);

#endif
