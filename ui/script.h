/* Drives the wizard from a file instead of a person, and saves what the screen shows: a step a line.
 *
 *     size 120 40            columns and rows
 *     key Down Down F1 C-c   keys by name
 *     type some text         characters
 *     click 12 5             column and row
 *     wheel down             or up
 *     wait idle              until background work is over (each step waits for that anyway)
 *     wait run-done          until the run is over
 *     save FILE              the screen: its text, its attributes, a legend
 *     dump FILE              the state behind the screen, a fact a line
 *     expect TEXT            fails where the screen does not show it
 *     refuse TEXT            fails where it does
 *
 * Blank lines and lines that begin with '#' are skipped. No step waits for a clock. */
#ifndef UI_SCRIPT_H
#define UI_SCRIPT_H

#include "ui/ui.h"

struct script;
int script_open(struct script **out, const char *path, struct error *e);
void script_close(struct script *s);
/* Runs steps until one of them is an event. 0, or an error naming the script's line. */
int script_next(struct script *s, struct ui *u, struct ui_event *out, struct error *e);

#endif
