/* What a repository on the hub offers, and what its models are, before anything large is fetched. */
#ifndef HUB_LISTING_H
#define HUB_LISTING_H

#include "hub/offers.h"
#include "model/model.h"

/* A repository of GGUF models that somebody made of the one that was asked for. */
struct relative {
    char *repository;
    uint64_t downloads; /* of late, as the hub counts them */
};

struct listing {
    struct reference ref;
    char *commit;
    struct offers offers;
    struct model *model; /* what all of them are: the header of the one with the most bits, or of the
                            checkpoint; NULL: it could not be read, and `model_error` says why */
    struct error model_error;
    struct relative *relatives; /* of a checkpoint: the most downloaded first */
    int relative_count, relative_capacity;
};
/* Reads the listing, and headers as headers_fetch() does. Call listing_close() in either case. */
int listing_open(struct listing *l, const char *given, struct watch *w, struct error *e);
void listing_close(struct listing *l);

#endif
