/* Runs a fuzzer's function on every file of its kept corpus: fuzz_NAME on tests/fuzz/corpus/NAME. This is what
 * `make check` does; searching for new inputs needs ./configure --enable-fuzzing CC=clang (tests/fuzz/fuzz.am). */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay(const char *path)
{
    struct error e = {0};
    char *text;
    size_t length;
    if (file_read(path, 1 << 24, &text, &length, &e)) {
        fprintf(stderr, "%s\n", e.text);
        return 1;
    }
    /* a block of exactly this size, so that a sanitizer sees the first byte too many */
    uint8_t *data = xmalloc(length);
    memcpy(data, text, length);
    free(text);
    fprintf(stderr, "%s\n", path);
    LLVMFuzzerTestOneInput(data, length);
    free(data);
    return 0;
}

int main(int argc, char **argv)
{
    const char *top = getenv("top_srcdir"), *name = path_name(argv[0]);
    char *folder = argc > 1 ? xstrdup(argv[1])
                            : xasprintf("%s/tests/fuzz/corpus/%s", top ? top : ".", strstr(name, "fuzz_") + strlen("fuzz_"));
    struct dirent *entry;
    DIR *dir = opendir(folder);
    int files = 0, failed = 0;
    while (dir && (entry = readdir(dir)))
        if (entry->d_name[0] != '.') {
            char *path = path_join(folder, entry->d_name);
            failed |= replay(path);
            free(path);
            files++;
        }
    if (dir)
        closedir(dir);
    if (files == 0)
        fprintf(stderr, "there is no corpus in %s\n", folder);
    free(folder);
    return failed || files == 0;
}
