/* How the hub is reached: address, token, connection, as the variables of huggingface_hub say. */
#ifndef HUB_HUB_H
#define HUB_HUB_H

#include "base/watch.h"
#include "hub/http.h"
#include "hub/reference.h"

struct hub {
    char *endpoint; /* $HF_ENDPOINT, without a slash at its end; else https://huggingface.co */
    char *token;    /* $HF_TOKEN, else the file that `hf auth login` wrote; NULL: none */
    bool offline;   /* $HF_HUB_OFFLINE: nothing but the cache is asked */
    struct http *http;
    struct watch *watch; /* may be NULL */
};
void hub_open(struct hub *h, struct watch *w);
void hub_close(struct hub *h);

/* What to do about an answer that is no success: sets the error. `what` was asked for: a file's name, or NULL
 * for the repository. */
int hub_refusal(const struct hub *h, const struct reference *ref, const char *what,
                const struct http_reply *r, struct error *e);

/* ENDPOINT/ORG/NAME/resolve/REVISION/FILE; free() it. */
char *hub_file_address(const struct hub *h, const struct reference *ref, const char *revision,
                       const char *file);
/* Where the hub lists the GGUF repositories whose cards say that they were quantized from this one; free()
 * it. */
char *hub_relatives_address(const struct hub *h, const char *repository, int limit);
/* ENDPOINT/api/models/ORG/NAME/revision/REVISION?blobs=true; free() it. */
char *hub_listing_address(const struct hub *h, const struct reference *ref);

#endif
