#include "report/start_lines.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/rulefile.h"

char *fill_placeholders(const char *text, const char *const *names, const char *const *values, struct arena *a)
{
    struct str s = {0};
    while (*text) {
        size_t length = *text == '{' ? strcspn(text, "}") : 0;
        int found = -1;
        for (int i = 0; length && names[i]; i++)
            if (strlen(names[i]) == length - 1 && strncmp(names[i], text + 1, length - 1) == 0)
                found = i;
        if (found >= 0) {
            str_add(&s, values[found]);
            text += length + 1;
        } else {
            str_add_char(&s, *text++);
        }
    }
    char *filled = arena_strdup(a, s.data ? s.data : "");
    str_done(&s);
    return filled;
}

/* As a word for a shell. */
static char *shell_word(const char *text, struct arena *a)
{
    struct str s = {0};
    str_add_word(&s, text);
    char *word = arena_strdup(a, s.data);
    str_done(&s);
    return word;
}

/* ------------------------------------------------------------ rules/runtimes.yaml */

static const struct yaml *find_runtime(const struct yaml *file, const char *name)
{
    const struct yaml *rows = yaml_get(file, "runtimes");
    for (size_t i = 0; name && rows && i < rows->count; i++) {
        const struct yaml *n = yaml_get(rows->items[i], "name");
        if (n && n->text && strcmp(n->text, name) == 0)
            return rows->items[i];
    }
    return NULL;
}

/* The lines of a runtime for a format: the format's own, else the runtime's. */
static const char **lines_of(const struct yaml *runtime, const char *format, struct arena *a)
{
    const struct yaml *formats = yaml_get(runtime, "formats");
    const char **lines = NULL;
    struct error e;
    for (size_t i = 0; format && formats && i < formats->count; i++) {
        const struct yaml *name = yaml_get(formats->items[i], "format");
        if (name && name->text && strcmp(name->text, format) == 0 &&
            yaml_texts(formats->items[i], "start", false, &lines, a, &e) == 0 && lines)
            return lines;
    }
    return runtime && yaml_texts(runtime, "start", false, &lines, a, &e) == 0 ? lines : NULL;
}

/* "model.Q4_K_M" of "/x/model.Q4_K_M.gguf", in lower case: what a runtime's own store calls it. */
static char *store_name(const char *artefact, struct arena *a)
{
    char *name = arena_strdup(a, path_name(artefact));
    if (str_ends(name, ".gguf"))
        name[strlen(name) - strlen(".gguf")] = 0;
    for (char *c = name; *c; c++)
        *c = isalnum((unsigned char)*c) || strchr("._-", *c) ? (char)tolower((unsigned char)*c) : '-';
    return name;
}

/* The context of all sequences together, as servers want it. */
static char *total_context(const struct wishes *w, struct arena *a)
{
    const struct wish_value *ctx = &w->value[WISH_CTX], *parallel = &w->value[WISH_PARALLEL];
    double sequences = parallel->number >= 1 ? parallel->number : 1;
    return ctx->number >= 1 ? arena_printf(a, "%.0f", ctx->number * sequences) : arena_strdup(a, "4096");
}

static const char *wish_or(const struct wishes *w, enum wish_id id, const char *fallback, struct arena *a)
{
    char shown[64];
    const char *text = wishes_show(w, id, shown);
    return text && *text && strcmp(text, "none") != 0 ? arena_strdup(a, text) : fallback;
}

const char **report_start_lines(const struct plan *p, const char *artefact, struct arena *a)
{
    static const char *const names[] = {"file",     "folder",          "basename", "name", "context",
                                        "parallel", "tensor_parallel", "kv_type",  NULL};
    struct error e;
    struct yaml *file = NULL;
    const struct yaml *runtime = NULL;
    if (rulefile_load(&file, "runtimes", a, &e) == 0)
        runtime = find_runtime(file, wishes_choice(&p->wishes, WISH_RUNTIME));
    const char **lines = lines_of(runtime, p->format, a);
    if (!lines)
        return arena_alloc(a, sizeof *lines);
    char *folder = path_folder(artefact);
    const char *const values[] = {
        shell_word(artefact, a),
        shell_word(arena_strdup(a, folder), a),
        shell_word(path_name(artefact), a),
        store_name(artefact, a),
        total_context(&p->wishes, a),
        wish_or(&p->wishes, WISH_PARALLEL, "1", a),
        wish_or(&p->wishes, WISH_TENSOR_PARALLEL, "1", a),
        wish_or(&p->wishes, WISH_KV_TYPE, "f16", a),
    };
    free(folder);
    for (int i = 0; lines[i]; i++)
        lines[i] = fill_placeholders(lines[i], names, values, a);
    return lines;
}
