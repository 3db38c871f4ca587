#include "run/output_check.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "model/shard.h"

/* Left free beyond the planned bytes: for the journal, the log and the file system's own tables. */
static const uint64_t disk_margin = 32 << 20;

static int check_source(const struct layout *l, struct error *e)
{
    if (!l->model->complete)
        return error_set(e, ERROR_FAILED, "cannot quantize %s: it ends before its tensors do; get the whole file"
                         " again", l->model->path);
    for (int i = 0; i < l->count; i++) {
        const struct tensor_plan *p = &l->recipe->tensors[i];
        if (p->type == p->tensor->type)
            continue;
        if (!p->tensor->type->decode)
            return error_set(e, ERROR_FAILED, "cannot quantize %s: the tensor %s is %s, which cannot be decoded;"
                             " start from an F16, BF16 or F32 file", l->model->path,
                             p->tensor->name, p->tensor->type->name);
        if (!p->type->encode)
            return error_set(e, ERROR_USAGE, "the tensor %s cannot be made %s: that type can only be copied",
                             p->tensor->name, p->type->name);
    }
    return 0;
}

static int check_not_source(const struct model *m, const char *out, struct error *e)
{
    char *part = xasprintf("%s.part", out);
    int rc = 0;
    for (int i = 0; !rc && i < m->file_count; i++) {
        const char *source = m->files[i].path;
        if (file_same(source, out) || file_same(source, part))
            rc = error_set(e, ERROR_USAGE, "the output %s is the input %s: choose another name", out, source);
    }
    free(part);
    return rc;
}

static int check_place(const char *out, struct error *e)
{
    struct stat st;
    if (file_is_folder(out))
        return error_set(e, ERROR_USAGE, "cannot write %s: it is a folder; give a file name in it", out);
    if (stat(out, &st) == 0 && !S_ISREG(st.st_mode))
        return error_set(e, ERROR_USAGE, "cannot write %s: it is not an ordinary file", out);
    char *folder = path_folder(out);
    if (!file_is_folder(folder))
        error_set(e, ERROR_FAILED, "cannot write %s: there is no folder %s; make it first", out, folder);
    else if (access(folder, W_OK) != 0)
        error_errno(e, "cannot write %s: the folder %s cannot be written", out, folder);
    else
        e->code = 0;
    free(folder);
    return e->code;
}

/* A part that a resumed run goes on with has some of its space already. */
static uint64_t held_bytes(const char *path)
{
    struct stat st;
    char *part = xasprintf("%s.part", path);
    uint64_t held = stat(part, &st) == 0 ? (uint64_t)st.st_blocks * 512 : 0;
    free(part);
    return held;
}

static int check_space(uint64_t planned, uint64_t held, const char *out, struct error *e)
{
    uint64_t have, needed = (planned > held ? planned - held : 0) + disk_margin;
    int rc = file_free_bytes(out, &have, e);
    if (rc || have >= needed)
        return rc;
    char need[FORMAT_SIZE], is[FORMAT_SIZE];
    return error_set(e, ERROR_FAILED, "cannot write %s: it needs %s (%llu bytes), the disk has %s (%llu bytes)"
                     " free; free some space or choose another folder", out, format_bytes(need, needed),
                     (unsigned long long)needed, format_bytes(is, have), (unsigned long long)have);
}

int output_check(const struct layout *l, const char *out, struct error *e)
{
    uint64_t held = 0;
    int rc = check_source(l, e);
    if (!rc && l->file_count > SHARDS_MAX)
        rc = error_set(e, ERROR_USAGE, "cannot write %s in %d files: at most %d can be; allow larger ones", out,
                       l->file_count, SHARDS_MAX);
    for (int i = 0; !rc && i < l->file_count; i++) {
        char *path = layout_path(l, out, i);
        rc = check_not_source(l->model, path, e);
        rc = rc ? rc : check_place(path, e);
        held += held_bytes(path);
        free(path);
    }
    return rc ? rc : check_space(l->bytes, held, out, e);
}
