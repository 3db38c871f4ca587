#include "cmd/effort.h"

#include "base/clock.h"
#include "base/cpu.h"
#include "base/json.h"
#include "base/usage.h"

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
    *x = (struct effort){.watch = {.tick = on_tick, .user = x}, .started = clock_monotonic()};
    interrupt_catch();
    progress_init(&x->progress, false);
}

void effort_end(struct effort *x)
{
    progress_done(&x->progress);
    sample_memory(x);
    x->seconds = clock_monotonic() - x->started;
}

void effort_note(struct effort *x, const char *text)
{
    progress_say(&x->progress, "quantwiz: %s", text);
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
    return j;
}
