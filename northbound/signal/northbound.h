/*
 * northbound/signal: the DOTS client side of the signal channel (RFC 9132).
 *
 * Words: an *upstream* is one configured server group; a *link* is what is kept with it (one, or
 * one per requester): the session in use, the one being made, heartbeats, negotiated configuration,
 * redirect; an *exchange* is one request that is repeated until answered; to *repair* is to read
 * what an upstream has and make it match. It carries what the relay wants installed, and brings
 * back what the upstream says. It must not know who asked for it.
 */
#pragma once

#include <stdbool.h>
#include <uv.h>

#include "aggregation/relay.h"
#include "gateway/config/config.h"
#include "gateway/store/store.h"

struct northbound;

/* One link per upstream (sessions: shared) is connected at once; per-client links when first needed.
 * targets[i] of the relay is upstreams[i] of the configuration, for every i < upstream_count, until a reload says
 * otherwise. */
struct northbound *northbound_open(uv_loop_t *loop, const struct config *config, struct relay *relay,
                                   struct store *store, int64_t (*now)(void), char *error, size_t error_size);

/* One record of STORE_COUNTER with key "sid/...": the last sid used, at start. */
int northbound_load(struct northbound *northbound, const char *key, size_t key_length, const uint8_t *value,
                    size_t value_length);
/* After loading, and after each reload. */
void northbound_start(struct northbound *northbound);

/* The relay's effects for this side. */
void northbound_install(struct northbound *northbound, struct install *install);
void northbound_withdraw(struct northbound *northbound, struct install *install);
void northbound_forget(struct northbound *northbound, struct install *install);
void northbound_upstream_cuid_gone(struct northbound *northbound, struct upstream_cuid *cuid);
/* A cuid of the gateway at an upstream: its credential's hash, or derived from its key. */
int northbound_make_cuid(struct northbound *northbound, size_t target, const struct requester *owner, uint32_t attempt,
                         char cuid[23]);
void northbound_committed(struct northbound *northbound, uint64_t sequence);

/* ---- A changed configuration ---- */

/* A reload, prepared: credentials read. */
struct northbound_change;
/* From any thread; blocks on files. config is borrowed. NULL with a sentence. */
struct northbound_change *northbound_prepare(const struct config *config, char *error, size_t error_size);
void northbound_change_free(struct northbound_change *change); /* NULL is fine */
/* Is upstreams[i] of the new configuration, to its servers, the same client as at this target: same cuids? Then what is
 * installed there stays; else it is another one, and has a target of its own. */
bool northbound_same_client(const struct northbound *northbound, size_t target, const struct northbound_change *change,
                            size_t i);
/*
 * In force from now on: upstreams[i] of the configuration is at targets[i] of the relay, which has the policy for it
 * right after this. New ones are opened, the others renewed. Targets that are not named any more only let go from now
 * on, until northbound_remove. 0, or -1 with a sentence: nothing has changed.
 */
int northbound_apply(struct northbound *northbound, struct northbound_change *change, const size_t *targets,
                     size_t target_count, char *error, size_t error_size);
/* Closes what is left of a target at which nothing is installed any more. */
void northbound_remove(struct northbound *northbound, size_t target);

/* ---- For operators ---- */

struct northbound_upstream {
    const char *name;
    const char *state;     /* "up", "down", "idle" (no session is needed) */
    const char *server;    /* "dots1.example.net 192.0.2.10:4646/udp" of the shared session; "" without one */
    size_t sessions;       /* that are up */
    size_t links;          /* that are wanted: one, or one for each client that has something there */
    uint32_t rtt_us;       /* of the shared session; 0: no estimate */
    uint64_t ups, outages; /* sessions since the start; times that none could be had */
    uint64_t redirect_loops;
    size_t unanswered;          /* requests that wait to be sent, or for their answer */
    uint64_t heartbeats_missed; /* by this upstream */
    uint64_t attempts_lost, attempts_refused, attempts_in_handshake; /* sessions that could not be had */
};
/* target: of the relay. False: no upstream is there. Valid until the loop runs. */
bool northbound_upstream(const struct northbound *northbound, size_t target, struct northbound_upstream *out);

/* Closes the sessions in order; nothing is withdrawn. The relay is not called any more; it may be freed, which calls
 * forget and upstream_cuid_gone, until on_closed comes (never from inside this function). */
void northbound_close(struct northbound *northbound, void (*on_closed)(void *arg), void *arg);
