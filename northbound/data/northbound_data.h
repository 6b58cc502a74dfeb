/*
 * northbound/data: the DOTS client side of the data channel (RFC 8783, RFC 8040).
 *
 * Words: an *account* is one dots-client resource at one upstream: of the gateway itself, or of one of its clients;
 * an *ask* is what one request of a client means for all upstreams, a *part* what it means for one; an *operation* is
 * one PUT, POST or DELETE there; to *compare* is to read what an account has, and to repair what differs from the
 * catalog. It stands behind catalog_upstream.h and reads the catalog; it must not know who asks.
 *
 * All or nothing: when one upstream refuses, what others took is undone before the client hears no. What is not known
 * to be undone, because an upstream fell silent, is found by comparing when it is back. All on the loop thread, but
 * for comparing, which works on libuv's thread pool.
 */
#pragma once

#include <uv.h>

#include "aggregation/catalog_upstream.h"
#include "aggregation/relay.h"
#include "gateway/config/config.h"
#include "gateway/store/store.h"
#include "northbound/data/restconf.h"

struct northbound_data;

struct northbound_data_settings {
    uv_loop_t *loop;
    const struct config *config;
    const struct relay_policy *policy; /* has each upstream of config among its targets; and nat */
    struct catalog *catalog;           /* read only, but for catalog_entry_count */
    struct store *store;               /* NULL: nothing is kept */
    int64_t (*now)(void);              /* ms since 1970 */
    /* The cuid of the gateway's account at an upstream, as on its signal channel (RFC 8783 section 5.1); owner NULL:
     * the one for all. target: of the policy. 0, or -1. */
    int (*make_cuid)(void *arg, size_t target, const struct requester *owner, char cuid[23]);
    /* What catalog_upstream.count asked for is there, or will not come; NULL: nobody asks. */
    void (*counted)(void *arg);
    /* This target of the policy has acknowledged (2xx) all that was sent to it for the write that arrived then; NULL:
     * nobody measures. */
    void (*accepted)(void *arg, size_t target, uint64_t arrived_ns);
    void *arg;
};

/* NULL with a sentence in error. Blocks: it reads the files of credentials. */
struct northbound_data *northbound_data_open(const struct northbound_data_settings *settings, char *error,
                                             size_t error_size);
/* One record of STORE_COUNTER whose key begins with NORTHBOUND_DATA_HELD, before the start. 0, or -1: it cannot be
 * understood, or out of memory. */
#define NORTHBOUND_DATA_HELD "data-cuid/"
int northbound_data_load(struct northbound_data *data, const char *key, size_t key_length, const uint8_t *value,
                         size_t length);
/* When the catalog is loaded: everything is compared. */
void northbound_data_start(struct northbound_data *data);

/* The cuid at this target of the policy, of the gateway (owner NULL) or made for an owner, is another one: what is
 * under the old one is moved (RFC 9132 section 4.4.1.1). */
void northbound_data_renamed(struct northbound_data *data, size_t target, const struct requester *owner);

/* True when an upstream has a data channel, and the hook is filled: nothing to be asked otherwise. */
bool northbound_data_hook(struct northbound_data *data, struct catalog_upstream *hook);

/*
 * A reload to a configuration whose upstreams are the same as before, in the same order; what their files of
 * credentials have in them may have changed. northbound_data_prepare reads these, on any thread: NULL with a sentence.
 * northbound_data_apply, on the loop, puts it in force; config and policy are borrowed from then on, and those of
 * before are not touched any more. Connections that are up stay. northbound_data_change_free, also on any thread: what
 * was prepared, or what it replaced.
 */
struct northbound_data_change;
struct northbound_data_change *northbound_data_prepare(const struct config *config, char *error, size_t error_size);
void northbound_data_apply(struct northbound_data *data, struct northbound_data_change *change,
                           const struct relay_policy *policy);
void northbound_data_change_free(struct northbound_data_change *change); /* NULL is fine */

/* Asks that wait are dropped without a verdict. Never calls on_closed from inside. */
void northbound_data_close(struct northbound_data *data, void (*on_closed)(void *arg), void *arg);

/* For operators: the data channel of the i-th upstream that has one. False: there are no more. */
struct northbound_data_upstream {
    const char *name;
    bool up;
    size_t waiting; /* requests that are to be sent, or answered */
    const struct restconf_counters *counters;
};
bool northbound_data_upstream(const struct northbound_data *data, size_t i, struct northbound_data_upstream *out);

/* What libraries it stands on, for -V. */
const char *northbound_data_versions(void);
