/* What a repository on the hub offers, and what its models are, before anything large is fetched. */
#ifndef HUB_LISTING_H
#define HUB_LISTING_H

#include "hub/offers.h"
#include "model/model.h"

struct listing {
    struct reference ref;
    char *commit;
    struct offers offers;
    struct model *model; /* what all of them are: the header of the one with the most bits, or of the
                            checkpoint; NULL: it could not be read, and `model_error` says why */
    struct error model_error;
};
/* Reads the listing, and headers as headers_fetch() does. Call listing_close() in either case. */
int listing_open(struct listing *l, const char *given, struct watch *w, struct error *e);
void listing_close(struct listing *l);

#endif
