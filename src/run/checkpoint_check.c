/* What can be told before a checkpoint folder is made: place and disk. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "run/checkpoint_maker.h"
#include "run/sidecars.h"

/* Left free beyond the planned bytes: for texts, the journal and the file system's own tables. */
static const uint64_t disk_margin = 32 << 20;

char *checkpoint_part(const char *out)
{
    size_t n = strlen(out);
    while (n > 1 && out[n - 1] == '/')
        n--;
    return xasprintf("%.*s.part", (int)n, out);
}

bool checkpoint_wants_text(const struct scheme *s)
{
    return s->format == &pack_gptq || s->format == &pack_awq || s->smooth;
}

int checkpoint_in_the_way(const struct checkpoint_job *j, struct error *e)
{
    return error_set(e, ERROR_USAGE, "cannot write %s: it is there already; choose another name, or remove it", j->out);
}

bool checkpoint_may_be_finished(const struct checkpoint_job *j)
{
    return j->resume && j->journal && file_exists(j->out);
}

static int check_place(const struct checkpoint_job *j, struct error *e)
{
    char *part = checkpoint_part(j->out), *parent = path_folder(part);
    if (file_exists(j->out) && !checkpoint_may_be_finished(j))
        checkpoint_in_the_way(j, e);
    else if (!file_is_folder(parent))
        error_set(e, ERROR_FAILED, "cannot write %s: there is no folder %s; make it first", j->out, parent);
    else if (access(parent, W_OK) != 0)
        error_errno(e, "cannot write %s: the folder %s cannot be written", j->out, parent);
    else if (file_exists(part) && !file_is_folder(part))
        error_set(e, ERROR_USAGE, "cannot write %s: %s is in the way", j->out, part);
    else
        e->code = 0;
    free(part);
    free(parent);
    return e->code;
}

/* What an earlier attempt holds of the disk. */
static uint64_t held_bytes(const struct checkpoint_layout *l, const char *out)
{
    uint64_t held = 0;
    char *folder = checkpoint_part(out);
    for (int i = 0; i < l->file_count; i++) {
        struct stat st;
        char *path = xasprintf("%s/%s.part", folder, l->files[i].name);
        held += stat(path, &st) == 0 ? (uint64_t)st.st_blocks * 512 : 0;
        free(path);
    }
    free(folder);
    return held;
}

static int check_space(const struct checkpoint_layout *l, const char *out, struct error *e)
{
    uint64_t have, held = held_bytes(l, out), needed = l->bytes + sidecars_bytes(l->model->path) + disk_margin;
    needed -= held < needed ? held : needed;
    int rc = file_free_bytes(out, &have, e);
    if (rc || have >= needed)
        return rc;
    char need[FORMAT_SIZE], is[FORMAT_SIZE];
    return error_set(e, ERROR_FAILED, "cannot write %s: it needs %s, the disk has %s free; free some space or choose another"
                     " folder", out, format_bytes(need, (double)needed), format_bytes(is, (double)have));
}

int checkpoint_check(const struct checkpoint_job *j, struct checkpoint_layout *l, struct error *e)
{
    uint64_t most = j->file_bytes ? j->file_bytes : CHECKPOINT_FILE_BYTES;
    int rc = checkpoint_layout_make(l, j->model, j->scheme, j->skip, j->skip_count, most, e);
    rc = rc ? rc : check_place(j, e);
    return rc ? rc : check_space(l, j->out, e);
}
