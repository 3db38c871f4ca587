#include "run/monitor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"

static const char *const words[] = {[RUN_STOP] = "stop\n", [RUN_PAUSE] = "pause\n", [RUN_CONTINUE] = "continue\n"};

int run_control(const char *run_folder, enum run_control c, struct error *e)
{
    char *path = path_join(run_folder, "control");
    int rc = file_write(path, words[c], strlen(words[c]), e);
    free(path);
    return rc;
}

static bool read_control(const char *path, enum run_control *c)
{
    struct error e;
    char *text;
    bool found = false;
    if (file_read(path, 64, &text, NULL, &e))
        return false;
    for (size_t i = 0; i < ARRAY_LENGTH(words); i++)
        if (strcmp(text, words[i]) == 0) {
            *c = i;
            found = true;
        }
    free(text);
    return found;
}

/* Taken away before it is read, so that a command that comes meanwhile is not lost. */
bool control_take(const char *folder, enum run_control *c)
{
    char *path = path_join(folder, "control"), *taken = path_join(folder, "control.taken");
    bool found = rename(path, taken) == 0 && read_control(taken, c);
    unlink(taken);
    free(path);
    free(taken);
    return found;
}

void control_clear(const char *folder)
{
    char *path = path_join(folder, "control");
    unlink(path);
    free(path);
}
