/* quantwiz report RUN */
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "cmd/args.h"
#include "report/comparison.h"
#include "report/report.h"
#include "run/run_state.h"

static const struct option_spec options[] = {
    {"write", 0, NULL, "write it again from what the run's folder holds, even where it is there"},
    {0},
};

enum { REPORT_LIMIT = 16 << 20 };

static int write_again(const char *folder, struct error *e)
{
    struct run_state s;
    struct plan *p;
    char *path = NULL;
    int rc = plan_load_kept(&p, folder, e);
    if (rc)
        return rc;
    run_state_init(&s, folder);
    rc = run_state_poll(&s, e);
    if (rc == 0)
        rc = error_set(e, ERROR_FAILED, "%s holds no events: no run was started there", folder);
    rc = rc < 0 ? rc : report_write(p, &s, &path, e);
    run_state_done(&s);
    plan_free(p);
    free(path);
    return rc;
}

/* Of a plan with variants the document is the comparison. */
static int compare_again(const char *folder, struct error *e)
{
    struct comparison c;
    int rc = comparison_read(&c, &folder, 1, e);
    rc = rc ? rc : comparison_write(&c, folder, e);
    comparison_done(&c);
    return rc;
}

static int print_report(const char *folder, const char *name, bool json, struct error *e)
{
    char *path = path_join(folder, name), *text;
    size_t length;
    int rc = file_read(path, REPORT_LIMIT, &text, &length, e);
    if (!rc && json) {
        json_t *j = json_object();
        json_object_set_new(j, "report", json_text(path));
        json_object_set_new(j, "text", json_text(text));
        json_print(stdout, j, 0);
    } else if (!rc) {
        fwrite(text, 1, length, stdout);
    }
    if (!rc)
        free(text);
    free(path);
    return rc;
}

static int run(const struct args *a, struct error *e)
{
    const char *folder = args_operand(a, 0);
    if (!file_is_folder(folder))
        return error_set(e, ERROR_USAGE, "%s is no run: give the folder of one (NAME.quantwiz)", folder);
    bool several = file_exists_in(folder, "comparison.md");
    const char *name = several ? "comparison.md" : "report.md";
    bool write = args_has(a, "write") || !file_exists_in(folder, name);
    int rc = !write ? 0 : several ? compare_again(folder, e) : write_again(folder, e);
    return rc ? rc : print_report(folder, name, args_json(a), e);
}

const struct command cmd_report = {
    .name = "report",
    .usage = "RUN [--write]",
    .summary = "print the decision document of a run; where it is missing, it is made from the run's folder alone",
    .options = options,
    .operands_min = 1,
    .operands_max = 1,
    .run = run,
};
