#include "ui/text_view.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/str.h"
#include "text/calibration.h"

struct samples_job {
    struct job job;
    struct text_view *view;
    struct text_view read;
};

static void samples_work(struct job *j)
{
    struct text_view *v = &((struct samples_job *)j)->read;
    const struct calibration c = {.text = v->text};
    struct tokenizer *t = NULL;
    char *path = NULL;
    int rc = tokenizer_open(&t, v->model, NULL, &v->error);
    rc = rc ? rc : calibration_path(&path, v->text, &v->error);
    rc = rc ? rc : samples_read(&v->samples, path, t, &v->error);
    if (!rc)
        samples_count_tokens(&v->samples, t);
    if (!rc && v->evaluated)
        calibration_overlap(&v->overlap, &c, v->evaluated, &v->error);
    tokenizer_free(t);
    free(path);
}

static void count_bins(struct text_view *v)
{
    for (int i = 0; i < v->samples.count; i++) {
        int bin = v->samples.items[i].tokens > 1 ? (int)log2(v->samples.items[i].tokens) : 0;
        v->bins[bin < TEXT_BINS ? bin : TEXT_BINS - 1]++;
    }
}

static void samples_ready(struct job *j, void *owner)
{
    struct samples_job *s = (struct samples_job *)j;
    struct text_view *v = s->view;
    void (*ready)(void *) = v->ready;
    text_view_forget(v);
    *v = s->read;
    v->ready = ready;
    count_bins(v);
    free(s);
    ready(owner);
}

void text_view_ask(struct text_view *v, struct jobs *q, const struct model *m, const char *text, char *evaluated)
{
    bool known = str_same(text, v->text) && str_same(evaluated, v->evaluated) && v->model == m;
    if (!text)
        text_view_forget(v);
    if (!text || !m || v->reading || known) {
        free(evaluated);
        return;
    }
    struct samples_job *s = xcalloc(1, sizeof *s);
    s->job = (struct job){.what = "reading the text", .work = samples_work, .done = samples_ready};
    s->view = v;
    s->read = (struct text_view){.text = xstrdup(text), .evaluated = evaluated, .model = m, .overlap = NAN};
    v->reading = true;
    jobs_push(q, &s->job);
}

void text_view_forget(struct text_view *v)
{
    samples_done(&v->samples);
    free(v->text);
    free(v->evaluated);
    v->text = v->evaluated = NULL;
    v->error = (struct error){0};
    v->at = 0;
}
