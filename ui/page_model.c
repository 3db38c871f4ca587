/* Checkpoints on this machine, a path to type, and the details of the one under the cursor. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "hub/source.h"
#include "ui/frame.h"
#include "ui/key.h"
#include "ui/list.h"
#include "ui/wizard.h"

struct row {
    const char *path, *name, *place;
    uint64_t bytes;
    const struct hub_row *offer; /* on the hub; NULL: a file or folder here */
};
struct model_page {
    struct row *rows;
    int count, capacity;
    unsigned built; /* state of wizard.models_changed that the rows show, plus one */
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

/* The recommended one, else the first. */
static int first_offer(const struct model_page *p)
{
    int first = -1;
    for (int i = 0; i < p->count; i++) {
        const struct hub_row *h = p->rows[i].offer;
        if (h && h->judged && h->judged->recommended)
            return i;
        first = h && first < 0 ? i : first;
    }
    return first;
}

static int row_of(const struct model_page *p, const char *path)
{
    for (int i = 0; i < p->count; i++)
        if (strcmp(p->rows[i].path, path) == 0)
            return i;
    return -1;
}

/* What has just come, by itself or as the answer of the hub, is what one wants to see. */
static void place_cursor(struct model_page *p, struct hub_view *v)
{
    int row = v->fetched ? row_of(p, v->fetched) : v->fresh ? first_offer(p) : -1;
    if (row >= 0)
        p->list.cursor = row;
    v->fresh = false;
    free(v->fetched);
    v->fetched = NULL;
}

static void add_named(struct model_page *p, const struct opened_model *o)
{
    array_push(p->rows, p->count, p->capacity) =
        (struct row){o->path, o->name, "named", o->model ? o->model->file_bytes : 0, NULL};
}

/* What was named by hand comes first, then what the hub offers, then what was found. Asking whether two names
 * are one file reaches the disk, so this is done only when something changed. */
static void build_rows(struct model_page *p, struct wizard *w)
{
    if (p->built == w->models_changed + 1)
        return;
    p->built = w->models_changed + 1;
    p->count = 0;
    for (int i = 0; i < w->opened_count; i++)
        if (w->opened[i]->given)
            add_named(p, w->opened[i]);
    int named = p->count;
    for (int i = 0; i < w->hub.count; i++) {
        const struct hub_row *h = &w->hub.rows[i];
        array_push(p->rows, p->count, p->capacity) =
            (struct row){h->given, h->name, h->present ? "fetched" : "hub", h->bytes, h};
    }
    for (int i = 0; i < w->found.count; i++) {
        const struct found_model *f = &w->found.items[i];
        if (!is_named(p, named, f->path))
            array_push(p->rows, p->count, p->capacity) =
                (struct row){f->path, f->name, f->place, f->bytes, NULL};
    }
    list_resize(&p->list, p->count);
    place_cursor(p, &w->hub);
}

static const struct row *row_under_cursor(struct wizard *w)
{
    struct model_page *p = state(w);
    return list_row(&p->list) >= 0 ? &p->rows[p->list.cursor] : NULL;
}

/* NULL: there is none, or it lies on the hub. */
static struct opened_model *under_cursor(struct wizard *w)
{
    const struct row *r = row_under_cursor(w);
    return r && !r->offer ? wizard_open(w, r->path) : NULL;
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

/* A star on what suits this machine best, of what the hub offers; a tick on the model that was chosen. */
static const char *mark_of(const struct wizard *w, const struct row *r)
{
    if (r->offer)
        return r->offer->judged && r->offer->judged->recommended ? theme_glyph(GLYPH_STAR) : "";
    return w->model && strcmp(w->model->path, r->path) == 0 ? theme_glyph(GLYPH_DONE) : "";
}

static void fill_cell(void *user, int row, int column, struct list_cell *c)
{
    const struct wizard *w = user;
    const struct row *r = &state(w)->rows[row];
    const struct model *m = wizard_opened(w, r->path);
    char text[FORMAT_SIZE];
    switch (column) {
    case COLUMN_MARK:
        snprintf(c->text, sizeof c->text, "%s", mark_of(w, r));
        c->style = STYLE_GOOD;
        break;
    case COLUMN_NAME: snprintf(c->text, sizeof c->text, "%s", r->name); break;
    case COLUMN_PLACE:
        snprintf(c->text, sizeof c->text, "%s", r->place);
        c->style = STYLE_DIM;
        break;
    case COLUMN_PARAMETERS:
        snprintf(c->text, sizeof c->text, "%s", m ? format_count(text, (double)m->parameters) : "");
        break;
    case COLUMN_TYPE:
        snprintf(c->text, sizeof c->text, "%s", r->offer ? r->offer->level : m ? m->file_type : "");
        break;
    case COLUMN_SIZE:
        snprintf(c->text, sizeof c->text, "%s", r->bytes ? format_bytes(text, (double)r->bytes) : "");
        break;
    }
}

/* "43 × F16, 13 × F32": types in the order of their first tensor. */
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

static const char *verdict_words(const struct ready_made *m)
{
    static const char *const words[] = {[VERDICT_FITS] = "fits",
                                        [VERDICT_SPLIT] = "fits on GPU and CPU together",
                                        [VERDICT_TOO_BIG] = "too big for here",
                                        [VERDICT_UNKNOWN] = "whether it fits is not known"};
    return words[m->verdict];
}

static void add_progress(struct text *t, int width, const struct hub_progress *p)
{
    char eta[8] = "";
    if (!isnan(p->share))
        snprintf(eta, sizeof eta, "%.0f %%", 100 * p->share);
    text_addf(t, width, STYLE_ACCENT, "fetching\t%s  %s", eta, p->text);
}

static void add_relative(struct text *t, int width, const struct hub_row *h)
{
    char count[FORMAT_SIZE];
    detail(t, width, "on the hub", xasprintf("%s", h->given));
    detail(t, width, "downloads", xstrdup(format_count(count, (double)h->relative->downloads)));
    text_add(t, width, STYLE_NORMAL,
             "Somebody made GGUF models of this checkpoint; fetching one may be the better answer. Enter lists "
             "them with their sizes.",
             NULL);
}

static void add_offer(struct text *t, int width, const struct wizard *w, const struct hub_row *h)
{
    char size[FORMAT_SIZE], total[FORMAT_SIZE];
    struct hub_progress progress;
    detail(t, width, "on the hub", xasprintf("%s", h->given));
    detail(t, width, "size", xstrdup(h->bytes ? format_bytes(size, (double)h->bytes) : "unknown"));
    if (h->judged && h->judged->total_bytes)
        detail(t, width, "in memory",
               xasprintf("%s: %s", format_bytes(total, (double)h->judged->total_bytes),
                         verdict_words(h->judged)));
    else if (!h->judged)
        detail(t, width, "what it is", xstrdup("the checkpoint itself, from which every level can be made"));
    if (hub_view_progress(w, &progress) && strcmp(progress.given, h->given) == 0)
        add_progress(t, width, &progress);
    else
        text_add(t, width, STYLE_NORMAL,
                 h->present ? "Enter opens it: it is in the cache." : "Enter fetches it.", NULL);
    if (w->hub.advice && w->hub.listing->offers.count)
        text_addf(t, width, STYLE_DIM, "%s", w->hub.advice);
    if (w->hub.listing->model_error.code)
        text_addf(t, width, STYLE_WARN, "! %s", w->hub.listing->model_error.text);
}

static void draw_details(struct wizard *w, struct rect in)
{
    struct model_page *p = state(w);
    const struct row *r = row_under_cursor(w);
    const struct opened_model *o = under_cursor(w);
    text_clear(&p->details);
    if (r && r->offer && r->offer->relative)
        add_relative(&p->details, in.w, r->offer);
    else if (r && r->offer)
        add_offer(&p->details, in.w, w, r->offer);
    else if (!o)
        text_add(&p->details, in.w, STYLE_DIM,
                 w->searching
                     ? ""
                     : "Nothing was found here, nor in the caches of Hugging Face, llama.cpp, "
                       "Ollama and LM Studio. Press o and type the path of a GGUF file, or hf:ORG/NAME.",
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

static const char *detail_title(const struct row *r, const struct opened_model *o)
{
    return r && r->offer ? r->offer->name : o && o->model ? o->model->name : "details";
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
                        {in[MODEL_DETAILS], detail_title(row_under_cursor(w), o), NULL}},
        MODEL_PANES);
    list_paint(&p->list, in[MODEL_LIST]);
    draw_details(w, rect_padded(in[MODEL_DETAILS]));
}

/* --------------------------------------------------------------------- keys */

static int fetch(struct wizard *w, const struct hub_row *h)
{
    if (!hub_view_fetch(w, h))
        wizard_say(w, "one download at a time: x stops the one that is going on");
    return PAGE_HANDLED;
}

/* Opening takes a moment: the choice waits for it. */
static int key_choose(struct wizard *w)
{
    const struct row *r = row_under_cursor(w);
    struct opened_model *o = under_cursor(w);
    if (r && r->offer && r->offer->relative)
        hub_view_ask(w, r->offer->given);
    else if (r && r->offer)
        return fetch(w, r->offer);
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

/* A name of the hub's or of a store's. */
static int answer_name(struct wizard *w, const char *typed, struct error *e)
{
    struct reference ref = {0};
    int rc = reference_is(typed) ? reference_parse(&ref, typed, e) : 0;
    reference_done(&ref);
    if (!rc)
        wizard_open_named(w, typed);
    return rc;
}

static int answer_path(struct wizard *w, int choice, const char *typed, struct error *e)
{
    struct model_page *p = state(w);
    (void)choice;
    if (source_is_named(typed))
        return answer_name(w, typed, e);
    char *path = path_expand(typed);
    if (!file_exists(path)) {
        error_set(e, ERROR_USAGE, "there is no file or folder %s", path);
        free(path);
        return e->code;
    }
    wizard_open(w, path)->given = true;
    w->models_changed++;
    build_rows(p, w);
    p->list.filter[0] = 0;
    p->list.cursor = row_of(p, path);
    free(path);
    return 0;
}

static int key_path(struct wizard *w)
{
    struct dialog *d = dialog_input(
        w, "Open a checkpoint",
        "Path of a GGUF file (the first of its shards) or of a checkpoint folder; or hf:ORG/NAME on the Hugging Face hub,"
        " ollama:NAME:",
        "", answer_path);
    d->field.complete = field_complete_path;
    return PAGE_HANDLED;
}

static int key_stop(struct wizard *w)
{
    hub_view_stop(w);
    return PAGE_HANDLED;
}

static bool fetching(const struct wizard *w)
{
    return w->hub.fetching != NULL;
}

static int key_again(struct wizard *w)
{
    wizard_search(w);
    return PAGE_HANDLED;
}

static int key_details(struct wizard *w)
{
    text_turn(&state(w)->details);
    return PAGE_HANDLED;
}

static int key(struct wizard *w, int k)
{
    struct model_page *p = state(w);
    int before = p->list.cursor;
    if (!list_key(&p->list, k))
        return PAGE_IGNORED;
    if (p->list.cursor != before)
        p->details.top = 0;
    return PAGE_HANDLED;
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
    {'o', K_F(2), "Open path",
     "opens a file that is not listed (Tab completes its name), or lists what hf:ORG/NAME offers", key_path},
    {'x', K_F(9), "Stop", "stops the download; what came is kept, and the next one goes on there", key_stop,
     fetching},
    {'r', 0, "Again", "searches again", key_again},
    {' ', 0, NULL, "the next lines of the details, where there are more", key_details},
    {0},
};

static const char *const terms[] = {"weights", "tokens", "context", "chat template", "quantization", NULL};

const struct page page_model = {
    .name = "Model",
    .about = "The checkpoint to quantize. Listed is what lies in the current folder and in the caches of "
             "Hugging Face, llama.cpp, Ollama and LM Studio; o and hf:ORG/NAME list what a repository on the "
             "hub offers, the star marks what suits this machine, and Enter fetches it. Best is an F16, BF16 "
             "or F32 file: quantizing what was quantized before adds one loss to another.",
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
