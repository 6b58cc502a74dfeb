/*
 * southbound/data: the DOTS server side of the data channel: RESTCONF (RFC 8040) for aliases and filtering rules
 * (RFC 8783), over HTTPS with mutual TLS.
 *
 * Words: an *owner* is a configured client; a *client* is a dots-client resource, which an owner registers; *entries*
 * are its aliases and ACLs, kept in the catalog; a *write* is a request that changes them. A write is validated (in a
 * worker thread), authorized, asked of the upstreams, committed, and only then answered; writes of an owner go one
 * after the other, reads go past them. It must not know upstreams but by catalog_upstream.h.
 */
#pragma once

#include <uv.h>

#include "aggregation/catalog_upstream.h"
#include "aggregation/relay.h"
#include "gateway/config/config.h"
#include "gateway/http/http.h"
#include "gateway/store/store.h"

struct data_server;

/* config, relay, store, catalog and upstream are borrowed; upstream NULL: this gateway is the data channel's server.
 * Opens the listeners of channel data; nothing but expiry is done without any. NULL with a sentence. */
struct data_server *data_open(uv_loop_t *loop, const struct config *config, struct relay *relay, struct store *store,
                              struct catalog *catalog, const struct catalog_upstream *upstream, int64_t (*now)(void),
                              char *error, size_t error_size);

/* The aliases or ACLs of a client changed. Never from inside a function of this header. */
void data_on_change(struct data_server *server, void (*changed)(void *arg, const char *cuid), void *arg);

/* For operators. Requests that HTTP itself refuses are in http_counters only. */
#define DATA_METHODS 7u
struct data_counters {
    uint64_t requests[DATA_METHODS];
    uint64_t responses[DATA_METHODS][HTTP_STATUSES]; /* by http_status_place */
};
const struct data_counters *data_counters(const struct data_server *server);
const char *data_method_name(size_t method); /* "GET" */
/* NULL: no listener. */
const struct http_counters *data_http_counters(const struct data_server *server);

/* One record at start, of STORE_DATA_CLIENT, STORE_ALIAS, STORE_ACL, in this order. */
int data_load(struct data_server *server, enum store_table table, const char *key, size_t key_length,
              const uint8_t *value, size_t value_length, char *error, size_t error_size);
/* After the last record. */
void data_start(struct data_server *server);

/* What catalog_upstream.count asked for is there, or will not come: reads that wait for it are answered. */
void data_counted(struct data_server *server);

/* The store has committed up to this sequence. */
void data_committed(struct data_server *server, uint64_t sequence);

/* The next three are for struct south_aliases; arg is the data_server. */

/* An entry is used: it lives on (RFC 8783 section 6.1). Nobody waits for the commit. */
void data_entry_used(void *arg, struct catalog_entry *entry);

/* A mitigation request changes when ACLs of its client are in force (RFC 9133): relayed and kept as a write is. */
struct south_control;
struct wire_acl;
void data_control(void *arg, const char *owner, const char *cuid, const struct wire_acl *acls, size_t count,
                  struct south_control *control);
void data_control_cancel(void *arg, struct south_control *control);

/*
 * A reload. data_prepare compares config with what is in force and reads the files of credentials; it changes nothing
 * and runs on any thread, while the loop goes on. NULL with a sentence. data_apply, on the loop, puts it in force:
 * config is borrowed from then on. Connections that are up stay; each request of theirs is looked at anew. The
 * listeners of channel data and their limits stay what they were at the start. data_change_free, also on any thread:
 * what was prepared, or after data_apply what it replaced.
 */
struct data_change;
struct data_change *data_prepare(const struct data_server *server, const struct config *config, char *error,
                                 size_t error_size);
void data_apply(struct data_server *server, struct data_change *change);
void data_change_free(struct data_change *change); /* NULL is fine */

void data_close(struct data_server *server, void (*on_closed)(void *arg), void *arg);
