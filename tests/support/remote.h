/*
 * remote: a model of an upstream DOTS server's table of requests (RFC 9132 section 4.4.1.3): a put deletes
 * overlapped ones of its cuid and trigger type with a lower mid, and is refused below a higher one.
 */
#pragma once

#include "aggregation/relay.h"

#define REMOTE_MAX 512

struct remote {
    bool used, wanted;
    char cuid[RELAY_CUID_MAX + 16]; /* with room for the upstream that it is meant for */
    uint32_t mid;
    struct scope *scope;
    bool trigger;
};

/* remotes: REMOTE_MAX of them. 204, or 409. */
int remote_put(struct remote *remotes, const char *cuid, uint32_t mid, const struct wire_target *target, bool trigger);
void remote_delete(struct remote *remotes, const char *cuid, uint32_t mid);
void remote_clear(struct remote *remote);
/* How many requests there contain the prefix, of this mid or of any (UINT32_MAX); each is marked as wanted. */
unsigned remote_covering(struct remote *remotes, const char *cuid, uint32_t mid, const struct wire_prefix *prefix,
                         bool trigger);
