/*
 * catalog_upstream: how a write of the data channel gets to the upstreams, and what they say.
 *
 * Southbound validates and authorizes a write, then asks here; northbound relays it; only when every upstream took it
 * the catalog is changed, committed and the client answered. The composition root puts northbound behind this
 * interface. Without upstreams nobody is behind it, and a write is decided at once.
 * All on the loop thread.
 */
#pragma once

#include "aggregation/catalog.h"

enum catalog_op { CATALOG_PUT, CATALOG_DELETE };

/* One entry is to be so. */
struct catalog_change {
    enum catalog_op op;
    enum catalog_kind kind;
    bool existed;     /* it is replaced, else created */
    uint64_t id;      /* of the entry, also of one that is not in the catalog yet: catalog_upstream_name */
    const char *name; /* as the client knows it */
    const char *json; /* as catalog_entry.json; NULL with CATALOG_DELETE */
    size_t json_length;
    enum catalog_insert insert; /* ACLs; KEEP: nothing was said about order */
    const char *point;          /* name of an ACL of the same client; NULL without */
};

/* What one request of a client asks for: all of it, or nothing. */
struct catalog_write {
    uint64_t client; /* id: also of a client that is not in the catalog yet */
    const char *owner, *cdid, *cuid, *identity_hash;
    bool registers;   /* a dots-client that is not there yet; changes follow */
    bool deregisters; /* it goes, with everything it has; no changes */
    const struct catalog_change *changes;
    size_t change_count;
    const char *via;     /* Via of the request, combined, checked for a loop; NULL: none */
    uint64_t request;    /* number of the request, for the log; 0: of none */
    uint64_t arrived_ns; /* when it came, on the caller's clock; 0: not measured */
};

struct catalog_verdict {
    int status;            /* 200..299: everybody took it; else what the client is answered */
    const char *error_tag; /* RFC 8040 section 7; NULL: what goes with the status */
    const char *app_tag;   /* NULL: none */
    const char *message;   /* a sentence; NULL: none */
    const char *via;       /* error-info of a loop (RFC 8783 figure 3); NULL: none */
    int64_t retry_after;   /* s; -1: none */
};
typedef void catalog_verdict_h(void *arg, const struct catalog_verdict *verdict);

struct catalog_upstream {
    /* Asks every upstream. write and what it points to stay until done is called, once, perhaps before ask returns.
     * done NULL: nobody waits (an entry expired); then the write is gone when ask returns. */
    void (*ask)(void *arg, const struct catalog_write *write, catalog_verdict_h *done, void *done_arg);
    /* Nobody waits for this write's verdict any more (southbound closes): done is not called. */
    void (*cancel)(void *arg, const struct catalog_write *write);
    /* The catalog now holds what this write said: what is compared with upstream from here on. NULL: not interested.
     * Changes by expiry come here too. */
    void (*kept)(void *arg, const struct catalog_write *write);
    /* Asks the upstreams what the ACLs of this client matched, because of the request of that number, unless that was
     * done a moment ago. True: it is under
     * way; when it is over the composition root tells southbound, and the catalog has it (catalog_entry_count). NULL:
     * nobody counts. */
    bool (*count)(void *arg, const struct catalog_client *client, uint64_t request);
    /* The container 'capabilities' of the upstreams, what they have in common, as a JSON object; NULL: not known yet,
     * or no upstream: our own are shown. Lives until the loop turns. */
    const char *(*capabilities)(void *arg);
    void *arg;
};
