#include "hub/http.h"

#include <config.h>
#include <curl/curl.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"

enum {
    REDIRECTS_MAX = 8,
    CONNECT_SECONDS = 15,
    STALL_SECONDS = 30,     /* without a byte, unless HF_HUB_DOWNLOAD_TIMEOUT says otherwise */
    TRIES_MAX = 5,          /* in vain, one after the other */
    WAIT_SECONDS_MAX = 300, /* that a server may ask for; beyond it waiting is the person's decision */
};

struct http {
    CURL *curl;
};

static void start_library(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

struct http *http_open(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct http *h = xcalloc(1, sizeof *h);
    pthread_once(&once, start_library);
    h->curl = curl_easy_init();
    if (!h->curl)
        die("libcurl cannot be started");
    return h;
}

void http_close(struct http *h)
{
    if (h)
        curl_easy_cleanup(h->curl);
    free(h);
}

/* ---------------------------------------------------------------------- answers */

static const struct {
    const char *name;
    bool of_the_hub; /* kept over a redirect */
} fields[HTTP_FIELD_COUNT] = {
    [HTTP_LOCATION] = {"location", false},
    [HTTP_ETAG] = {"etag", false},
    [HTTP_LENGTH] = {"content-length", false},
    [HTTP_RANGE] = {"content-range", false},
    [HTTP_RETRY_AFTER] = {"retry-after", false},
    [HTTP_LINKED_ETAG] = {"x-linked-etag", true},
    [HTTP_LINKED_SIZE] = {"x-linked-size", true},
    [HTTP_ERROR_CODE] = {"x-error-code", true},
};

static void forget_answer(struct http_reply *r, bool all)
{
    for (int i = 0; i < HTTP_FIELD_COUNT; i++)
        if (all || !fields[i].of_the_hub) {
            free(r->field[i]);
            r->field[i] = NULL;
        }
    str_done(&r->body);
    r->status = 0;
    r->passing = false;
}

void http_reply_done(struct http_reply *r)
{
    forget_answer(r, true);
    r->received = 0;
}

/* One request under way. */
struct exchange {
    struct http *http;
    const struct http_request *request;
    struct http_reply *reply;
    struct error *error;
    bool stopped; /* the sink or the tick ended it */
};

/* "Name: value\r\n"; of repeated fields the last counts. */
static size_t take_field(char *line, size_t size, size_t count, void *user)
{
    struct exchange *x = user;
    size_t length = size * count;
    for (int i = 0; i < HTTP_FIELD_COUNT; i++) {
        size_t n = strlen(fields[i].name);
        if (length <= n || line[n] != ':' || strncasecmp(line, fields[i].name, n) != 0)
            continue;
        const char *from = line + n + 1, *to = line + length;
        while (from < to && (*from == ' ' || *from == '\t'))
            from++;
        while (to > from && strchr("\r\n \t", to[-1]))
            to--;
        free(x->reply->field[i]);
        x->reply->field[i] = xstrndup(from, to - from);
    }
    return length;
}

static int take_piece(struct exchange *x, const void *data, size_t size)
{
    struct http_reply *r = x->reply;
    curl_easy_getinfo(x->http->curl, CURLINFO_RESPONSE_CODE, &r->status);
    if (x->request->sink && r->status / 100 == 2) {
        r->received += size;
        return x->request->sink(x->request->user, r, data, size, x->error);
    }
    if (r->body.length + size > HTTP_BODY_MAX)
        return error_set(x->error, ERROR_FAILED, "the answer from %s is larger than %d MiB", x->request->url,
                         HTTP_BODY_MAX >> 20);
    str_add_bytes(&r->body, data, size);
    return 0;
}

static size_t take_body(char *data, size_t size, size_t count, void *user)
{
    struct exchange *x = user;
    x->stopped = take_piece(x, data, size * count) != 0;
    return x->stopped ? 0 : size * count;
}

static bool go_on(bool (*tick)(void *user), void *user)
{
    return tick ? tick(user) : !interrupt_pending();
}

static int look_up(void *user, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    struct exchange *x = user;
    (void)a, (void)b, (void)c, (void)d;
    x->stopped = !go_on(x->request->tick, x->request->user);
    if (x->stopped)
        interrupt_error(x->error);
    return x->stopped;
}

/* ---------------------------------------------------------------------- requests */

static long stall_seconds(void)
{
    const char *text = getenv("HF_HUB_DOWNLOAD_TIMEOUT");
    int64_t seconds;
    return text && parse_int(text, 1, 86400, &seconds) ? (long)seconds : STALL_SECONDS;
}

static struct curl_slist *make_header(const struct http_request *q, bool with_token)
{
    struct curl_slist *list = curl_slist_append(NULL, "Accept-Encoding: identity");
    if (with_token && q->token) {
        char *line = xasprintf("Authorization: Bearer %s", q->token);
        list = curl_slist_append(list, line);
        free(line);
    }
    if (q->to > q->from) {
        char *line =
            xasprintf("Range: bytes=%llu-%llu", (unsigned long long)q->from, (unsigned long long)q->to - 1);
        list = curl_slist_append(list, line);
        free(line);
    }
    return list;
}

static void set_options(CURL *c, struct exchange *x, const char *url, struct curl_slist *header)
{
    curl_easy_reset(c); /* connections stay */
    curl_easy_setopt(c, CURLOPT_URL, url);
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, header);
    curl_easy_setopt(c, CURLOPT_USERAGENT, PACKAGE_NAME "/" PACKAGE_VERSION);
    curl_easy_setopt(c, CURLOPT_NOBODY, (long)x->request->head);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, stall_seconds());
    curl_easy_setopt(c, CURLOPT_BUFFERSIZE, 256L << 10);
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, take_field);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, x);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, x);
    curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, look_up);
    curl_easy_setopt(c, CURLOPT_XFERINFODATA, x);
}

