/* A checkpoint folder to a quantized one that the libraries which serve it load: weights packed as a scheme says, all
 * else carried over. Holds one weight at a time, on all cores; journalled weight by weight; the same bytes for any number
 * of threads. Everything is written into OUT.part, read back, synced, and then renamed. */
#ifndef RUN_CHECKPOINT_H
#define RUN_CHECKPOINT_H

#include "run/checkpoint_layout.h"
#include "run/quantize.h"

/* What a calibration has decided. The functions may be called from one thread at a time. */
struct checkpoint_made {
    /* The codes of one part (expert) of a GGUF tensor, rows in its own order: c has room for all of it. False: it was
     * not quantized, or not to codes. */
    bool (*codes)(void *user, const struct tensor *t, int part, struct codes *c);
    /* The numbers that stand in the place of the source's, [rows][columns] of one part: norms and weights that scales
     * were folded into. False: the source's. */
    bool (*floats)(void *user, const struct tensor *t, int part, float *x);
    void *user;
};

struct checkpoint_job {
    const struct model *model;       /* a checkpoint folder */
    const struct scheme *scheme;
    const char *out;                 /* the folder to make: must not be there */
    const char *const *skip;         /* [skip_count], see checkpoint_layout.h */
    int skip_count;
    uint64_t file_bytes;             /* the largest file; 0: CHECKPOINT_FILE_BYTES */
    const struct checkpoint_made *made; /* what was decided already; NULL: nothing */
    const struct calibration *calibration; /* a text to make codes by; NULL: every weight to the nearest */
    bool nearest;                    /* no error feedback: the text decides on scales alone */
    const char *journal;             /* file that lists what is safely on disk, and stays; NULL: in the unfinished folder */
    double memory_bytes;             /* that going through the layers may use; 0: what is available */
    bool resume;                     /* with a journal that stayed, a folder that is finished is as good as made */
    const struct quantize_listener *listener; /* an index for each stored tensor of the source */
    struct watch *watch;
};
/* Rounded to nearest, this format loses more than GGUF levels of its size: a text belongs to it. */
bool checkpoint_wants_text(const struct scheme *s);
/* The checks alone: source, scheme, output's place, disk. The layout is the caller's to free whatever is returned. */
int checkpoint_check(const struct checkpoint_job *j, struct checkpoint_layout *l, struct error *e);
/* After an error OUT.part stays where `resume` can go on from it. */
int checkpoint_run(const struct checkpoint_job *j, struct error *e);

/* "OUT.part"; free() it. */
char *checkpoint_part(const char *out);

#endif
