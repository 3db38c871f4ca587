/* Checkpoints on this machine, a path to type, and the details of the one under the cursor. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "ui/frame.h"
#include "ui/key.h"
#include "ui/list.h"
#include "ui/wizard.h"

struct row {
    const char *path, *name, *place;
    uint64_t bytes;
};
struct model_page {
    struct row *rows;
    int count, capacity;
    unsigned built;      /* state of wizard.models_changed that the rows show, plus one */
    struct list list;
    struct text details;
};

static struct model_page *state(const struct wizard *w)
{
    return wizard_state(w, &page_model);
}

/* --------------------------------------------------------------------- rows */

static bool is_named(const struct model_page *p, int named, const char *path)
{
    for (int i = 0; i < named; i++)
        if (file_same(p->rows[i].path, path))
            return true;
    return false;
}

/* What was named by hand comes first, then what was found. Asking whether two names are one file reaches
 * the disk, so this is done only when something changed. */
static void build_rows(struct model_page *p, const struct wizard *w)
{
    if (p->built == w->models_changed + 1)
        return;
    p->built = w->models_changed + 1;
    p->count = 0;
    for (int i = 0; i < w->opened_count; i++)
        if (w->opened[i]->given)
            array_push(p->rows, p->count, p->capacity) =
                (struct row){w->opened[i]->path, path_name(w->opened[i]->path), "named",
                             w->opened[i]->model ? w->opened[i]->model->file_bytes : 0};
    int named = p->count;
    for (int i = 0; i < w->found.count; i++) {
        const struct found_model *f = &w->found.items[i];
        if (!is_named(p, named, f->path))
            array_push(p->rows, p->count, p->capacity) = (struct row){f->path, f->name, f->place, f->bytes};
    }
    list_resize(&p->list, p->count);
}

static struct opened_model *under_cursor(struct wizard *w)
{
    struct model_page *p = state(w);
    return list_row(&p->list) >= 0 ? wizard_open(w, p->rows[p->list.cursor].path) : NULL;
}

/* ------------------------------------------------------------------ drawing */

enum column { COLUMN_MARK, COLUMN_NAME, COLUMN_PLACE, COLUMN_PARAMETERS, COLUMN_TYPE, COLUMN_SIZE };
static const struct list_column columns[] = {
    [COLUMN_MARK] = {"", ALIGN_LEFT, {1, 0, 0}},
    [COLUMN_NAME] = {"checkpoint", ALIGN_LEFT, {20, 1, 0}},
    [COLUMN_PLACE] = {"where", ALIGN_LEFT, {11, 0, 1}},
    [COLUMN_PARAMETERS] = {"params", ALIGN_RIGHT, {6, 0, 3}},
    [COLUMN_TYPE] = {"type", ALIGN_LEFT, {7, 0, 2}},
    [COLUMN_SIZE] = {"size", ALIGN_RIGHT, {9, 0, 0}},
};

static void fill_cell(void *user, int row, int column, struct list_cell *c)
{
    const struct wizard *w = user;
    const struct row *r = &state(w)->rows[row];
    const struct model *m = wizard_opened(w, r->path);
    char size[FORMAT_SIZE];
    if (column == COLUMN_MARK && w->model && strcmp(w->model->path, r->path) == 0)
        snprintf(c->text, sizeof c->text, "%s", theme_glyph(GLYPH_DONE));
    else if (column == COLUMN_NAME)
        snprintf(c->text, sizeof c->text, "%s", r->name);
    else if (column == COLUMN_PLACE)
        snprintf(c->text, sizeof c->text, "%s", r->place);
    else if (column == COLUMN_PARAMETERS && m)
        snprintf(c->text, sizeof c->text, "%s", format_count(size, (double)m->parameters));
    else if (column == COLUMN_TYPE && m)
        snprintf(c->text, sizeof c->text, "%s", m->file_type);
    else if (column == COLUMN_SIZE && r->bytes)
        snprintf(c->text, sizeof c->text, "%s", format_bytes(size, (double)r->bytes));
    c->style = column == COLUMN_MARK ? STYLE_GOOD : column == COLUMN_PLACE ? STYLE_DIM : STYLE_NORMAL;
}

