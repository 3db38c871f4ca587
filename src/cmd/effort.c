#include "cmd/effort.h"

#include "base/clock.h"
#include "base/cpu.h"
#include "base/json.h"
#include "base/str.h"
#include "base/usage.h"
#include "run/events.h"

static void sample_memory(struct effort *x)
{
    struct usage u;
    usage_read(&u);
    x->peak_private = u.private_bytes > x->peak_private ? u.private_bytes : x->peak_private;
    x->sampled = clock_monotonic();
}

static bool on_tick(struct watch *w, double done, double total, const char *what)
{
    struct effort *x = w->user;
    if (clock_monotonic() - x->sampled > 0.05)
        sample_memory(x);
    return watch_tick(&x->progress.watch, done, total, what);
}

void effort_begin(struct effort *x)
{
    effort_done(x);
    *x = (struct effort){.watch = {.tick = on_tick, .user = x}, .started = clock_monotonic(), .layers = json_array(),
                         .notes = json_array()};
    interrupt_catch();
    progress_init(&x->progress, false);
}

void effort_end(struct effort *x)
{
    progress_done(&x->progress);
    sample_memory(x);
    x->seconds = clock_monotonic() - x->started;
}

void effort_done(struct effort *x)
{
    json_decref(x->layers);
    json_decref(x->notes);
    *x = (struct effort){0};
}

void effort_note(struct effort *x, const char *text)
{
    json_array_append_new(x->notes, json_text(text));
    progress_say(&x->progress, "quantwiz: %s", text);
}

void effort_layer(struct effort *x, const struct layerwise_report *r)
{
    char seconds[FORMAT_SIZE], plain[64] = "";
    const char *reused = r->reused ? ", made before" : "";
    if (r->plain)
        snprintf(plain, sizeof plain, ", %d of %d tensors rounded to nearest", r->plain, r->tensors);
    json_array_append_new(x->layers, event_layer(r));
    progress_say(&x->progress, "layer %d of %d: loss %.3g, damping %.3g, %.0f inputs, %s%s%s", r->layer + 1, r->layers,
                 r->loss, r->damp, r->inputs, format_duration(seconds, r->seconds), plain, reused);
}

json_t *effort_json(const struct effort *x, const struct made *made, json_t *files, json_t *tensors)
{
    json_t *j = json_object();
    json_object_set_new(j, "output", json_text(made->output));
    json_object_set_new(j, "files", files);
    json_object_set_new(j, "level", json_text(made->level));
    json_object_set_new(j, "bytes", json_value(made->bytes));
    json_object_set_new(j, "bits_per_weight", json_value(made->bits_per_weight));
    json_object_set_new(j, "seconds", json_value(x->seconds));
    json_object_set_new(j, "threads", json_integer(threads_count()));
    json_object_set_new(j, "peak_rss_bytes", json_value((double)usage_peak_rss()));
    json_object_set_new(j, "peak_private_bytes", json_value((double)x->peak_private));
    json_object_set_new(j, "dry_run", json_boolean(made->dry_run));
    json_object_set_new(j, "tensors", tensors);
    json_object_set_new(j, "layers", x->layers ? json_incref(x->layers) : json_array());
    json_object_set_new(j, "notes", x->notes ? json_incref(x->notes) : json_array());
    return j;
}
