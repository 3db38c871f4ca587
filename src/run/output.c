#include "run/output.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"

int output_open(struct output *o, const struct layout *l, const char *out, bool resume, struct error *e)
{
    int rc = 0;
    *o = (struct output){.layout = l, .files = xcalloc(l->file_count, sizeof *o->files)};
    for (int i = 0; !rc && i < l->file_count; i++) {
        char *path = layout_path(l, out, i);
        rc = file_out_open(&o->files[i], path, resume, e);
        o->count += !rc;
        free(path);
    }
    if (rc)
        output_abandon(o, true);
    return rc;
}

int output_clear(struct output *o, struct error *e)
{
    int rc = 0;
    for (int i = 0; !rc && i < o->count; i++)
        rc = file_out_clear(&o->files[i], e);
    return rc;
}

int output_begin(struct output *o, struct error *e)
{
    int rc = 0;
    for (int i = 0; !rc && i < o->count; i++) {
        const struct layout_file *f = &o->layout->files[i];
        rc = file_out_reserve(&o->files[i], f->bytes, e);
        rc = rc ? rc : file_out_pwrite(&o->files[i], f->header, f->header_bytes, 0, e);
    }
    return rc;
}

int output_write(struct output *o, int tensor, uint64_t at, const void *data, size_t size, struct error *e)
{
    return file_out_pwrite(&o->files[layout_file(o->layout, tensor)], data, size,
                           layout_offset(o->layout, tensor) + at, e);
}

int output_sync(struct output *o, struct error *e)
{
    int rc = 0;
    for (int i = 0; !rc && i < o->count; i++)
        rc = file_out_sync(&o->files[i], e);
    return rc;
}

int output_commit(struct output *o, struct error *e)
{
    int rc = 0;
    for (int i = o->count - 1; !rc && i >= 0; i--)
        rc = file_out_commit(&o->files[i], e);
    output_abandon(o, true);
    return rc;
}

/* A file that has its name is closed already, and has no part. */
void output_abandon(struct output *o, bool keep)
{
    for (int i = 0; i < o->count; i++)
        if (o->files[i].path)
            file_out_abandon(&o->files[i], keep);
    free(o->files);
    *o = (struct output){0};
}

bool output_begun(const struct output *o)
{
    for (int i = 0; i < o->count; i++)
        if (lseek(o->files[i].fd, 0, SEEK_END) > 0)
            return true;
    return false;
}
