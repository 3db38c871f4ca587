#include "base/rulefile.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"

enum { SCHEMA_VERSION = 1 };

/* One list: a name here is a file in rules/ that is compiled in, installed and can be overridden. */
#define RULE_FILES(X) \
    X(levels) X(recipes) X(runtimes) X(kernels) X(gpus) X(decisions) X(warnings) X(usecases) X(necessity) X(levers) \
    X(steps) X(tips) X(troubleshooting) X(mixes)

#define EMBED(name)                                                                                   \
    __asm__(".section .rodata\n"                                                                      \
            ".global rules_" #name "\n.global rules_" #name "_end\n"                                  \
            "rules_" #name ":\n.incbin \"rules/" #name ".yaml\"\nrules_" #name "_end:\n.byte 0\n"     \
            ".previous\n");                                                                           \
    extern const char rules_##name[], rules_##name##_end[];
RULE_FILES(EMBED)

static const struct { const char *name, *text, *end; } builtin[] = {
#define ROW(name) {#name, rules_##name, rules_##name##_end},
    RULE_FILES(ROW)
};

const char *const *rulefile_names(void)
{
#define NAME(name) #name,
    static const char *const names[] = {RULE_FILES(NAME) NULL};
    return names;
}

/* The user's file, or NULL; free() it. */
static char *override(const char *name)
{
    const char *folder = getenv("QUANTWIZ_RULES");
    char *config = path_xdg("XDG_CONFIG_HOME", ".config");
    char *candidates[] = {folder ? xasprintf("%s/%s.yaml", folder, name) : NULL,
                          xasprintf("%s/rules/%s.yaml", config, name)};
    char *found = NULL;
    for (size_t i = 0; i < ARRAY_LENGTH(candidates); i++) {
        if (!found && candidates[i] && file_exists(candidates[i]))
            found = candidates[i];
        else
            free(candidates[i]);
    }
    free(config);
    return found;
}

int rulefile_load(struct yaml **out, const char *name, struct arena *a, struct error *e)
{
    char *path = override(name);
    if (path) {
        int rc = yaml_load(out, path, a, e);
        free(path);
        return rc;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(builtin); i++)
        if (strcmp(builtin[i].name, name) == 0) {
            char *shown = xasprintf("rules/%s.yaml", name);
            int rc = yaml_parse(out, builtin[i].text, builtin[i].end - builtin[i].text, shown, a, e);
            free(shown);
            return rc;
        }
    return error_set(e, ERROR_USAGE, "there are no rules called '%s'", name);
}

int rulefile_load_checked(struct yaml **out, const char *name, const struct schema_field *fields, struct arena *a,
                          struct error *e)
{
    int64_t version = 0;
    int rc = rulefile_load(out, name, a, e);
    rc = rc ? rc : yaml_integer(*out, "schema", true, &version, e);
    if (!rc && version != SCHEMA_VERSION)
        rc = yaml_expected(yaml_get(*out, "schema"), e, "schema %d", SCHEMA_VERSION);
    return rc ? rc : schema_check(*out, fields, e);
}
