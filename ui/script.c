#include "ui/script.h"

#include <curses.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "ui/key.h"
#include "ui/theme.h"

enum { RUN_LIMIT_SECONDS = 900 };

struct script {
    char *path, *text, *at;   /* at: the next line */
    int line;
    int *keys;                /* still to be given out */
    int key_count, key_capacity, key_at;
    struct ui_event *out;     /* where a step puts its event */
};

int script_open(struct script **out, const char *path, struct error *e)
{
    struct script *s = xcalloc(1, sizeof *s);
    size_t length;
    *out = NULL;
    if (file_read(path, 1 << 20, &s->text, &length, e)) {
        free(s);
        return e->code;
    }
    s->path = xstrdup(path);
    s->at = s->text;
    *out = s;
    return 0;
}

void script_close(struct script *s)
{
    if (!s)
        return;
    free(s->path);
    free(s->text);
    free(s->keys);
    free(s);
}

static int wrong(const struct script *s, struct error *e, const char *what, const char *argument)
{
    return error_set(e, ERROR_USAGE, "%s:%d: %s '%s'", s->path, s->line, what, argument);
}

/* ------------------------------------------------------- what the screen shows */

struct looks { /* the combinations of attributes met so far, each with a letter */
    struct { attr_t attributes; short pair; } item[62];
    int count;
};

static char letter(int i)
{
    return "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"[i];
}

static char letter_for(struct looks *l, const cchar_t *cell)
{
    wchar_t text[CCHARW_MAX + 1];
    attr_t attributes = 0;
    short pair = 0;
    getcchar(cell, text, &attributes, &pair, NULL);
    attributes &= A_BOLD | A_DIM | A_REVERSE | A_UNDERLINE;
    if (!attributes && !pair)
        return '.';
    for (int i = 0; i < l->count; i++)
        if (l->item[i].attributes == attributes && l->item[i].pair == pair)
            return letter(i);
    if (l->count == (int)ARRAY_LENGTH(l->item))
        return '?';
    l->item[l->count].attributes = attributes;
    l->item[l->count].pair = pair;
    return letter(l->count++);
}

static void add_character(struct str *line, const cchar_t *cell)
{
    wchar_t text[CCHARW_MAX + 1] = {0};
    attr_t attributes;
    short pair;
    getcchar(cell, text, &attributes, &pair, NULL);
    for (int i = 0; text[i]; i++) {
        char utf8[4];
        str_add_bytes(line, utf8, (size_t)utf8proc_encode_char(text[i], (utf8proc_uint8_t *)utf8));
    }
}

static void end_line(struct str *out, char blank)
{
    while (out->length && out->data[out->length - 1] == blank)
        out->data[--out->length] = 0;
    str_add_char(out, '\n');
}

static char *screen_text(void)
{
    struct str out = {0};
    for (int y = 0; y < LINES; y++) {
        for (int x = 0; x < COLS; x++) {
            cchar_t cell;
            mvin_wch(y, x, &cell);
            wchar_t wide[CCHARW_MAX + 1] = {0};
            attr_t attributes;
            short pair;
            getcchar(&cell, wide, &attributes, &pair, NULL);
            add_character(&out, &cell);
            x += wide[0] && utf8proc_charwidth(wide[0]) == 2;
        }
        end_line(&out, ' ');
    }
    return str_take(&out);
}

static void add_attributes(struct str *out, struct looks *looks)
{
    for (int y = 0; y < LINES; y++) {
        for (int x = 0; x < COLS; x++) {
            cchar_t cell;
            mvin_wch(y, x, &cell);
            str_add_char(out, letter_for(looks, &cell));
        }
        end_line(out, '.');
    }
}

static void add_legend(struct str *out, const struct looks *looks)
{
    char text[64];
    for (int i = 0; i < looks->count; i++)
        str_addf(out, "%c %s\n", letter(i),
                 theme_describe(looks->item[i].attributes, looks->item[i].pair, text));
}

static int save_screen(const char *path, struct error *e)
{
    struct str out = {0};
    struct looks looks = {0};
    char *text = screen_text();
    str_addf(&out, "%dx%d\n%s--\n", COLS, LINES, text);
    add_attributes(&out, &looks);
    str_add(&out, "--\n");
    add_legend(&out, &looks);
    int rc = file_write(path, out.data, out.length, e);
    str_done(&out);
    free(text);
    return rc;
}

/* -------------------------------------------------------------------- steps */

/* Each returns 0 or an error; an event goes to s->out or, for keys, to s->keys. */
typedef int step(struct script *s, struct ui *u, char *argument, struct error *e);

static void push_key(struct script *s, int key)
{
    array_push(s->keys, s->key_count, s->key_capacity) = key;
}

static int step_key(struct script *s, struct ui *u, char *argument, struct error *e)
{
    (void)u;
    for (char *rest, *name = strtok_r(argument, " ", &rest); name; name = strtok_r(NULL, " ", &rest)) {
        int key = key_named(name);
        if (!key)
            return wrong(s, e, "there is no key", name);
        push_key(s, key);
    }
    return 0;
}

