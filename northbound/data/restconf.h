/*
 * restconf: the RESTCONF server of one upstream (RFC 8040): where its root is, and whether it can be reached.
 *
 * Words: a *call* is one request below the root; the *root* is discovered before the first call and again after an
 * outage, and kept for an hour; an *outage* begins with a call that gets no answer, and ends when host-meta is
 * answered again: it is asked for after 1, 2, 4 .. 60 seconds. During one, calls fail at once.
 * Callbacks never come from inside a function of this header.
 */
#pragma once

#include <stdbool.h>

#include "gateway/http/http.h"
#include "northbound/data/transfer.h"

#define RESTCONF_JSON "application/yang-data+json"

struct restconf;
struct restconf_call;
struct credentials;

struct restconf_settings {
    uv_loop_t *loop;
    const struct config_upstream *config; /* with data.given; must stay */
    /* It answers: at start, and after an outage of so many ms. */
    void (*up)(void *arg, uint64_t outage_ms);
    void *arg;
};

struct restconf *restconf_open(const struct restconf_settings *settings, char *error, size_t error_size);
/* Calls under way are dropped without their callback. */
void restconf_close(struct restconf *restconf, void (*on_closed)(void *arg), void *arg);
/* The same server by another configuration; credentials count for new connections, those of before are left there. */
void restconf_renew(struct restconf *restconf, const struct config_upstream *config, struct credentials **credentials);
void restconf_start(struct restconf *restconf); /* looks whether it is there */

/* path: below the root, percent-encoded, with a query if any. body NULL: none. Copied. NULL: out of memory. */
struct restconf_request {
    const char *method, *path, *via;
    uint64_t cause; /* number of the client's request that it is for, for the log; 0: of none */
    const char *body;
    size_t body_length, answer_max;
    unsigned timeout_ms;
};
struct restconf_call *restconf_call(struct restconf *restconf, const struct restconf_request *request, transfer_h *done,
                                    void *arg);
void restconf_cancel(struct restconf_call *call);

/* Requests that were sent, by what they were answered. */
#define RESTCONF_METHODS 4u
#define RESTCONF_UNANSWERED HTTP_STATUSES
struct restconf_counters {
    uint64_t answers[RESTCONF_METHODS][HTTP_STATUSES + 1]; /* by http_status_place, or RESTCONF_UNANSWERED */
};
const struct restconf_counters *restconf_counters(const struct restconf *restconf);
const char *restconf_method_name(size_t method); /* "GET" */
bool restconf_is_up(const struct restconf *restconf);
size_t restconf_waiting(const struct restconf *restconf); /* calls that are to be sent, or answered */

/* s until it is looked after again; 0: there is no outage. */
unsigned restconf_retry_after(const struct restconf *restconf);
