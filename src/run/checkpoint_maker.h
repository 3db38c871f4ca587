/* Making a checkpoint folder: what checkpoint.c (the work) and checkpoint_maker.c (the folder, what an earlier attempt left in
 * it, and who listens) share. */
#ifndef RUN_CHECKPOINT_MAKER_H
#define RUN_CHECKPOINT_MAKER_H

#include "base/file.h"
#include "run/checkpoint.h"
#include "run/checkpoint_calibrated.h"
#include "run/journal.h"

struct maker {
    const struct checkpoint_job *job;
    struct checkpoint_layout layout;
    struct checkpoint_calibrated calibrated;
    double written_from;             /* the share of the work that comes before writing */
    char *folder;                    /* OUT.part */
    struct file_out *files;          /* [layout.file_count] */
    int open_files;
    struct journal journal;
    bool have_journal;
    struct journal_claim *claims;    /* [count]: what was made; index -1: not yet */
    int *waiting, waiting_count;     /* written, and not yet in the journal */
    uint64_t waiting_bytes;
    double synced;
    bool hopeless;                   /* another attempt would fail in the same way */
};

/* Paths in it, also of a file of weights that is not finished; free() them. */
char *maker_path(const struct maker *m, const char *name);
char *maker_part(const struct maker *m, int file);
int maker_open_files(struct maker *m, struct error *e);
int maker_open_journal(struct maker *m, struct error *e);
/* Takes what an earlier attempt wrote and the journal claims, or empties the files; then their headers stand. */
int maker_take_up(struct maker *m, struct error *e);
/* All that an unfinished attempt left, and the folder. */
void maker_remove_folder(const char *folder);

/* The folder bears its name already: is it what this job makes? */
int maker_check_finished(struct maker *m, struct error *e);
/* checkpoint_check.c: whether an earlier attempt may have finished the folder, which only its journal can tell; and the
 * error that it is there already. */
bool checkpoint_may_be_finished(const struct checkpoint_job *j);
int checkpoint_in_the_way(const struct checkpoint_job *j, struct error *e);

/* Of an item's parts one behind the other. */
void maker_hash(const struct checkpoint_layout *l, const struct checkpoint_item *item, unsigned char *const *parts,
                char hash[static HASH_TEXT]);
/* Where an item's parts stand in its mapped file; false where that is too short. */
bool maker_find_parts(const struct checkpoint_layout *l, const struct checkpoint_item *item, const struct file_map *map,
                      unsigned char **parts);

void maker_tell_stage(const struct maker *m, const char *stage);
void maker_tell_begin(const struct maker *m, int i);
void maker_tell_end(const struct maker *m, int i, double seconds, bool reused);

#endif
