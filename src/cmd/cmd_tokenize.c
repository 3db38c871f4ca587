#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/str.h"
#include "cmd/cmd.h"
#include "cmd/open.h"
#include "text/tokenizer.h"

enum { TEXT_LIMIT = 1 << 30 };

static const struct option_spec options[] = {
    {"file", 'f', "TEXT", "the text (default: standard input)"},
    {"special", 0, NULL, "take '<s>' and the like in the text as the special tokens that they name"},
    {"no-bos", 0, NULL, "add no token that begins or ends a text, even where the vocabulary wants one"},
    {"batch", 0, NULL, "each line of the text is a JSON string, a text of its own; prints a line of JSON for each"},
    {"pre", 0, "NAME", "cut words as this pre-tokenizer does, whatever the model's metadata say"},
    {0},
};

/* What cannot be printed shows as \xNN, byte by byte, a line break as \n. */
static void print_piece(const char *piece, size_t length)
{
    bool printable;
    for (size_t n; length; piece += n, length -= n) {
        n = text_character(piece, length, &printable);
        if (printable)
            fwrite(piece, 1, n, stdout);
        else if (*piece == '\n')
            fputs("\\n", stdout);
        else
            for (size_t i = 0; i < n; i++)
                printf("\\x%02x", (unsigned char)piece[i]);
    }
}

static void print_tokens(const struct tokenizer *t, const struct tokens *tokens)
{
    for (size_t i = 0; i < tokens->count; i++) {
        size_t length;
        const char *piece = tokenizer_piece(t, tokens->ids[i], true, &length);
        printf("%7d  '", tokens->ids[i]);
        print_piece(piece, length);
        puts("'");
    }
}

static void print_json(const struct tokens *tokens)
{
    json_t *list = json_array();
    for (size_t i = 0; i < tokens->count; i++)
        json_array_append_new(list, json_integer(tokens->ids[i]));
    json_print(stdout, json_pack("{s:o}", "tokens", list), 1);
}

static void show(const struct args *a, const struct tokenizer *t, const char *text, size_t length)
{
    struct tokens tokens = {0};
    int flags = (args_has(a, "special") ? TOKENIZE_SPECIAL : 0) | (args_has(a, "no-bos") ? 0 : TOKENIZE_BOS);
    tokenizer_encode(t, text, length, flags, &tokens);
    if (args_json(a) || args_has(a, "batch"))
        print_json(&tokens);
    else
        print_tokens(t, &tokens);
    tokens_done(&tokens);
}

static int show_lines(const struct args *a, const struct tokenizer *t, const char *text, size_t length,
                      struct error *e)
{
    const char *end = text + length;
    for (int line = 1; text < end; line++) {
        const char *stop = memchr(text, '\n', end - text);
        size_t n = (stop ? stop : end) - text;
        json_error_t why;
        json_t *j = json_loadb(text, n, JSON_DECODE_ANY | JSON_ALLOW_NUL, &why);
        if (!j)
            return error_set(e, ERROR_USAGE, "--batch: line %d of the text is not JSON: %s", line, why.text);
        if (json_is_string(j))
            show(a, t, json_string_value(j), json_string_length(j));
        else
            error_set(e, ERROR_USAGE, "--batch: line %d of the text is JSON, but not a string", line);
        bool string = json_is_string(j);
        json_decref(j);
        if (!string)
            return ERROR_USAGE;
        text += n + 1;
    }
    return 0;
}

static int tokenize(const struct args *a, const struct model *m, const char *text, size_t length, struct error *e)
{
    struct tokenizer *t;
    int rc = tokenizer_open(&t, m, args_get(a, "pre"), e);
    if (rc)
        return rc;
    if (args_has(a, "batch"))
        rc = show_lines(a, t, text, length, e);
    else
        show(a, t, text, length);
    tokenizer_free(t);
    return rc;
}

static int run(const struct args *a, struct error *e)
{
    const char *file = args_get(a, "file");
    struct model *m;
    char *text;
    size_t length;
    int rc = open_header(&m, args_operand(a, 0), args_get(a, "pre"), MODEL_HEADER_ONLY, e);
    if (rc)
        return rc;
    if (!(rc = file_read(file ? file : "/dev/stdin", TEXT_LIMIT, &text, &length, e))) {
        rc = tokenize(a, m, text, length, e);
        free(text);
    }
    model_close(m);
    return rc;
}

const struct command cmd_tokenize = {
    .name = "tokenize",
    .usage = "MODEL [-f TEXT] [--special] [--no-bos] [--pre NAME] [--batch] [--json]",
    .summary = "a text as the model's tokens",
    .options = options,
    .operands_min = 1,
    .operands_max = 1,
    .run = run,
};
