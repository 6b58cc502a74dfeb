/*
 * refusal: what an upstream said no to, in the words of the client that asked (RFC 8040 section 7).
 *
 * Names come back as the client knows them, the upstream's cuid as the client's; of what a loop of gateways says
 * (RFC 8783 section 3.4), hops north of a client's domain stay hidden. A body that is not an errors body in JSON
 * is replaced by what follows from the status. Pure: jansson without I/O.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "aggregation/via.h"

#define REFUSAL_MESSAGE_MAX 512u

/* How what the client knows differs from what the upstream was told. */
struct refusal_terms {
    /* The client's name of an entry that the upstream knows as token, or what is told instead when it is another
     * client's; NULL: it is none of ours. NULL itself: names pass. */
    const char *(*entry_name)(void *arg, const char *token);
    void *arg;
    const char *upstream_cuid, *cuid; /* equal when it passes */
    const char *gateway;              /* our own name, at the boundary of a client's domain; NULL: hops are shown */
};

struct refusal {
    int status;           /* 400, 403, 404, 405, 409, 412, 413, 500, 501, 503 or 508 */
    unsigned retry_after; /* s, with 503; else 0 */
    const char *tag;      /* one of RFC 8040 section 7; constant */
    const char *app_tag;  /* "loop-detected" or NULL */
    char message[REFUSAL_MESSAGE_MAX + 1];
    char via[VIA_MAX + 1]; /* of a loop; "" */
};

/* status: the upstream's, anything but 2xx; retry_after: what it said, or 0; body may be NULL. */
void refusal_translate(const struct refusal_terms *terms, int status, unsigned retry_after, const char *body,
                       size_t length, struct refusal *refusal);

/* It could not be reached, or what it said is no HTTP: 503. */
void refusal_unreachable(unsigned retry_after, struct refusal *refusal);