/* Which failures another try may get past: the network's, not those of certificates, names or our doing. */
static bool may_pass(CURLcode code)
{
    static const CURLcode passing[] = {
        CURLE_COULDNT_CONNECT, CURLE_OPERATION_TIMEDOUT, CURLE_GOT_NOTHING,
        CURLE_SEND_ERROR,      CURLE_RECV_ERROR,         CURLE_PARTIAL_FILE,
        CURLE_HTTP2,           CURLE_HTTP2_STREAM,       CURLE_SSL_CONNECT_ERROR,
    };
    for (size_t i = 0; i < ARRAY_LENGTH(passing); i++)
        if (code == passing[i])
            return true;
    return false;
}

static bool status_may_pass(long status)
{
    return status == 408 || status == 429 || status == 500 || (status >= 502 && status <= 504);
}

static int ask_here(struct exchange *x, const char *url, bool with_token)
{
    CURL *c = x->http->curl;
    char why[CURL_ERROR_SIZE] = "";
    struct curl_slist *header = make_header(x->request, with_token);
    set_options(c, x, url, header);
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, why);
    CURLcode code = curl_easy_perform(c);
    curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &x->reply->status);
    curl_slist_free_all(header);
    x->reply->passing = code ? may_pass(code) && !x->stopped : status_may_pass(x->reply->status);
    if (code == CURLE_OK)
        return 0;
    if (x->stopped)
        return x->error->code;
    return error_set(x->error, ERROR_FAILED,
                     "cannot fetch %s: %s; check the network and, where there is one, the proxy (https_proxy)",
                     url, *why ? why : curl_easy_strerror(code));
}

