/* What went wrong, in words for a person.
 *
 * A function that can fail returns 0 or one of the negative codes below and fills its caller's
 * struct error: what was being done, to which file (offset, tensor, line), what is wrong, what to try. Names and texts
 * from files may be put into it as they are: what must not reach a terminal is replaced. */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

enum error_code {
    ERROR_FAILED = -1,        /* exit status 1 */
    ERROR_USAGE = -2,         /* 2: the command line or a file that a person wrote is wrong */
    ERROR_REJECTED = -3,      /* 3: done, but the quality gate rejected it */
    ERROR_NOFIT = -4,         /* 4: it cannot fit */
    ERROR_INTERRUPTED = -130, /* 130: what was finished is kept */
};

struct error {
    int code;        /* 0 while nothing went wrong */
    char text[1024]; /* one line, no full stop, no newline */
};

/* Sets the text and returns `code`. */
int error_set(struct error *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* ERROR_FAILED, with ": " and strerror(errno) added. */
int error_errno(struct error *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Puts "CONTEXT: " before the text and returns the code. */
int error_context(struct error *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The process exit status for a code. */
int error_exit_status(int code);

/* For broken invariants and exhausted memory only: restores the terminal through the hook that the
 * user interface registered, prints, aborts. */
void die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
extern void (*die_hook)(void);

#endif
