/*
 * admin: what operators see of a running gateway, and what they ask of it.
 *
 * Words: the *control socket* is HTTP with JSON on a Unix socket (docs/admin-api.yaml), for which the permissions of
 * its file are the access control; the *metrics port* is read-only, and has a page for people besides the metrics; a
 * *source* is a function through which admin reads what only other parts know; an *event* is one line of the log, or a
 * change of a mitigation, as `dotsgwctl watch` has it. Called by assemble on the loop thread. It reads the relay, and
 * asks it for what operators ask for; it knows neither side.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "aggregation/relay.h"
#include "gateway/admin/metrics.h"
#include "gateway/config/config.h"
#include "gateway/http/http.h"

/* The client, in the relay, to which the operators' own requests belong: no configured client can have a space in its
 * name. */
#define ADMIN_CLIENT "the operators"

struct admin;

struct admin_session {
    const char *client; /* NULL: unknown */
    const char *peer, *transport, *state;
    bool deaf, mitigating;
    int64_t up_ms, heard_ms;
    uint32_t rtt_ms; /* 0: no estimate */
    size_t observers;
};

struct admin_upstream {
    const char *name, *state, *server;
    size_t sessions, links;
    uint32_t rtt_us;
    uint64_t ups, outages;
};

#define ADMIN_STANDINGS 4u

struct admin_tallies {
    struct {
        const char *state; /* as of a session */
        size_t udp, tcp;
    } sessions[ADMIN_STANDINGS];
    bool store_failing;
};

/* What other parts know; filled in by assemble. */
struct admin_sources {
    void *(*sessions_begin)(void *arg); /* a walk over many turns; NULL: out of memory */
    bool (*sessions_next)(void *walk, struct admin_session *out);
    void (*sessions_end)(void *walk);
    bool (*upstream)(void *arg, size_t index, struct admin_upstream *out); /* false past the end */
    /* Which target of the relay an upstream or a mitigator of the configuration is; SIZE_MAX: none. */
    size_t (*target)(void *arg, bool mitigator, size_t index);
    void (*metrics)(void *arg, struct metrics *out);
    void (*tallies)(void *arg, struct admin_tallies *out);
    /* What an upstream or a mitigator of the configuration said it has dropped since the start. */
    void (*dropped)(void *arg, bool mitigator, size_t index, uint64_t *bytes, uint64_t *pkts);
    json_t *(*attacks)(void *arg); /* a new reference; NULL: out of memory */
    /* Ends the exchange, now or later. */
    void (*report_attack)(void *arg, struct http_exchange *exchange, const json_t *body, const char *peer);
};

typedef void admin_reloaded_h(void *arg, bool ok, const char *text);

/* What operators ask of the gateway as a whole; filled in by assemble, with the arg of the sources. */
struct admin_actions {
    /* -1: one is under way. done comes on a later turn of the loop. */
    int (*reload)(void *arg, admin_reloaded_h *done, void *done_arg);
    void (*drain)(void *arg, bool on);
    bool (*draining)(void *arg);
    /* Sends a client (NULL: all of them) to the server of redirect; or no longer. -1: there is no such client. */
    int (*redirect)(void *arg, const char *client, bool on);
    bool (*redirected)(void *arg, const char *client); /* NULL: all of them */
};

struct admin_settings {
    uv_loop_t *loop;
    const struct config *config; /* borrowed */
    struct relay *relay;
    int64_t (*now)(void);
    const struct admin_sources *sources;
    const struct admin_actions *actions;
    void *arg;
};

/* Opens what the configuration has of admin.socket and admin.metrics. NULL with a sentence in error. */
struct admin *admin_open(const struct admin_settings *settings, char *error, size_t error_size);

/* Another configuration is in force, with the same key admin. NULL is fine. */
void admin_use(struct admin *admin, const struct config *config);

/* The relay's effects, as far as they concern operators. False: the exchange is not one of theirs. NULL is fine. */
bool admin_answer(struct admin *admin, void *exchange, const struct relay_answer *answer);
bool admin_ignore(struct admin *admin, void *exchange);
void admin_changed(struct admin *admin, const struct mitigation *mitigation, bool gone);

/* After relay_free, in the same turn of the loop: the relay gives back what operators still wait for. NULL is fine:
 * then on_closed does not come. */
void admin_close(struct admin *admin, void (*on_closed)(void *arg), void *arg);
