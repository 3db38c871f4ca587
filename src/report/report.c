#include "report/report.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "report/parts.h"

void document_path(struct document *d, const char *key, const char *label, const char *path)
{
    char *absolute = path_absolute(path);
    document_text(d, key, label, absolute);
    free(absolute);
}

static void (*const parts[])(struct document *d, const struct plan *p, const struct run_state *s) = {
    hardware_part, rationale_part, quantization_part, evaluation_part, deployment_part,
};

static void add_head(struct document *d, const struct plan *p, const struct run_state *s)
{
    char stamp[32];
    const char *verdict = s->eval.figures.verdict;
    document_title(d, "%s as %s%s", path_name(p->source), p->tensor_count ? "a mix of types about the size of " : "",
                   p->level);
    yaml_put_integer(&d->yaml, "schema", 1);
    yaml_put_text(&d->yaml, "started", clock_stamp(stamp, s->started));
    document_say(d, NULL, "Run of %s. %s", stamp,
                 !s->has_result                       ? "Its quality was not measured."
                 : verdict && !strcmp(verdict, "accept") ? "The quality gate accepted it."
                 : verdict && !strcmp(verdict, "reject") ? "The quality gate rejected it."
                                                      : "The quality gate could not decide: the interval of the loss holds the limit, and"
                                                        " more chunks of text would narrow it.");
}

static int write_both(const struct document *d, const char *folder, char **path, struct error *e)
{
    char *yaml = path_join(folder, "report.yaml");
    *path = path_join(folder, "report.md");
    int rc = file_write(yaml, d->yaml.out.data, d->yaml.out.length, e);
    if (!rc)
        rc = file_write(*path, d->markdown.data, d->markdown.length, e);
    free(yaml);
    if (rc) {
        free(*path);
        *path = NULL;
    }
    return rc;
}

int report_write(const struct plan *p, const struct run_state *s, char **path, struct error *e)
{
    struct document d = {0};
    add_head(&d, p, s);
    for (size_t i = 0; i < ARRAY_LENGTH(parts); i++)
        parts[i](&d, p, s);
    int rc = write_both(&d, s->folder, path, e);
    document_done(&d);
    return rc;
}
