/* One worker at a time in a run folder: FOLDER/lock, locked while the worker lives (the kernel lets go of it however
 * the worker ends), holding its pid and host for people. */
#ifndef RUN_RUN_LOCK_H
#define RUN_RUN_LOCK_H

#include <stdbool.h>

#include "base/error.h"

struct run_lock { int fd; };
/* Fails, naming the holder, where another worker has it. */
int run_lock_take(struct run_lock *l, const char *folder, struct error *e);
void run_lock_drop(struct run_lock *l);
/* Asks without disturbing: is a worker alive in this folder? Means something on the worker's own host only. */
bool run_lock_held(const char *folder);

#endif
