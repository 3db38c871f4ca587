/* A comparison as a table, a plot, a document, and for programs. */
#include <config.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/table.h"
#include "plan/plan.h"
#include "report/comparison_priv.h"
#include "report/parts.h"

/* --------------------------------------------------------------------- remarks */

static void add_front(struct str *s, const struct comparison *c)
{
    int count = 0;
    for (int i = 0; i < c->count; i++)
        if (c->front[i])
            str_addf(s, "%s%s", count++ ? ", " : "No other run is both smaller and nearer to the original (*): ",
                     c->names[i]);
    if (count)
        str_add(s, ".\n");
}

/* An evaluation that goes on with what an earlier attempt computed of the original knows no speed of reading. */
static void add_speeds(struct str *s, double prefill, double decode)
{
    const char *unit = isnan(prefill) ? " tokens/s" : "";
    if (!isnan(prefill))
        str_addf(s, ", %.0f tokens/s prefill", prefill);
    if (!isnan(decode))
        str_addf(s, ", %.1f%s decode", decode, unit);
}

static void add_original(struct str *s, const struct comparison *c)
{
    for (int i = 0; i < c->count; i++) {
        const struct run_state *r = &c->runs[i];
        char size[FORMAT_SIZE];
        if (!r->has_result || !r->eval.figures.has_base)
            continue;
        str_addf(s, "The original: %s, perplexity %.3f", format_bytes(size, (double)r->eval.bytes_base),
                 r->eval.figures.ppl_base);
        add_speeds(s, r->eval.base_prefill_tokens_per_s, r->eval.base_decode_tokens_per_s);
        str_add(s, ".\n");
        return;
    }
}

char *comparison_remarks(const struct comparison *c)
{
    struct str s = {0};
    add_original(&s, c);
    add_front(&s, c);
    if (c->best >= 0)
        str_addf(&s, "The smallest that the gate accepted: %s, %s.\n", c->names[c->best],
                 path_name(c->runs[c->best].folder));
    if (!c->alike)
        str_add(&s, "The runs were not measured on the same chunks of the same text: their perplexities and divergences"
                    " do not compare. In one go (quantwiz run A.yaml B.yaml) they are.\n");
    return str_take(&s);
}

/* ------------------------------------------------------------------- for people */

void comparison_table(const struct comparison *c, FILE *out)
{
    struct table t;
    char cell[COMPARISON_CELL], *remarks = comparison_remarks(c);
    int columns = comparison_columns(c);
    char *align = xcalloc(columns + 1, 1);
    for (int i = 0; i < columns; i++)
        align[i] = comparison_is_text(c, i) ? 'l' : 'r';
    table_init(&t, align);
    for (int i = 0; i < columns; i++)
        table_add(&t, "%s", comparison_title(c, i));
    for (int run = 0; run < c->count; run++)
        for (int i = 0; i < columns; i++)
            table_add(&t, "%s", comparison_cell(c, run, i, cell));
    table_print(&t, out, 1);
    table_done(&t);
    if (*remarks)
        fprintf(out, "\n%s", remarks);
    free(align);
    free(remarks);
}

static void print_rule(FILE *out, int width)
{
    for (int i = 0; i < width; i++)
        putc('-', out);
}

/* With the ends of both axes. */
static void print_canvas(const struct comparison *c, const char *canvas, int width, int height, FILE *out)
{
    const struct comparison_axes a = comparison_axes(c);
    char least[FORMAT_SIZE], most[FORMAT_SIZE], end[FORMAT_SIZE];
    fputs("\ndivergence (logarithmic)\n", out);
    for (int y = 0; y < height; y++) {
        snprintf(end, sizeof end, "%.3g", y == 0 ? a.kld[1] : a.kld[0]);
        fprintf(out, "%9s |%.*s\n", y == 0 || y == height - 1 ? end : "", width, canvas + y * width);
    }
    fprintf(out, "%9s +", "");
    print_rule(out, width);
    format_bytes(least, a.bytes[0]);
    fprintf(out, "\n%9s  %s%*s\n", "", least, width - (int)strlen(least), format_bytes(most, a.bytes[1]));
}

void comparison_plot(const struct comparison *c, int width, int height, FILE *out)
{
    char *canvas = xmalloc((size_t)width * height);
    int points = 0;
    memset(canvas, ' ', (size_t)width * height);
    for (int i = c->count - 1; i >= 0; i--) {
        double x, y;
        if (!comparison_point(c, i, &x, &y))
            continue;
        points++;
        canvas[(int)lround((1 - y) * (height - 1)) * width + (int)lround(x * (width - 1))] = c->marks[i][0];
    }
    if (points > 1)
        print_canvas(c, canvas, width, height, out);
    free(canvas);
}

/* ----------------------------------------------------------------- for programs */

/* Quoted where it must be (RFC 4180). */
static void put_csv(FILE *out, const char *text)
{
    if (!text[strcspn(text, ",\"\r\n")]) {
        fputs(text, out);
        return;
    }
    putc('"', out);
    for (; *text; text++) {
        if (*text == '"')
            putc('"', out);
        putc(*text, out);
    }
    putc('"', out);
}

static void put_number(FILE *out, double value)
{
    if (!isnan(value))
        fprintf(out, "%.10g", value);
}