static int step_type(struct script *s, struct ui *u, char *argument, struct error *e)
{
    (void)u;
    for (const utf8proc_uint8_t *p = (utf8proc_uint8_t *)argument; *p;) {
        utf8proc_int32_t code;
        utf8proc_ssize_t n = utf8proc_iterate(p, -1, &code);
        if (n <= 0)
            return wrong(s, e, "this is not UTF-8:", argument);
        push_key(s, code);
        p += n;
    }
    return 0;
}

static int step_size(struct script *s, struct ui *u, char *argument, struct error *e)
{
    int cols, rows;
    (void)u;
    if (sscanf(argument, "%d %d", &cols, &rows) != 2 || cols < 1 || rows < 1 || cols > 1000 || rows > 1000)
        return wrong(s, e, "expected columns and rows, found", argument);
    resizeterm(rows, cols);
    s->out->kind = UI_RESIZE;
    return 0;
}

static int step_click(struct script *s, struct ui *u, char *argument, struct error *e)
{
    (void)u;
    if (sscanf(argument, "%d %d", &s->out->x, &s->out->y) != 2)
        return wrong(s, e, "expected a column and a row, found", argument);
    s->out->kind = UI_CLICK;
    return 0;
}

static int step_wheel(struct script *s, struct ui *u, char *argument, struct error *e)
{
    (void)u;
    if (strcmp(argument, "up") != 0 && strcmp(argument, "down") != 0)
        return wrong(s, e, "expected up or down, found", argument);
    *s->out = (struct ui_event){.kind = UI_WHEEL, .key = *argument == 'u' ? K_UP : K_DOWN};
    return 0;
}

static int step_wait(struct script *s, struct ui *u, char *argument, struct error *e)
{
    double begun = clock_monotonic();
    if (strcmp(argument, "idle") == 0)
        return 0;
    if (strcmp(argument, "run-done") != 0)
        return wrong(s, e, "expected idle or run-done, found", argument);
    while (!wizard_run_over(u->w)) {
        if (clock_monotonic() - begun > RUN_LIMIT_SECONDS)
            return wrong(s, e, "the run is not over; gave up on", argument);
        struct pollfd p = {.fd = jobs_fd(u->w->jobs), .events = POLLIN};
        poll(&p, 1, 20);
        wizard_collect(u->w);
        ui_tick(u);
    }
    return 0;
}

static int step_save(struct script *s, struct ui *u, char *argument, struct error *e)
{
    (void)u;
    return save_screen(argument, e) ? error_context(e, "%s:%d", s->path, s->line) : 0;
}

static int step_dump(struct script *s, struct ui *u, char *argument, struct error *e)
{
    char *text = wizard_dump(u->w);
    int rc = file_write(argument, text, strlen(text), e);
    free(text);
    return rc ? error_context(e, "%s:%d", s->path, s->line) : 0;
}

static int look_for(struct script *s, const char *text, bool wanted, struct error *e)
{
    char *screen = screen_text();
    bool found = strstr(screen, text) != NULL;
    if (found != wanted)
        fprintf(stderr, "%s", screen);
    free(screen);
    return found == wanted ? 0 : wrong(s, e, wanted ? "the screen does not show" : "the screen shows", text);
}

static int step_expect(struct script *s, struct ui *u, char *argument, struct error *e)
{
    (void)u;
    return look_for(s, argument, true, e);
}

static int step_refuse(struct script *s, struct ui *u, char *argument, struct error *e)
{
    (void)u;
    return look_for(s, argument, false, e);
}

static const struct { const char *name; step *run;
} steps[] = {
    {"key", step_key},       {"type", step_type},     {"size", step_size}, {"click", step_click},
    {"wheel", step_wheel},   {"wait", step_wait},     {"save", step_save}, {"dump", step_dump},
    {"expect", step_expect}, {"refuse", step_refuse},
};

static int run_step(struct script *s, struct ui *u, char *line, struct error *e)
{
    size_t n = strcspn(line, " ");
    for (size_t i = 0; i < ARRAY_LENGTH(steps); i++)
        if (strlen(steps[i].name) == n && strncmp(steps[i].name, line, n) == 0)
            return steps[i].run(s, u, line + n + (line[n] == ' '), e);
    return wrong(s, e, "there is no step", line);
}

static bool next_key(struct script *s, struct ui_event *out)
{
    if (s->key_at == s->key_count)
        return false;
    *out = (struct ui_event){.kind = UI_KEY, .key = s->keys[s->key_at++]};
    if (s->key_at == s->key_count)
        s->key_at = s->key_count = 0;
    return true;
}

/* The next line that is a step, cut off from the text; NULL at the end. */
static char *next_line(struct script *s)
{
    while (*s->at) {
        char *line = s->at;
        size_t n = strcspn(line, "\n");
        s->at = line + n + (line[n] == '\n');
        line[n] = 0;
        s->line++;
        if (*line && *line != '#')
            return line;
    }
    return NULL;
}

int script_next(struct script *s, struct ui *u, struct ui_event *out, struct error *e)
{
    s->out = out;
    *out = (struct ui_event){.kind = UI_TICK};
    while (out->kind == UI_TICK) {
        wizard_drain(u->w);
        ui_draw(u);
        if (next_key(s, out))
            return 0;
        ui_tick(u);
        wizard_drain(u->w);
        ui_draw(u);
        char *line = next_line(s);
        if (!line)
            out->kind = UI_END;
        else if (run_step(s, u, line, e))
            return e->code;
    }
    return 0;
}