/* "F16 × 43, F32 × 13": types in the order of their first tensor. */
static char *tensor_types(const struct model *m)
{
    enum { TYPES_MAX = 12 };
    const struct quant_type *type[TYPES_MAX];
    int count[TYPES_MAX] = {0}, types = 0;
    struct str out = {0};
    for (int t = 0; t < m->tensor_count; t++) {
        int i = 0;
        while (i < types && type[i] != m->tensors[t].type)
            i++;
        if (i == TYPES_MAX)
            continue;
        type[i] = m->tensors[t].type;
        types = i == types ? i + 1 : types;
        count[i]++;
    }
    for (int i = 0; i < types; i++)
        str_addf(&out, "%s%d × %s", i ? ", " : "", count[i], type[i]->name);
    return str_take(&out);
}

static char *attention(const struct hparams *hp)
{
    const struct layer_shape *l = hp->layers ? &hp->layer[0] : NULL;
    struct str out = {0};
    if (!l)
        return xstrdup("unknown");
    str_addf(&out, "%d heads", l->heads);
    if (hp->mla_rank)
        str_addf(&out, ", latent attention of rank %d", hp->mla_rank);
    else if (l->kv_heads == l->heads)
        str_add(&out, ", each with keys and values of its own");
    else if (l->kv_heads)
        str_addf(&out, " sharing %d of keys and values", l->kv_heads);
    if (l->window)
        str_addf(&out, ", window of %d tokens", l->window);
    return str_take(&out);
}

static void detail(struct text *t, int width, const char *label, char *owned)
{
    text_addf(t, width, STYLE_NORMAL, "%s\t%s", label, owned);
    free(owned);
}

static void add_facts(struct text *t, int width, const struct model *m)
{
    const struct hparams *hp = &m->hp;
    char count[FORMAT_SIZE], size[FORMAT_SIZE];
    detail(t, width, "architecture",
           xasprintf("%s%s", m->arch ? m->arch->title : m->arch_name,
                     !m->arch             ? " (unknown here: sizes are right, evaluation is off)"
                     : m->arch->evaluated ? ""
                                          : " (quantizes, but cannot be evaluated here)"));
    detail(t, width, "parameters",
           xasprintf("%s in %d tensors, %s on disk%s", format_count(count, (double)m->parameters),
                     m->tensor_count, format_bytes(size, (double)m->file_bytes),
                     m->weight_files > 1 ? ", in shards" : ""));
    detail(t, width, "shape",
           xasprintf("%d layers of width %d, vocabulary %d", hp->layers, hp->embd, hp->vocab));
    detail(t, width, "attention", attention(hp));
    if (hp->experts)
        detail(t, width, "experts",
               xasprintf("%d, of which %d work on a token", hp->experts, hp->experts_used));
    detail(t, width, "context", xasprintf("%d tokens, as trained", hp->context));
    detail(t, width, "types", tensor_types(m));
    detail(
        t, width, "chat template",
        xstrdup(gguf_find(&m->shards[0], "tokenizer.chat_template") ? "yes" : "none: a base model, or lost"));
}

static void add_warnings(struct text *t, int width, const struct model *m)
{
    if (!m->complete)
        text_add(t, width, STYLE_WARN, "! the tensors' data are missing: estimates work, a run does not",
                 NULL);
    for (int i = 0; i < m->warning_count; i++)
        text_addf(t, width, STYLE_WARN, "! %s", m->warnings[i]);
}

static void draw_details(struct wizard *w, struct rect in)
{
    struct model_page *p = state(w);
    const struct opened_model *o = under_cursor(w);
    text_clear(&p->details);
    if (!o)
        text_add(&p->details, in.w, STYLE_DIM,
                 w->searching ? ""
                              : "Nothing was found here, nor in the caches of Hugging Face, llama.cpp, "
                                "Ollama and LM Studio. Press o and type the path of a GGUF file.",
                 NULL);
    else if (o->pending)
        text_add(&p->details, in.w, STYLE_DIM, "opening it", NULL);
    else if (o->error.code)
        text_add(&p->details, in.w, STYLE_BAD, o->error.text, NULL);
    else {
        add_facts(&p->details, in.w, o->model);
        add_warnings(&p->details, in.w, o->model);
    }
    text_paint(&p->details, in);
}

