/* quantwiz models: the checkpoints found on this machine. */
#include <stdio.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/table.h"
#include "cmd/cmd.h"
#include "model/discover.h"

enum { SECONDS = 10 };

static void print_json(const struct found_models *f)
{
    json_t *list = json_array(), *o = json_object();
    for (int i = 0; i < f->count; i++) {
        const struct found_model *m = &f->items[i];
        json_t *item = json_object();
        json_object_set_new(item, "name", json_text(m->name));
        json_object_set_new(item, "place", json_text(m->place));
        json_object_set_new(item, "bytes", json_integer((json_int_t)m->bytes));
        json_object_set_new(item, "path", json_text(m->path));
        json_array_append_new(list, item);
    }
    json_object_set_new(o, "models", list);
    json_object_set_new(o, "complete", json_boolean(f->complete));
    json_print(stdout, o, 0);
}

static void print_text(const struct found_models *f)
{
    struct table t;
    char size[FORMAT_SIZE];
    if (f->count == 0)
        puts("no models found in this folder, nor in the stores of Hugging Face, llama.cpp, Ollama and LM Studio");
    table_init(&t, "llrl");
    table_add(&t, "model");
    table_add(&t, "place");
    table_add(&t, "size");
    table_add(&t, "path");
    for (int i = 0; i < f->count; i++) {
        table_add(&t, "%s", f->items[i].name);
        table_add(&t, "%s", f->items[i].place);
        table_add(&t, "%s", format_bytes(size, f->items[i].bytes));
        table_add(&t, "%s", f->items[i].path);
    }
    if (f->count)
        table_print(&t, stdout, 1);
    table_done(&t);
    if (!f->complete)
        fprintf(stderr, "quantwiz: not everything was looked at within %d s\n", SECONDS);
}

static int run(const struct args *a, struct error *e)
{
    struct found_models f;
    (void)e;
    discover_models(&f, args_operand(a, 0), SECONDS);
    if (args_json(a))
        print_json(&f);
    else
        print_text(&f);
    found_models_done(&f);
    return 0;
}

const struct command cmd_models = {
    .name = "models",
    .usage = "[FOLDER] [--json]",
    .summary = "checkpoints in this folder and in the stores of other programs",
    .operands_max = 1,
    .run = run,
};
