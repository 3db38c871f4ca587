/* Importance in a quantization (calib/imatrix.h): what a file of it says of each tensor of a recipe, and what is done
 * where it says nothing. Errors in a row then count by how large the inputs are that meet their columns. */
#ifndef RUN_IMPORTANCE_H
#define RUN_IMPORTANCE_H

#include "base/error.h"
#include "base/hash.h"
#include "calib/imatrix.h"
#include "plan/recipe.h"
#include "text/calibration.h"

struct importance {
    const char *path;      /* as it was given */
    struct imatrix file;
    float **weights;       /* [count][matrices][columns], the mean over a matrix's columns is 1; NULL: none known */
    int count;             /* the recipe's tensors */
    int wanted, found;     /* tensors that are encoded to blocks, and those of them that have weights */
    char **gaps;           /* [gap_count]: what is missing, a line each */
    int gap_count, gap_capacity;
};

/* Free with importance_done whatever is returned. */
int importance_read(struct importance *m, const char *path, struct error *e);
/* The same by running a text through the model: what --method nearest makes of one. */
int importance_collect(struct importance *m, const struct model *model, const struct calibration *text, struct watch *w,
                       struct error *e);
/* Finds the recipe's tensors in the file, and has the recipe say so in the output's metadata. Where the file lacks a
 * tensor or has it of another width, and in experts that no input met, all columns count alike: that is a gap. A file
 * that knows none of the tensors is refused. */
int importance_match(struct importance *m, struct recipe *r, struct error *e);
void importance_done(struct importance *m);

/* The importance of `count` elements of tensor i from `first` on, in `out`; NULL where none is known. */
const float *importance_of(const struct importance *m, const struct tensor_plan *p, int i, int64_t first, int64_t count,
                           float *out);
/* Another importance makes another file. */
void importance_mix(const struct importance *m, const struct recipe *r, char fingerprint[static HASH_TEXT]);

#endif
