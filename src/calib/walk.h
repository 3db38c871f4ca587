/* Shared by the files of the walk over layers: layerwise.c (the story), walk_streams.c (the samples' way through the two
 * models), walk_groups.c (which inputs the weights of a stage meet), walk_tensors.c (weights as floats, and what was made
 * of them), walk_damage.c (weights that are no numbers). */
#ifndef CALIB_WALK_H
#define CALIB_WALK_H

#include "calib/layerwise.h"
#include "calib/stash.h"
#include "infer/decoder.h"

struct walk_group {
    struct layerwise_group group; /* its `h` is `hessian` */
    struct hessian hessian;
};

/* An expert of a tensor; 0 of one without experts. */
struct walk_part {
    const struct tensor *tensor; /* in the fork */
    int expert;
};

/* One of the two models, and where its samples are. */
struct walk_stream {
    struct walk *walk;
    struct decoder *decoder;    /* NULL: it does not run */
    const struct tensor *tensors; /* the model's */
    struct stash x, kept;       /* a batch of each: [sequences][length][embd], [sequences][length][decoder_kept()] */
    bool leaps;                 /* after its part in STAGE_DOWN it goes on to the layer's end */
};

struct walk {
    const struct layerwise_job *job;
    struct layerwise *made;
    struct model *fork, *sound; /* the original as `original` runs it: with 0 for weights that are no numbers */
    struct walk_part *damage;   /* of the step at present */
    int damage_count, damage_capacity;
    struct walk_stream original, quantized;
    int sequences;              /* go through a layer together */
    unsigned char **rooms;      /* [tensor_count]: in the store; NULL: it stays as it is */
    float **held;               /* [tensor_count]: the fork's tensors as floats, of the layer at present */
    bool **encoded;             /* [tensor_count]: of the stage at present [experts]; NULL: nothing of it was */
    int experts_at_once;        /* so many have their moments taken in a pass, from `first_expert` on */
    int first_expert;
    bool rehearses;             /* another pass follows: the streams stay as they are, and experts alone are met */
    struct walk_group *groups;  /* of the stage at present */
    int count, capacity;
    const float *last;          /* inputs of the group that was met last */
    float *x, *kept;            /* of the batch at present: [rows][embd], [rows][walk_width()] */
    const struct tensor *seen;  /* the first of the group that the original met in the batch at present; NULL: none */
    float *off;                 /* [rows][columns]: what it met, then how far the other's inputs are from that */
    struct columns inputs, differences;
};

/* walk_streams.c */
/* What a stream can be taken through beside a stage. */
enum { WALK_EMBEDDING = STAGE_COUNT, WALK_LAYER, WALK_OUTPUT };
/* Samples of `length` tokens; nothing is kept yet. */
int walk_open_streams(struct walk *w, int length, struct error *e);
void walk_close_streams(struct walk *w);
/* Does the original go through a layer before the layer's first weight is encoded? */
bool walk_runs_ahead(const struct layerwise_job *j);
/* Floats that all streams keep for a token from stage to stage, at most, and the widest row of inputs. */
int64_t walk_kept(const struct walk *w);
int64_t walk_width(const struct walk *w);
/* Bytes that passes of such samples take, beside what is kept. */
double walk_buffers(const struct walk *w, int64_t length);
/* `folder`: where what is kept goes; NULL: in memory. */
int walk_open_stashes(struct walk *w, const char *folder, struct error *e);
int walk_batches(const struct walk *w);
void walk_advance(struct walk_stream *s, int layer, int what, int batch);

/* walk_groups.c. Taps, with their stream as `user`: of the one that moments are taken of, and of the original beside
 * the other. */
void walk_meet(void *user, const struct tensor *met, int expert, const float *x, int64_t rows, int64_t columns);
void walk_see(void *user, const struct tensor *met, int expert, const float *x, int64_t rows, int64_t columns);
void walk_forget_seen(struct walk *w);
void walk_forget_groups(struct walk *w);

/* walk_damage.c. Finds what of a step's matrices is no number; both streams compute with 0 there, until it is forgotten. */
void walk_mend(struct walk *w, int step);
void walk_forget_damage(struct walk *w);
bool walk_is_damaged(const struct walk *w, const struct tensor *t, int expert);
/* Rows of the original as x[rows][columns], without what is no number: says and returns how many were none. */
int64_t walk_read_sound(const struct walk *w, const struct tensor *t, int64_t first, int64_t rows, float *x);

/* walk_tensors.c. Steps are those of the store: the embedding, the layers, the output. */
bool walk_wants(const struct walk *w, const struct tensor *t);  /* it is to be made, and has not been */
int walk_experts(const struct tensor *t);
int walk_step_of(const struct walk *w, const struct tensor *t);
/* A line for people, where somebody listens. */
void walk_note(const struct walk *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* How much room each step takes: bytes[layers + 2]. */
void walk_lay_out(const struct walk *w, uint64_t *bytes);
/* Finds each tensor's room in the store. */
void walk_place(struct walk *w);
/* The fork's tensor as floats, from here on. */
float *walk_hold(struct walk *w, struct tensor *t);
/* Its room in the store, which counts as filled from here on; NULL where it stays as it is. */
unsigned char *walk_room(struct walk *w, struct tensor *t);
/* A step's tensors are not needed for a while: as floats not at all. */
void walk_release(struct walk *w, int step);
/* After a stage: weights that it took the products of are not needed as floats any more. */
void walk_use_up(struct walk *w, int layer, enum decoder_stage stage);
/* Quantizes the weights of the groups that were met; more experts of theirs follow. */
void walk_encode_some(struct walk *w);
/* Likewise, and no more follow: the fork computes with what became of them. */
void walk_encode(struct walk *w);
/* The embedding, by itself. */
void walk_encode_embedding(struct walk *w);
/* What an earlier attempt made in a step. */
void walk_take_over(struct walk *w, int step);
/* Puts the results beside what was made, for a later attempt. */
void walk_keep_results(const struct walk *w, int step);
/* What of a layer's tensors was rounded to nearest, by name; NULL: nothing. free() it. */
char *walk_plain(const struct walk *w, int step);
struct layerwise_report walk_report(const struct walk *w, int step);

#endif
