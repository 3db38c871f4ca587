/* Beside the worker's own thread, whatever that is busy with: tells each second what the process uses, and obeys the
 * control file. */
#ifndef RUN_MONITOR_H
#define RUN_MONITOR_H

#include <stdbool.h>
#include <stdint.h>

#include "run/events.h"
#include "run/run.h"

struct monitor;
/* `out`: the artefact, whose disk is watched. Borrows all three. */
struct monitor *monitor_start(struct event_log *log, const char *folder, const char *out);
void monitor_stop(struct monitor *m);
void monitor_plan_bytes(struct monitor *m, uint64_t planned);
void monitor_add_written(struct monitor *m, uint64_t bytes);
void monitor_all_written(struct monitor *m); /* what lies beside the tensors in the file, too */
/* Waits while the run is paused, unless it is interrupted. */
void monitor_wait(struct monitor *m);

/* What the control file asks for, which is then gone; false: nothing. */
bool control_take(const char *folder, enum run_control *c);
/* Forgets what was asked of an earlier worker. */
void control_clear(const char *folder);

#endif
