#include "unit.h"

#include <sys/stat.h>

#include "base/file.h"
#include "folder_build.h"

void stored_add(struct stored_file *f, const char *name, const char *dtype, int dims, const int64_t *shape,
                const void *data, size_t bytes)
{
    str_addf(&f->header, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[", f->header.length ? "," : "{", name, dtype);
    for (int i = 0; i < dims; i++)
        str_addf(&f->header, "%s%lld", i ? "," : "", (long long)shape[i]);
    str_addf(&f->header, "],\"data_offsets\":[%zu,%zu]}", f->data.length, f->data.length + bytes);
    str_add_bytes(&f->data, data, bytes);
}

void stored_count_up(struct stored_file *f, const char *name, int dims, const int64_t *shape, float first)
{
    int64_t n = 1;
    for (int i = 0; i < dims; i++)
        n *= shape[i];
    float *x = xmalloc(n * sizeof *x);
    for (int64_t i = 0; i < n; i++)
        x[i] = first + (float)i;
    stored_add(f, name, "F32", dims, shape, x, n * sizeof *x);
    free(x);
}

void *stored_take(struct stored_file *f, size_t *bytes)
{
    struct str s = {0};
    str_add(&f->header, f->header.length ? "}" : "{}");
    while (f->header.length % 8)
        str_add_char(&f->header, ' ');
    uint64_t length = f->header.length;
    str_add_bytes(&s, &length, sizeof length);
    str_add_bytes(&s, f->header.data, f->header.length);
    str_add_bytes(&s, f->data.data, f->data.length);
    *bytes = s.length;
    str_done(&f->header);
    str_done(&f->data);
    return str_take(&s);
}

char *folder_make(void)
{
    char *folder = xstrdup("/tmp/quantwiz-folder-XXXXXX");
    assert_non_null(mkdtemp(folder));
    return folder;
}

void folder_remove(char *folder)
{
    char *command = xasprintf("rm -rf '%s'", folder);
    assert_int_equal(system(command), 0);
    free(command);
    free(folder);
}

static void write_file(const char *folder, const char *file, const void *data, size_t bytes)
{
    struct error e;
    char *path = path_join(folder, file);
    assert_ok(file_write(path, data, bytes, &e), &e);
    free(path);
}

void folder_text(const char *folder, const char *file, const char *text)
{
    write_file(folder, file, text, strlen(text));
}

void folder_stored(const char *folder, const char *file, struct stored_file *f)
{
    size_t bytes;
    void *data = stored_take(f, &bytes);
    write_file(folder, file, data, bytes);
    free(data);
}
