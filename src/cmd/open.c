#include "cmd/open.h"

#include <stdlib.h>

#include "base/watch.h"
#include "hub/source.h"
#include "text/pretokenizer.h"

/* `stand_in` NULL: the weights are wanted too. */
static int resolve(const char *given, char **path, bool *stand_in, struct error *e)
{
    struct progress p;
    if (!source_is_named(given))
        return source_resolve(given, path, NULL, e);
    interrupt_catch();
    progress_init(&p, false);
    int rc = stand_in ? source_resolve_headers(given, path, stand_in, &p.watch, e)
                      : source_resolve(given, path, &p.watch, e);
    progress_done(&p);
    return rc;
}

int fetch_model(char **path, const char *given, struct error *e)
{
    return resolve(given, path, NULL, e);
}

/* An unknown name is found before anything is fetched or read. */
static int check_pre(const char *pre, struct error *e)
{
    return !pre || pretokenizer_named(pre) ? 0 : pretokenizer_unknown("--pre", pre, ERROR_USAGE, e);
}

int open_model(struct model **out, const char *given, const char *pre, int flags, struct error *e)
{
    char *path = NULL;
    *out = NULL;
    int rc = check_pre(pre, e);
    rc = rc ? rc : fetch_model(&path, given, e);
    rc = rc ? rc : model_open_as(out, path, pre, flags, e);
    free(path);
    return rc;
}

int open_header(struct model **out, const char *given, const char *pre, int flags, struct error *e)
{
    char *path = NULL;
    bool stand_in = false;
    *out = NULL;
    int rc = check_pre(pre, e);
    rc = rc ? rc : resolve(given, &path, &stand_in, e);
    rc = rc ? rc
            : model_open_as(out, path, pre, flags | (stand_in ? MODEL_HEADER_ONLY | MODEL_WITHOUT_DATA : 0),
                            e);
    free(path);
    return rc;
}

int read_activations(const struct args *a, enum activations *to, struct error *e)
{
    const char *kind = args_get(a, "activations");
    if (kind && !activations_parse(to, kind))
        return error_set(e, ERROR_USAGE, "--activations: expected served, f32 or q8, found '%s'", kind);
    return 0;
}