static void put_csv_head(const struct comparison *c, FILE *out)
{
    int count = 0;
    for (int i = 0; i < comparison_column_count; i++)
        if (comparison_column_list[i].key)
            fprintf(out, "%s%s", count++ ? "," : "", comparison_column_list[i].key);
    for (int i = 0; i < c->task_count; i++) {
        char *title = xasprintf("task %s", c->tasks[i]);
        putc(',', out);
        put_csv(out, title);
        free(title);
    }
    fputs("\r\n", out);
}

void comparison_csv(const struct comparison *c, FILE *out)
{
    put_csv_head(c, out);
    for (int run = 0; run < c->count; run++) {
        int count = 0;
        for (int i = 0; i < comparison_column_count; i++) {
            const struct comparison_column *x = &comparison_column_list[i];
            const char *text = x->key && x->text ? x->text(c, run) : NULL;
            if (!x->key)
                continue;
            fputs(count++ ? "," : "", out);
            if (text)
                put_csv(out, text);
            else if (x->number)
                put_number(out, x->number(c, run));
        }
        for (int i = 0; i < c->task_count; i++) {
            putc(',', out);
            put_number(out, comparison_task(c, run, i));
        }
        fputs("\r\n", out);
    }
}

static json_t *tasks_json(const struct comparison *c, int run)
{
    json_t *j = json_object();
    for (int i = 0; i < c->task_count; i++)
        json_object_set_new(j, c->tasks[i], json_value(comparison_task(c, run, i)));
    return j;
}

static json_t *run_json(const struct comparison *c, int run)
{
    json_t *j = json_object();
    for (int i = 0; i < comparison_column_count; i++) {
        const struct comparison_column *x = &comparison_column_list[i];
        if (x->key)
            json_object_set_new(j, x->key, x->text ? json_text(x->text(c, run)) : json_value(x->number(c, run)));
    }
    json_object_set_new(j, "front", json_boolean(c->front[run]));
    json_object_set_new(j, "tasks", tasks_json(c, run));
    return j;
}

void comparison_json(const struct comparison *c, FILE *out)
{
    json_t *list = json_array(), *j = json_object();
    for (int i = 0; i < c->count; i++)
        json_array_append_new(list, run_json(c, i));
    json_object_set_new(j, "runs", list);
    json_object_set_new(j, "comparable", json_boolean(c->alike));
    json_object_set_new(j, "best", json_text(c->best >= 0 ? c->runs[c->best].folder : NULL));
    json_print(out, j, 0);
}

/* -------------------------------------------------------------------- document */

struct table_of { const struct comparison *c; struct arena arena; };

static struct document_cell cell_of(void *user, int row, int column)
{
    struct table_of *t = user;
    char cell[COMPARISON_CELL];
    return (struct document_cell){.text = arena_strdup(&t->arena, comparison_cell(t->c, row, column, cell))};
}

static void add_table(struct document *d, const struct comparison *c)
{
    struct table_of t = {.c = c};
    int columns = comparison_columns(c);
    struct document_column *list = xcalloc(columns, sizeof *list);
    for (int i = 0; i < columns; i++)
        list[i] = (struct document_column){.key = "cell", .title = comparison_title(c, i)};
    document_table(d, "runs", "What was made, what it takes, what it loses", list, columns, c->count, cell_of, &t);
    free(list);
    arena_done(&t.arena);
}

static void add_plan(struct document *d, const struct comparison *c)
{
    char *line = c->folder ? rerun_command(c->folder) : NULL;
    document_code(d, "rerun", "All of it again, from the plan that lists them (" PACKAGE_STRING ")",
                  (const char *[]){line}, line != NULL);
    free(line);
}

/* How to come by the same bytes. */
static void add_run(struct document *d, const struct run_state *s)
{
    struct error ignored;
    struct plan *p;
    if (!s->artefact.path || plan_load_kept(&p, s->folder, &ignored))
        return;
    char *commands = making_commands(p, s);
    document_part(d, "run", path_name(s->folder));
    document_path(d, "path", s->artefact.files ? "Folder" : "File", p->out);
    document_text(d, "sha256", "SHA-256", s->artefact.sha256);
    if (s->report)
        document_path(d, "document", "Its own document", s->report);
    document_code(d, "commands", "The commands that make the same bytes", (const char *[]){commands}, 1);
    document_part_end(d);
    free(commands);
    plan_free(p);
}

void comparison_markdown(const struct comparison *c, FILE *out)
{
    struct document d = {0};
    char *remarks = comparison_remarks(c), *rest = remarks, *line;
    document_title(&d, "Comparison of %d runs", c->count);
    while ((line = strsep(&rest, "\n")))
        if (*line)
            document_say(&d, NULL, "%s", line);
    add_table(&d, c);
    add_plan(&d, c);
    for (int i = 0; i < c->count; i++)
        add_run(&d, &c->runs[i]);
    fputs(d.markdown.data, out);
    document_done(&d);
    free(remarks);
}

static int write_form(const struct comparison *c, const char *folder, const char *name,
                      void (*form)(const struct comparison *c, FILE *out), struct error *e)
{
    char *text = NULL, *path = path_join(folder, name);
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    form(c, out);
    fclose(out);
    int rc = file_write(path, text, length, e);
    free(text);
    free(path);
    return rc;
}

int comparison_write(const struct comparison *c, const char *folder, struct error *e)
{
    int rc = write_form(c, folder, "comparison.md", comparison_markdown, e);
    rc = rc ? rc : write_form(c, folder, "comparison.csv", comparison_csv, e);
    return rc ? rc : write_form(c, folder, "comparison.json", comparison_json, e);
}
