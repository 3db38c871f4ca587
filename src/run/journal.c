#include "run/journal.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"

enum { JOURNAL_LIMIT = 256 << 20 };
static const char magic[] = "quantwiz-journal 1 ";

static int write_all(struct journal *j, const char *text, size_t length, struct error *e)
{
    while (length) {
        ssize_t n = write(j->fd, text, length);
        if (n < 0)
            return error_errno(e, "cannot write the journal %s", j->path);
        text += n;
        length -= n;
    }
    return fdatasync(j->fd) == 0 ? 0 : error_errno(e, "cannot write the journal %s to disk", j->path);
}

static bool parse_claim(const char *line, struct journal_claim *c)
{
    char hash[HASH_TEXT];
    int end = 0;
    *c = (struct journal_claim){0};
    if (sscanf(line, "tensor %d %" SCNu64 " %" SCNu64 " %64[0-9a-f] %la %n", &c->index, &c->offset, &c->bytes, hash,
               &c->rmse, &end) != 5 || !end || strlen(hash) != HASH_TEXT - 1)
        return false;
    memcpy(c->hash, hash, sizeof hash);
    return true;
}

/* Takes in the whole lines of `text`; returns the length of what could be read. */
static size_t take_lines(struct journal *j, char *text, const char *fingerprint)
{
    char *at = text, *end;
    for (int number = 0; (end = strchr(at, '\n')); at = end + 1, number++) {
        struct journal_claim claim;
        *end = 0;
        if (number == 0) {
            bool ours = str_starts(at, magic) && strcmp(at + sizeof magic - 1, fingerprint) == 0;
            j->found = ours ? JOURNAL_SAME : JOURNAL_OTHER;
            if (!ours)
                return 0;
        } else if (parse_claim(at, &claim)) {
            array_push(j->claims, j->count, j->capacity) = claim;
        } else {
            break;
        }
    }
    if (at == text)
        j->found = JOURNAL_OTHER;
    return at - text;
}

int journal_restart(struct journal *j, const char *fingerprint, struct error *e)
{
    j->count = j->lines = 0;
    if (ftruncate(j->fd, 0) != 0)
        return error_errno(e, "cannot empty the journal %s", j->path);
    char *line = xasprintf("%s%s\n", magic, fingerprint);
    int rc = write_all(j, line, strlen(line), e);
    free(line);
    return rc;
}

/* What stands behind the last line that could be read is cut off, so that new lines follow a whole one. */
static int take_over(struct journal *j, const char *fingerprint, struct error *e)
{
    char *text;
    int rc = file_read(j->path, JOURNAL_LIMIT, &text, NULL, e);
    if (rc)
        return rc;
    size_t used = take_lines(j, text, fingerprint);
    if (*text == 0)
        j->found = JOURNAL_ABSENT;
    free(text);
    if (used == 0)
        return journal_restart(j, fingerprint, e);
    j->lines = j->count;
    return ftruncate(j->fd, used) == 0 ? 0 : error_errno(e, "cannot shorten the journal %s", j->path);
}

int journal_open(struct journal *j, const char *path, const char *fingerprint, bool resume, struct error *e)
{
    *j = (struct journal){.fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666), .path = xstrdup(path)};
    if (j->fd < 0)
        error_errno(e, "cannot open the journal %s", path);
    if (j->fd < 0 || (resume ? take_over(j, fingerprint, e) : journal_restart(j, fingerprint, e)) != 0) {
        journal_close(j);
        return e->code;
    }
    return 0;
}

/* Names come from the model's file: one must not break a line in two. */
static void add_name(struct str *s, const char *name)
{
    for (; *name; name++)
        str_add_char(s, (unsigned char)*name < 0x20 ? '?' : *name);
}

int journal_add(struct journal *j, const struct journal_claim *claims, const char *const *names, int count,
                struct error *e)
{
    struct str s = {0};
    for (int i = 0; i < count; i++) {
        const struct journal_claim *c = &claims[i];
        str_addf(&s, "tensor %d %" PRIu64 " %" PRIu64 " %s %a ", c->index, c->offset, c->bytes, c->hash, c->rmse);
        add_name(&s, names[i]);
        str_add_char(&s, '\n');
    }
    int rc = s.length ? write_all(j, s.data, s.length, e) : 0;
    j->lines += rc ? 0 : count;
    str_done(&s);
    return rc;
}

void journal_close(struct journal *j)
{
    if (j->fd >= 0)
        close(j->fd);
    free(j->path);
    free(j->claims);
    *j = (struct journal){.fd = -1};
}
