/*
 * southbound/signal: the DOTS server side of the signal channel (RFC 9132).
 *
 * Words: a *client* is a configured DOTS client, known by what it proves in the handshake; a
 * *requester* is its (cdid, cuid); an *observer* is a GET with Observe 0 that gets notifications.
 * It decodes, authenticates, authorizes and validates; what is asked for goes to the relay as
 * desired state, and what the relay says comes back as responses and notifications. Session
 * configuration, heartbeats and redirects are hop by hop and end here. It must not know upstreams.
 */
#pragma once

#include <stdbool.h>
#include <uv.h>

#include "aggregation/relay.h"
#include "gateway/config/config.h"
#include "gateway/store/store.h"

struct southbound;

/* Opens the listeners of channel signal. config, relay and store are borrowed. NULL with a sentence. */
struct southbound *southbound_open(uv_loop_t *loop, const struct config *config, struct relay *relay,
                                   struct store *store, int64_t (*now)(void), char *error, size_t error_size);

/* The data channel's part in mitigation requests: aliases, and control of filters; before southbound_start. Without it
 * there are none. Copied; what it points to is borrowed. */
struct south_aliases;
void southbound_use_aliases(struct southbound *southbound, const struct south_aliases *aliases);
/* ACLs of this client were changed by the data channel: who observes an active mitigation is told (RFC 9133). */
void southbound_acls_changed(struct southbound *southbound, const char *cuid);

/* One record of STORE_SESSION_CONFIG at start. */
int southbound_load(struct southbound *southbound, const char *key, size_t key_length, const uint8_t *value,
                    size_t value_length);
/* After loading: requesters with preconfigured requests have this long to come back before their
 * signal counts as lost: missing-hb-allowed times heartbeat-interval. */
void southbound_start(struct southbound *southbound);

/* The relay's effects for this side. */
void southbound_answer(struct southbound *southbound, void *exchange, const struct relay_answer *answer);
void southbound_ignore(struct southbound *southbound, void *exchange);
void southbound_changed(struct southbound *southbound, const struct mitigation *mitigation, bool gone);
void southbound_requester_gone(struct southbound *southbound, struct requester *requester);
/* The store has committed up to this sequence (session configurations wait for it). */
void southbound_committed(struct southbound *southbound, uint64_t sequence);

/* ---- A changed configuration ---- */

/* A reload, prepared: clients matched with those of now, credentials read. */
struct southbound_change;

/* From any thread, while the loop goes on; blocks on files. config is borrowed. NULL with a sentence. */
struct southbound_change *southbound_prepare(const struct southbound *southbound, const struct config *config,
                                             char *error, size_t error_size);
/* Opens the listeners that are new; in the same turn of the loop comes southbound_apply, or southbound_unlisten.
 * 0, or -1 with a sentence: then there is none of them. */
int southbound_listen(struct southbound *southbound, struct southbound_change *change, char *error, size_t error_size);
void southbound_unlisten(struct southbound *southbound, const struct southbound_change *change);
/*
 * In force from now on; takes a moment. Who is connected is looked at afterwards, a few in each turn of the loop: who
 * is no longer allowed is told so and closed. The configuration before is not looked at any more, but by the change.
 */
void southbound_apply(struct southbound *southbound, struct southbound_change *change);
/* From any thread, NULL is fine. After southbound_apply it holds what it replaced: free it before that configuration.
 */
void southbound_change_free(struct southbound_change *change);

/* What the relay's reviewer asks: is there such a client, may it ask for this. */
bool southbound_knows(const struct southbound *southbound, const char *client);
bool southbound_allows(const struct southbound *southbound, const char *client, const struct wire_target *target);

/* Sends those who come, and those who are there, to the server that redirect names; or no longer. Who goes away
 * meanwhile is not lost. */
void southbound_drain(struct southbound *southbound, bool on);
/* Sends a client (NULL: all of them) to the server that redirect names, for as long as this process runs, or no longer;
 * the rest goes on. -1: there is no such client. */
int southbound_redirect(struct southbound *southbound, const char *client, bool on);
bool southbound_redirected(const struct southbound *southbound, const char *client);
unsigned southbound_sessions(const struct southbound *southbound);
/* Is anybody left to be looked at, after a reload or a drain? */
bool southbound_reviewing(const struct southbound *southbound);

/* ---- For operators ---- */

struct southbound_session {
    const char *client; /* NULL: unknown */
    const char *peer;   /* "203.0.113.7:40112/udp" */
    const char *transport;
    const char *state; /* a standing; "unknown": no client of the configuration */
    bool deaf;         /* it says that our heartbeats do not arrive */
    bool mitigating;
    int64_t up_ms, heard_ms; /* since then */
    uint32_t rtt_ms;         /* 0: no estimate */
    size_t observers;
};

struct southbound_walk;
/* Over all sessions, in as many turns of the loop as one likes. NULL: out of memory. */
struct southbound_walk *southbound_walk_begin(struct southbound *southbound);
bool southbound_walk_next(struct southbound_walk *walk, struct southbound_session *out); /* valid until the loop runs */
void southbound_walk_end(struct southbound_walk *walk);                                  /* NULL is fine */

#define SOUTHBOUND_STANDINGS 4u /* "served", "surplus" (over a limit), "unknown", "parting" (no longer allowed) */
#define SOUTHBOUND_FAILURES 16u

struct southbound_counters {
    size_t sessions[SOUTHBOUND_STANDINGS][2]; /* now: UDP, TCP */
    size_t resolving;                         /* requests that wait for DNS, now */
    size_t held;                              /* requests that wait for an answer, of the relay or the store, now */
    uint64_t sessions_up[2];                  /* UDP, TCP */
    uint64_t handshakes_failed[SOUTHBOUND_FAILURES]; /* by enum dots_handshake_failure */
    uint64_t sessions_down, heartbeats_missed, signals_lost;
    uint64_t requests[8];       /* by enum dots_method */
    uint64_t responses[8][256]; /* by method and code */
};
const char *southbound_standing_name(unsigned standing);
const struct southbound_counters *southbound_counters(struct southbound *southbound);

void southbound_close(struct southbound *southbound, void (*on_closed)(void *arg), void *arg);
