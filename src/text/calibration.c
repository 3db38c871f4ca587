#include "text/calibration.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "text/overlap.h"
#include "text/samples.h"

enum {
    SAMPLES_LEAST = CALIBRATION_SAMPLES, SAMPLES_MOST = 512,
    LENGTH_LEAST = 128, LENGTH_MOST = 2048,
    TOKENS = CALIBRATION_SAMPLES * CALIBRATION_LENGTH, /* of all samples together, about */
};

bool calibration_is_general(const struct calibration *c)
{
    return c->text && strcmp(c->text, CALIBRATION_GENERAL) == 0;
}

int calibration_path(char **path, const char *text, struct error *e)
{
    bool general = strcmp(text, CALIBRATION_GENERAL) == 0;
    *path = general ? file_data("demo/general") : xstrdup(text);
    if (*path)
        return 0;
    return error_set(e, ERROR_FAILED, "the text that comes with the program (demo/general) is not installed; name a"
                     " text of your own");
}

int calibration_check(const struct calibration *c, struct error *e)
{
    char hash[HASH_TEXT], *path;
    if (!c->text || !c->hash)
        return 0;
    int rc = calibration_path(&path, c->text, e);
    rc = rc ? rc : samples_hash(hash, path, e);
    if (!rc && strcmp(hash, c->hash) != 0)
        rc = error_set(e, ERROR_FAILED, "%s is not the calibration text that the plan was made with (its SHA-256 is"
                       " %.12s…, the plan says %.12s…): make a new plan, or take the sum out of this one", path, hash,
                       c->hash);
    else if (rc)
        error_context(e, "the plan's calibration text");
    free(path);
    return rc;
}

int calibration_overlap(double *share, const struct calibration *c, const char *evaluated, struct error *e)
{
    const char *const names[] = {evaluated, c->text};
    struct samples read[ARRAY_LENGTH(names)] = {0};
    int rc = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(names) && !rc; i++) {
        char *path;
        rc = calibration_path(&path, names[i], e);
        rc = rc ? rc : samples_read(&read[i], path, NULL, e);
        free(path);
    }
    *share = rc ? NAN : samples_overlap(&read[0], &read[1]);
    samples_done(&read[0]);
    samples_done(&read[1]);
    return rc;
}

static int within(int value, int low, int high)
{
    return value < low ? low : value > high ? high : value;
}

void calibration_suggest(struct calibration *c, int prompt_tokens, int context)
{
    int longest = context > 0 && context < LENGTH_MOST ? context : LENGTH_MOST;
    c->sample_length = within(prompt_tokens, longest < LENGTH_LEAST ? longest : LENGTH_LEAST, longest);
    c->samples = within(TOKENS / c->sample_length, SAMPLES_LEAST, SAMPLES_MOST);
}
