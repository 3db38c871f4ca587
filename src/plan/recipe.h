/* Which tensor gets which type for a level (rules/recipes.yaml), and what replaces a type whose block does
 * not divide a row. The estimator and the writer both call this, so their sizes agree. */
#ifndef PLAN_RECIPE_H
#define PLAN_RECIPE_H

#include "base/error.h"
#include "base/mem.h"
#include "model/model.h"
#include "plan/rules.h"

struct recipe_override { const char *pattern /* regex over tensor names */; const struct quant_type *type; };
/* The type of one tensor, by its whole name. */
struct recipe_pin { const char *name; const struct quant_type *type; };
struct recipe_options {
    const struct rules *rules;               /* NULL: loaded for this call */
    const struct recipe_override *overrides; /* --tensor-type, first match wins */
    int override_count;
    bool pure;                               /* every tensor the level's main type */
    const struct quant_type *output_type, *embedding_type; /* NULL: as the recipe says */
    const struct recipe_pin *pins;           /* go before all else; each must be of a tensor that may be quantized */
    int pin_count;
    bool strict;                             /* a fallback is an error */
    bool imatrix;                            /* an importance matrix will be used: some mixtures differ */
};

struct tensor_plan {
    const struct tensor *tensor;
    const struct quant_type *wanted, *type;  /* differ where the row length forced a fallback */
    uint64_t bytes;
    const char *why;                         /* the recipe's reason, or the fallback's; NULL: the main type */
    bool needs_imatrix;                      /* the type ruins it without */
};
/* The importance that a file is made with, as it will say itself. */
struct recipe_imatrix {
    const char *file;                        /* NULL: none */
    const char *dataset;                     /* NULL: not known */
    int entries;                             /* weights that the file has importance of */
    int64_t chunks;                          /* of the text; 0: not known */
};
struct recipe {
    char level[24];
    int file_type;                           /* general.file_type */
    struct tensor_plan *tensors;             /* in the model's order */
    int count, fallbacks;
    uint64_t bytes;                          /* of all tensors, each padded to the alignment */
    uint64_t data_bytes;                     /* unpadded */
    double bits_per_weight;
    struct recipe_imatrix imatrix;           /* borrowed */
    struct arena arena;                      /* the reasons */
};
/* `level` as people write it: "Q4_K_M". Free with recipe_done whatever is returned. */
int recipe_apply(struct recipe *r, const struct model *m, const char *level, const struct recipe_options *o,
                 struct error *e);
void recipe_done(struct recipe *r);
/* Refuses types that need an importance matrix where the recipe has none; a calibration text (`calibrated`) stands for
 * one. */
int recipe_check_imatrix(const struct recipe *r, bool calibrated, struct error *e);
/* The model as it is: every tensor keeps its type, and file_type is -1, for "as in the model". */
void recipe_copy(struct recipe *r, const struct model *m);

/* What does not depend on the level: which role each tensor has and what is kept. Made once, it lets all
 * levels of a model be walked in a millisecond. Borrows the model and the rules. */
struct recipe_walk;
struct recipe_walk *recipe_walk_new(const struct model *m, const struct rules *rules);
void recipe_walk_free(struct recipe_walk *w);
/* As recipe_apply, for levels of the rules that the walk was made with. */
int recipe_walk_level(const struct recipe_walk *w, struct recipe *r, const struct level *level,
                      const struct recipe_options *o, struct error *e);
/* The checkpoint as it is: every tensor keeps its type. */
void recipe_walk_source(const struct recipe_walk *w, struct recipe *r, const struct level *level);
/* Whether a tensor keeps its type whatever the level: norms, routers, … */
bool recipe_walk_keeps(const struct recipe_walk *w, int tensor);
/* Bytes that a tensor takes in a file, up to where the next one begins. */
uint64_t recipe_padded(uint64_t bytes);
/* Bytes of the file that a recipe makes: metadata, tensor table and padding included. */
uint64_t recipe_file_bytes(const struct recipe_walk *w, const struct recipe *r);

#endif
