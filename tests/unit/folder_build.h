/* Checkpoint folders of any shape, for tests: config.json and safetensors files. */
#ifndef FOLDER_BUILD_H
#define FOLDER_BUILD_H

#include "base/str.h"

/* A safetensors file being put together. Zero it to start. */
struct stored_file {
    struct str header, data;
};
/* `dims` numbers of `shape`; `bytes` of data are copied. */
void stored_add(struct stored_file *f, const char *name, const char *dtype, int dims, const int64_t *shape,
                const void *data, size_t bytes);
/* F32 tensors, whose element i is `first` + i. */
void stored_count_up(struct stored_file *f, const char *name, int dims, const int64_t *shape, float first);
/* The file's bytes, which the caller frees; `f` is empty again. */
void *stored_take(struct stored_file *f, size_t *bytes);

/* A folder of its own below /tmp, empty; free() its name after folder_remove. */
char *folder_make(void);
void folder_remove(char *folder);
void folder_text(const char *folder, const char *file, const char *text);
void folder_stored(const char *folder, const char *file, struct stored_file *f);

#endif