static void draw(struct wizard *w, struct rect page)
{
    struct model_page *p = state(w);
    struct rect in[PANES_MAX];
    char note[64], filter[LIST_FILTER + 16];
    layout_model(page, in);
    p->list.columns = columns;
    p->list.column_count = ARRAY_LENGTH(columns);
    p->list.cell = fill_cell;
    p->list.user = w;
    build_rows(p, w);
    snprintf(note, sizeof note, "%d found%s", p->count,
             w->found.complete || w->searching ? "" : ", not all was searched");
    const struct opened_model *o = under_cursor(w);
    frame_paint(
        (struct pane[]){{in[MODEL_LIST], "Model", *list_filter_note(&p->list, filter) ? filter : note},
                        {in[MODEL_DETAILS], o && o->model ? o->model->name : "details", NULL}},
        MODEL_PANES);
    list_paint(&p->list, in[MODEL_LIST]);
    draw_details(w, rect_padded(in[MODEL_DETAILS]));
}

/* --------------------------------------------------------------------- keys */

/* Opening takes a moment: the choice waits for it. */
static int key_choose(struct wizard *w)
{
    struct opened_model *o = under_cursor(w);
    if (!o)
        return PAGE_HANDLED;
    if (o->pending)
        wizard_say(w, "still opening it; a moment, please");
    else if (o->error.code)
        dialog_error(w, &o->error);
    else {
        wizard_choose_model(w, o->model);
        return PAGE_NEXT;
    }
    return PAGE_HANDLED;
}

static int answer_path(struct wizard *w, int choice, const char *typed, struct error *e)
{
    struct model_page *p = state(w);
    char *path = path_expand(typed);
    (void)choice;
    if (!file_exists(path)) {
        error_set(e, ERROR_USAGE, "there is no file or folder %s", path);
        free(path);
        return e->code;
    }
    wizard_open(w, path)->given = true;
    w->models_changed++;
    build_rows(p, w);
    p->list.filter[0] = 0;
    for (int i = 0; i < p->count; i++)
        if (strcmp(p->rows[i].path, path) == 0)
            p->list.cursor = i;
    free(path);
    return 0;
}

static int key_path(struct wizard *w)
{
    struct dialog *d = dialog_input(
        w, "Open a checkpoint",
        "Path of a GGUF file (the first of its shards) or of a checkpoint folder:", "", answer_path);
    d->field.complete = field_complete_path;
    return PAGE_HANDLED;
}

static int key_again(struct wizard *w)
{
    wizard_search(w);
    return PAGE_HANDLED;
}

static int key(struct wizard *w, int k)
{
    return list_key(&state(w)->list, k) ? PAGE_HANDLED : PAGE_IGNORED;
}

static bool typing(const struct wizard *w)
{
    return state(w)->list.filtering;
}

static int click(struct wizard *w, int y, int x)
{
    struct model_page *p = state(w);
    int before = p->list.cursor;
    if (!list_click(&p->list, y, x))
        return PAGE_IGNORED;
    return before == p->list.cursor ? key_choose(w) : PAGE_HANDLED;
}

static bool complete(const struct wizard *w)
{
    return w->model != NULL;
}

static void close_page(struct wizard *w)
{
    text_done(&state(w)->details);
    free(state(w)->rows);
}

static const struct page_key keys[] = {
    {K_ENTER, 0, "Choose", "takes the checkpoint under the cursor and goes on", key_choose},
    {K_UP, K_DOWN, "Move", "moves the cursor; the pane below shows what the file says of itself", NULL},
    {'/', 0, "Filter", "narrows the list while you type; Enter keeps the filter, Esc drops it", NULL},
    {'o', K_F(2), "Open path", "opens a file that is not listed; Tab completes its name", key_path},
    {'r', 0, "Again", "searches again", key_again},
    {0},
};

static const char *const terms[] = {"weights", "tokens", "context", "chat template", "quantization", NULL};

const struct page page_model = {
    .name = "Model",
    .about = "The checkpoint to quantize. Listed is what lies in the current folder and in the caches of "
             "Hugging Face, llama.cpp, Ollama and LM Studio. Best is an F16, BF16 or F32 file: quantizing "
             "what was quantized before adds one loss to another.",
    .terms = terms,
    .keys = keys,
    .state_size = sizeof(struct model_page),
    .complete = complete,
    .draw = draw,
    .key = key,
    .typing = typing,
    .click = click,
    .close = close_page,
};
