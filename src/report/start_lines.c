#include "report/start_lines.h"

#include <string.h>

#include "base/rulefile.h"
#include "report/report.h"

/* The row of a format among those that a runtime reads; NULL: it does not. */
static const struct yaml *format_row(const struct yaml *runtime, const char *format)
{
    const struct yaml *formats = yaml_get(runtime, "formats");
    for (size_t i = 0; format && formats && i < formats->count; i++)
        if (strcmp(checked_text(formats->items[i], "format"), format) == 0)
            return formats->items[i];
    return NULL;
}

/* The format's own lines, else the runtime's, filled in. */
static const char **lines_of(const struct yaml *runtime, const struct yaml *format, const struct serving *s, struct arena *a)
{
    const char *const *lines = checked_texts(format, "start", a);
    lines = lines ? lines : checked_texts(runtime, "start", a);
    int n = 0;
    while (lines && lines[n])
        n++;
    const char **filled = arena_alloc(a, ((size_t)n + 1) * sizeof *filled);
    for (int i = 0; i < n; i++)
        filled[i] = serving_fill(s, lines[i], a);
    return filled;
}

static struct start start_of(const struct yaml *runtime, const struct yaml *format, const char *chosen,
                             const struct serving *s, struct arena *a)
{
    const char *name = checked_text(runtime, "name");
    return (struct start){
        .runtime = name,
        .title = checked_text(runtime, "title"),
        .note = checked_text(format, "note"),
        .lines = lines_of(runtime, format, s, a),
        .chosen = strcmp(name, chosen) == 0,
    };
}

int starts_of(struct start **list, int *count, const struct plan *p, const struct serving *s, struct arena *a,
              struct error *e)
{
    const char *chosen = wishes_choice(&p->wishes, WISH_RUNTIME);
    struct yaml *file;
    *list = NULL;
    *count = 0;
    int rc = rulefile_load_checked(&file, "runtimes", rules_schema("runtimes"), a, e);
    const struct yaml *rows = rc ? NULL : yaml_get(file, "runtimes");
    *list = rows ? arena_alloc(a, rows->count * sizeof **list) : NULL;
    for (int pass = 0; rows && pass < 2; pass++)
        for (size_t i = 0; i < rows->count; i++) {
            const struct yaml *format = format_row(rows->items[i], p->format);
            bool is_chosen = strcmp(checked_text(rows->items[i], "name"), chosen) == 0;
            if (format && is_chosen == (pass == 0))
                (*list)[(*count)++] = start_of(rows->items[i], format, chosen, s, a);
        }
    return rc;
}

const char **report_start_lines(const struct plan *p, const char *artefact, struct arena *a)
{
    struct serving s;
    struct start *list;
    struct error ignored;
    int count;
    serving_of(&s, p, artefact, NULL, a);
    if (starts_of(&list, &count, p, &s, a, &ignored) == 0 && count && list[0].chosen)
        return list[0].lines;
    return arena_alloc(a, sizeof(char *));
}
