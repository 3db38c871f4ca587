/* HTTP as the Hugging Face hub needs it, over libcurl. Redirects are followed here and not by the library, so
 * that what the first answer says of a file is kept and the token never reaches a host other than the one
 * asked. */
#ifndef HUB_HTTP_H
#define HUB_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"
#include "base/watch.h"

/* The fields of an answer's header that are kept. */
enum http_field {
    HTTP_LOCATION,
    HTTP_ETAG,
    HTTP_LENGTH,
    HTTP_RANGE,
    HTTP_RETRY_AFTER,
    HTTP_LINKED_ETAG, /* this and the next two are the hub's own: X-Linked-Etag, … */
    HTTP_LINKED_SIZE,
    HTTP_ERROR_CODE,
    HTTP_FIELD_COUNT,
};

struct http_reply {
    long status;                   /* 200; 0: no answer came */
    char *field[HTTP_FIELD_COUNT]; /* NULL: not in the answer. Of the hub's own: in any of the redirecting
                                      answers */
    struct str body;               /* what no sink took, at most HTTP_BODY_MAX bytes */
    uint64_t received;             /* bytes that the sink took */
    bool passing;                  /* the failure is of a kind that may pass: asking again may help */
};
enum { HTTP_BODY_MAX = 64 << 20 };
void http_reply_done(struct http_reply *r);

struct http_request {
    const char *url, *token; /* token NULL: none */
    bool head;               /* the header alone; a redirect to another host is then the answer */
    uint64_t from, to;       /* the bytes wanted, `to` not included; 0, 0: all */
    /* Takes a piece of a successful answer's body; an error ends the request. NULL: the body is collected. */
    int (*sink)(void *user, const struct http_reply *r, const void *data, size_t size, struct error *e);
    bool (*tick)(void *user); /* many times a second; false ends the request with ERROR_INTERRUPTED */
    void *user;
};

struct http;
struct http *http_open(void);
void http_close(struct http *h); /* NULL is allowed */

/* Asks once. 0: an answer came, whatever its status. Call http_reply_done() in either case. */
int http_ask(struct http *h, const struct http_request *q, struct http_reply *r, struct error *e);

/* How often was tried in vain, and how long to wait before the next try. Zero it to start, and after
 * progress. */
struct http_patience {
    int tries;
};
/* After a request that failed or was answered with an error: whether to ask again. Waits first: the seconds
 * that the server asked for, else ever longer. `tick` as above; false while it waits means no. */
bool http_patience_wait(struct http_patience *p, const struct http_reply *r, bool (*tick)(void *user),
                        void *user);
/* Asks again and again, until an answer comes that another try would not better, or the patience ends. */
int http_ask_patiently(struct http *h, const struct http_request *q, struct http_reply *r, struct error *e);

/* Writes `text` as one part of a URL's path; `keep` names characters that stay beside letters, digits and
 * "-._~". */
void http_escape(struct str *out, const char *text, const char *keep);
/* Do two URLs have the same scheme, host and port? */
bool http_same_host(const char *a, const char *b);

#endif