static bool is_redirect(long status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/* The address that an answer points to, made whole; NULL where it is none that may be asked. free() it. */
static char *next_address(const char *url, const char *location)
{
    CURLU *u = curl_url();
    char *text = NULL, *next = NULL;
    if (u && !curl_url_set(u, CURLUPART_URL, url, 0) && !curl_url_set(u, CURLUPART_URL, location, 0) &&
        !curl_url_get(u, CURLUPART_URL, &text, 0))
        next = xstrdup(text);
    curl_free(text);
    curl_url_cleanup(u);
    /* Never from a safe scheme to an unsafe one, and to no other scheme at all. */
    bool allowed =
        next && (str_starts(next, "https://") || (str_starts(next, "http://") && str_starts(url, "http://")));
    if (!allowed) {
        free(next);
        return NULL;
    }
    return next;
}

/* One step along the redirects: 1 where another has to follow, with *url moved on. */
static int step(struct exchange *x, char **url)
{
    const struct http_request *q = x->request;
    forget_answer(x->reply, false);
    int rc = ask_here(x, *url, http_same_host(q->url, *url));
    const char *location = x->reply->field[HTTP_LOCATION];
    if (rc || !is_redirect(x->reply->status) || !location)
        return rc;
    char *next = next_address(*url, location);
    if (!next)
        return error_set(x->error, ERROR_FAILED,
                         "cannot fetch %s: it redirects to %.200s, which is no address that is safe to follow",
                         *url, location);
    bool answered = q->head && !http_same_host(q->url, next);
    free(*url);
    *url = next;
    return !answered;
}

int http_ask(struct http *h, const struct http_request *q, struct http_reply *r, struct error *e)
{
    struct exchange x = {.http = h, .request = q, .reply = r, .error = e};
    char *url = xstrdup(q->url);
    int rc = 1;
    *r = (struct http_reply){0};
    for (int i = 0; rc > 0 && i < REDIRECTS_MAX; i++)
        rc = step(&x, &url);
    if (rc > 0)
        rc = error_set(e, ERROR_FAILED, "cannot fetch %s: it redirects in a circle", q->url);
    free(url);
    return rc;
}

/* ---------------------------------------------------------------------- patience */

/* Seconds as a number; the other form, a date, is answered by our own measure. */
static double wanted_wait(const struct http_patience *p, const struct http_reply *r)
{
    int64_t seconds;
    const char *text = r->field[HTTP_RETRY_AFTER];
    if (text && parse_int(text, 0, 1 << 30, &seconds))
        return (double)seconds;
    return 0.5 * exp2(p->tries);
}

bool http_patience_wait(struct http_patience *p, const struct http_reply *r, bool (*tick)(void *user),
                        void *user)
{
    const struct timespec nap = {.tv_nsec = 50 * 1000 * 1000};
    double wait = wanted_wait(p, r), start = clock_monotonic();
    if (!r->passing || p->tries++ >= TRIES_MAX || wait > WAIT_SECONDS_MAX)
        return false;
    while (clock_monotonic() - start < wait) {
        if (!go_on(tick, user))
            return false;
        nanosleep(&nap, NULL);
    }
    return true;
}

int http_ask_patiently(struct http *h, const struct http_request *q, struct http_reply *r, struct error *e)
{
    struct http_patience patience = {0};
    int rc;
    while (rc = http_ask(h, q, r, e), http_patience_wait(&patience, r, q->tick, q->user))
        http_reply_done(r);
    return go_on(q->tick, q->user) ? rc : interrupt_error(e);
}

/* -------------------------------------------------------------------- addresses */

void http_escape(struct str *out, const char *text, const char *keep)
{
    for (const char *p = text; *p; p++) {
        bool plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9');
        if (plain || strchr("-._~", *p) || strchr(keep, *p))
            str_add_char(out, *p);
        else
            str_addf(out, "%%%02X", (unsigned char)*p);
    }
}

static bool same_part(CURLU *a, CURLU *b, CURLUPart part)
{
    char *x = NULL, *y = NULL;
    bool same = !curl_url_get(a, part, &x, CURLU_DEFAULT_PORT) &&
                !curl_url_get(b, part, &y, CURLU_DEFAULT_PORT) && strcasecmp(x, y) == 0;
    curl_free(x);
    curl_free(y);
    return same;
}

bool http_same_host(const char *a, const char *b)
{
    CURLU *x = curl_url(), *y = curl_url();
    bool same = x && y && !curl_url_set(x, CURLUPART_URL, a, 0) && !curl_url_set(y, CURLUPART_URL, b, 0) &&
                same_part(x, y, CURLUPART_SCHEME) && same_part(x, y, CURLUPART_HOST) &&
                same_part(x, y, CURLUPART_PORT);
    curl_url_cleanup(x);
    curl_url_cleanup(y);
    return same;
}
