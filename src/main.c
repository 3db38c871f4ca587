/* The subcommand table and the way out: every error ends here, once, with its exit status. */
#include <config.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cpu.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/table.h"
#include "base/watch.h"
#include "cmd/args.h"
#include "machine/machine.h"

/* In the order of the help. Without a command the wizard opens. */
const struct command *const commands[] = {
    &cmd_machine,
    &cmd_models,
    &cmd_offers,
    &cmd_fetch,
    &cmd_inspect,
    &cmd_estimate,
    &cmd_plan,
    &cmd_run,
    &cmd_attach,
    &cmd_convert,
    &cmd_quantize,
    &cmd_split,
    &cmd_merge,
    &cmd_imatrix,
    &cmd_eval,
    &cmd_generate,
    &cmd_tokenize,
    &cmd_compare,
    &cmd_report,
    &cmd_doctor,
    &cmd_wizard,
    &cmd_docs,
    NULL,
};

static const struct command *find_command(const char *name)
{
    for (int i = 0; commands[i]; i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    return NULL;
}

static void print_help(void)
{
    struct table t;
    puts("quantwiz: which quantization of a language model to run on this machine; makes it, and proves it.\n\n"
         "Usage: quantwiz [MODEL]           the wizard\n"
         "       quantwiz COMMAND ...       the same without a screen\n");
    table_init(&t, "ll");
    for (int i = 0; commands[i]; i++) {
        if (!commands[i]->summary)
            continue;
        table_add(&t, "  %s", commands[i]->name);
        table_add(&t, "%s", commands[i]->summary);
    }
    table_print(&t, stdout, 0);
    table_done(&t);
    puts("\nquantwiz COMMAND --help lists a command's options; quantwiz(1) explains all of it.\n"
         "Exit status: 0 done, 1 failed, 2 wrong usage, 3 rejected by the quality gate, 4 cannot fit, 130 interrupted.");
}

static int run_command(const struct command *c, int argc, char **argv, struct error *e)
{
    struct args *a;
    bool helped;
    int threads = 0, rc = args_parse(&a, c, argc, argv, &helped, e);
    if (rc)
        return rc;
    if (!helped && !(rc = args_int(a, "threads", 1, 4096, &threads, e))) {
        threads_set(threads);
        rc = c->run(a, e);
    }
    args_free(a);
    return rc;
}

/* libgomp's threads spin for milliseconds at the end of each loop before they sleep, so on a machine that is busy with
 * something else they hold the very cores that the last thread waits for: there an evaluation took forty times as
 * long. Some ten microseconds bridge our short loops. libgomp reads its environment when it is loaded, so the program
 * starts itself once more with it set; what the person has set stays. */
static void spin_briefly(char **argv)
{
    if (getenv("GOMP_SPINCOUNT") || getenv("OMP_WAIT_POLICY") || setenv("GOMP_SPINCOUNT", "5000", 0) != 0)
        return;
    execv("/proc/self/exe", argv);
}

int main(int argc, char **argv)
{
    struct error e = {0};
    spin_briefly(argv);
    mem_prepare();
    setlocale(LC_CTYPE, "");
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file size limit is an error of write(2) like a full disk */
    file_bus_guard();
    machine_prepare();
    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0)) {
        print_help();
        return 0;
    }
    if (argc > 1 && strcmp(argv[1], "--version") == 0) {
        puts(PACKAGE_STRING);
        return 0;
    }
    const struct command *c = argc > 1 ? find_command(argv[1]) : NULL;
    int rc;
    if (c)
        rc = run_command(c, argc - 1, argv + 1, &e);
    else if ((c = find_command("wizard")))
        rc = run_command(c, argc, argv, &e);
    else
        rc = error_set(&e, ERROR_USAGE, "there is no command '%s' (quantwiz --help lists them)", argc > 1 ? argv[1] : "");
    if (rc && *e.text)
        fprintf(stderr, "quantwiz: %s\n", e.text);
    return error_exit_status(rc);
}
