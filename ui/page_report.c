/* Where everything lies, how to start it, and the decision document itself. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "report/report.h"
#include "ui/frame.h"
#include "ui/key.h"
#include "ui/wizard.h"

struct report_page {
    struct text files, start, document;
    char *markdown;         /* report.md as read on entering; NULL: not there */
};

static struct report_page *state(const struct wizard *w)
{
    return wizard_state(w, &page_report);
}

static void read_report(struct wizard *w)
{
    enum { REPORT_LIMIT = 1 << 20 };
    struct report_page *p = state(w);
    struct error e = {0};
    size_t length;
    free(p->markdown);
    p->markdown = NULL;
    if (w->run.report && file_read(w->run.report, REPORT_LIMIT, &p->markdown, &length, &e))
        wizard_say(w, "%s", e.text);
}

/* ------------------------------------------------------------------ drawing */

static void add_made(struct text *t, int width, const struct run_state *r)
{
    for (int i = 0; i < r->artefact_count; i++)
        text_addf(t, width, STYLE_STRONG, "made\t%s", r->artefacts[i]);
    if (!r->artefact_count && r->error)
        text_addf(t, width, STYLE_WARN, "made\tnothing: %s", r->error);
    else if (!r->artefact_count)
        text_addf(t, width, STYLE_WARN, "made\tnothing%s", r->over ? "" : " yet");
}

static void draw_files(struct wizard *w, struct rect in)
{
    struct text *t = &state(w)->files;
    const struct run_state *r = &w->run;
    text_clear(t);
    add_made(t, in.w, r);
    if (r->report)
        text_addf(t, in.w, STYLE_NORMAL, "report\t%s", r->report);
    text_addf(t, in.w, STYLE_NORMAL, "protocol\t%s", r->folder);
    bool resumable = r->over && !r->artefact_count;
    char *path = path_join(r->folder, "plan.yaml"), *plan = str_word(path);
    text_addf(t, in.w, STYLE_NORMAL, "%s with\tquantwiz run %s%s", resumable ? "goes on" : "again", plan,
              resumable ? " --resume" : "");
    free(path);
    free(plan);
    text_paint(t, in);
}

static void draw_start(struct wizard *w, struct rect in)
{
    struct text *t = &state(w)->start;
    struct arena a = {0};
    text_clear(t);
    if (w->run.artefact_count)
        for (const char **line = report_start_lines(w->run_plan, w->run.artefacts[0], &a); *line; line++)
            text_add(t, in.w, STYLE_NORMAL, *line, NULL);
    text_paint(t, in);
    arena_done(&a);
}

static void draw_document(struct wizard *w, struct rect in)
{
    struct report_page *p = state(w);
    text_clear(&p->document);
    if (!p->markdown)
        text_add(&p->document, in.w, STYLE_DIM,
                 w->run.over ? "no report was written" : "the report is written at the end of the run", NULL);
    for (const char *line = p->markdown; line && *line;) {
        size_t n = strcspn(line, "\n");
        char *text = xstrndup(line, n);
        text_add(&p->document, in.w, *text == '#' ? STYLE_HEADING : STYLE_NORMAL, text, NULL);
        free(text);
        line += n + (line[n] == '\n');
    }
    text_paint(&p->document, in);
}

static void draw(struct wizard *w, struct rect page)
{
    struct rect in[PANES_MAX];
    char title[64];
    layout_report(page, in);
    snprintf(title, sizeof title, "start it in %s", wishes_choice(&w->run_plan->wishes, WISH_RUNTIME));
    frame_paint((struct pane[]){{in[REPORT_FILES], "Report", w->run.status}, {in[REPORT_START], title, NULL},
                                {in[REPORT_TEXT], "report.md", NULL}}, REPORT_PANES);
    draw_files(w, rect_padded(in[REPORT_FILES]));
    draw_start(w, rect_padded(in[REPORT_START]));
    draw_document(w, rect_padded(in[REPORT_TEXT]));
}

/* --------------------------------------------------------------------- keys */

static int key_new(struct wizard *w)
{
    wizard_ask_page(w, PAGE_MODEL);
    return PAGE_HANDLED;
}

static bool can_begin(const struct wizard *w)
{
    return !w->options.attach;
}

static int key(struct wizard *w, int k)
{
    return text_key(&state(w)->document, k) ? PAGE_HANDLED : PAGE_IGNORED;
}

static int tick(struct wizard *w)
{
    if (!state(w)->markdown && w->run.report)
        read_report(w);
    return PAGE_HANDLED;
}

static bool complete(const struct wizard *w)
{
    return w->run.report != NULL;
}

static void close_page(struct wizard *w)
{
    struct report_page *p = state(w);
    text_done(&p->files);
    text_done(&p->start);
    text_done(&p->document);
    free(p->markdown);
}

static const struct page_key keys[] = {
    {K_UP, K_DOWN, "Scroll", "scrolls the report", NULL},
    {'d', 0, "Doctor", "what may be wrong, looked for on this machine and in this file", page_go_doctor},
    {'n', 0, "New", "begins again with another model", key_new, can_begin},
    {0},
};

static const char *const terms[] = {"perplexity", "KL divergence", "level", NULL};

const struct page page_report = {
    .name = "Report",
    .about = "The decision document: what was made from what, why this level, what was measured, and the "
             "lines that start it. report.yaml beside it holds the same for programs; the plan makes it "
             "again.",
    .terms = terms,
    .keys = keys,
    .state_size = sizeof(struct report_page),
    .attached = true,
    .locked = wizard_needs_run,
    .complete = complete,
    .enter = read_report,
    .draw = draw,
    .key = key,
    .tick = tick,
    .close = close_page,
};
