#include "report/parts.h"

#include <math.h>
#include <string.h>

static void add_machine(struct document *d, const struct plan *p)
{
    struct arena a = {0};
    struct error e;
    struct yaml *tree = NULL;
    const char *text = p->machine_summary;
    if (text && yaml_parse(&tree, text, strlen(text), "machine", &a, &e) == 0 && tree->kind == YAML_MAP)
        document_tree(d, "machine", "The machine that the plan is for", tree);
    else
        document_text(d, "machine", "The machine that the plan is for", text);
    arena_done(&a);
}

void hardware_part(struct document *d, const struct plan *p, const struct run_state *s)
{
    document_part(d, "hardware_profile", "Hardware Profile");
    document_text(d, "host", "Made on", s->host);
    document_number(d, "threads", "Threads used", s->threads ? s->threads : NAN, "%.0f", 1);
    document_bytes(d, "peak_private_bytes", "Most memory of its own that the run held", s->peak_private_bytes);
    document_bytes(d, "peak_rss_bytes", "Most memory resident, mapped files included", s->peak_rss_bytes);
    add_machine(d, p);
    document_part_end(d);
}
