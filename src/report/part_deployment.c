#include "report/parts.h"

#include <math.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/mem.h"
#include "report/folder.h"
#include "report/report.h"

static struct document_cell file_cell(void *user, int row, int column)
{
    const struct run_file *f = &((const struct run_state *)user)->artefact.files[row];
    const char *texts[] = {f->name, NULL, f->sha256};
    return (struct document_cell){.text = texts[column], .number = f->bytes};
}

/* A folder's own SHA-256 is that of its files' lines, as sha256sum prints them. */
static void add_files(struct document *d, const struct run_state *s)
{
    static const struct document_column columns[] = {{"name", "File"}, {"bytes", "Bytes", "%.0f"}, {"sha256", "SHA-256"}};
    document_table(d, "files", "Files (sha256sum * | sha256sum gives the SHA-256 of the whole)", columns,
                   ARRAY_LENGTH(columns), s->artefact.file_count, file_cell, (void *)s);
}

void deployment_part(struct document *d, const struct plan *p, const struct run_state *s)
{
    struct arena a = {0};
    int count = 0;
    char *path = path_absolute(p->out);
    const char **lines = report_start_lines(p, path, &a);
    while (lines[count])
        count++;
    document_part(d, "deployment_artifact", "Deployment Artifact");
    document_text(d, "path", plan_makes_folder(p) ? "Folder" : "File", s->artefact.path ? path : NULL);
    document_bytes(d, "bytes", "Size", s->artefact.path ? s->artefact.bytes : NAN);
    document_bytes(d, "planned_bytes",
                   plan_makes_folder(p) ? "Size of the weights' files, as planned" : "Size as planned", s->artefact.path ? s->artefact.planned_bytes : NAN);
    document_bytes(d, "source_bytes", "Size of the original", s->artefact.path ? s->artefact.source_bytes : NAN);
    document_text(d, "sha256", "SHA-256", s->artefact.sha256);
    add_files(d, s);
    document_text(d, "runtime", "Runtime", wishes_choice(&p->wishes, WISH_RUNTIME));
    document_code(d, "start", "To run it", lines, count);
    folder_loading_add(d, p);
    document_part_end(d);
    free(path);
    arena_done(&a);
}
