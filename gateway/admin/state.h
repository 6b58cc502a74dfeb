/* state: what the files of admin share; nobody else includes it. */
#pragma once

#include <jansson.h>
#include <sys/queue.h>

#include "aggregation/inspect.h"
#include "aggregation/scope.h"
#include "gateway/admin/admin.h"
#include "gateway/http/http.h"

#define ADMIN_HELD_MAX 64u            /* operators' requests that wait for the relay */
#define ADMIN_WATCHERS_MAX 16u        /* dotsgwctl watch */
#define ADMIN_BODY_MAX (256u << 10)   /* bytes of a request's body */
#define ADMIN_ROWS 50u                /* of one page of a list on the metrics port */
#define ADMIN_EVENTS_MAX (256u << 10) /* bytes of events that wait for the loop */

struct held {
    struct http_exchange *exchange;
    struct admin *admin;
    uint32_t mid;
    json_t *replaced; /* mids of which it takes the place; NULL: none */
    TAILQ_ENTRY(held) entry;
};

struct watcher {
    struct http_exchange *exchange;
    TAILQ_ENTRY(watcher) entry;
};

struct admin {
    struct admin_settings settings;
    struct http_server *control, *metrics;
    bool metrics_local; /* the metrics port is on a loopback address */
    struct history *history;
    int64_t started_ms;
    TAILQ_HEAD(, held) held;
    size_t held_count;
    uint32_t last_mid; /* of the operators' requests */
    bool log_level_set;
    enum log_level log_level;
    /* Events come from any thread, and from inside of anything: they wait for a turn of their own. */
    TAILQ_HEAD(, watcher) watchers;
    size_t watcher_count;
    uv_mutex_t mutex;
    uv_async_t wake;
    char *events; /* JSON lines */
    size_t events_length;
    uint64_t events_lost;
    unsigned closing; /* parts that are not closed yet */
    bool ends;
    void (*on_closed)(void *arg);
    void *arg;
};

struct call {
    struct admin *admin;
    struct http_exchange *exchange;
    const struct http_request *request;
    const char *parameter; /* of the path, "" without one */
    const char *client;    /* of the query, decoded; NULL without one */
    json_t *body;          /* of POST and PUT: an object */
    size_t from;           /* of the query on the metrics port: so many of the list are passed over */
};

/* ---- route.c ---- */

struct route {
    const char *method, *path; /* "/mitigations/{mid}": the parameter comes last */
    void (*call)(struct call *call);
    bool takes_client;          /* ?client=NAME */
    const char *const *members; /* of the body, ended by NULL; NULL: no body */
};
extern const struct route admin_routes[]; /* ended by one without a method */
void route_call(struct admin *admin, struct http_exchange *exchange, const struct http_request *request);

/* ---- reply.c: each ends the exchange ---- */

void reply_json(struct http_exchange *exchange, unsigned status, json_t *body); /* takes body; NULL: out of memory */
void reply_compact(struct http_exchange *exchange, json_t *body); /* the same with 200, for programs only */
void reply_error(struct http_exchange *exchange, unsigned status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void reply_metrics(struct admin *admin, struct http_exchange *exchange);

/* ---- view.c: things as JSON objects; NULL: out of memory ---- */

json_t *view_target(const struct wire_target *target);
json_t *view_mitigation(const struct mitigation *mitigation, int64_t now);
json_t *view_bundle(const struct relay *relay, const struct install *install);
json_t *view_client(const struct config_client *client, bool redirected);
json_t *view_session(const struct admin_session *session);
json_t *view_upstreams(const struct admin *admin); /* and mitigators: a list */

/* ---- web.c, overview.c, history.c: the metrics port ---- */

void web_call(struct admin *admin, struct http_exchange *exchange, const struct http_request *request);
void overview_show(struct call *call);
bool overview_mitigates(const struct relay *relay, const struct install *install); /* and is not being withdrawn */
json_t *overview_attack(const struct relay *relay, const struct install *install, int64_t now);
void list_attacks(struct call *call);       /* a page of them */
void list_some_sessions(struct call *call); /* the same */

/* What was dropped, by upstream and mitigator, over the last hour. NULL: out of memory. */
struct history *history_open(struct admin *admin);
void history_show(struct call *call);
void history_close(struct history *history, void (*on_closed)(void *arg), void *arg); /* NULL is fine: then no call */

/* ---- act.c: requests that are answered later ---- */

struct held *held_begin(struct call *call, uint32_t mid); /* NULL: refused */
/* NULL: this is not one of them. */
struct http_exchange *held_end(struct admin *admin, void *wanted, uint32_t *mid);

/* ---- What the routes call ---- */

void show_status(struct call *call);
void show_upstreams(struct call *call);
void show_config(struct call *call);
void show_log_level(struct call *call);
void list_clients(struct call *call);
void list_sessions(struct call *call);
void list_mitigations(struct call *call);
void list_bundles(struct call *call);
void act_mitigate(struct call *call);
void act_withdraw(struct call *call);
void act_activate(struct call *call);
void act_recurse(struct call *call);
void act_mitigator_status(struct call *call);
void act_log_level(struct call *call);
void show_attacks(struct call *call);
void act_report_attack(struct call *call);
void act_reload(struct call *call);
void act_drain(struct call *call);
void act_redirect(struct call *call);
void watch_begin(struct call *call);

/* ---- watch.c ---- */

int watch_open(struct admin *admin);
void watch_gone(struct admin *admin, struct http_exchange *exchange);
void watch_close(struct admin *admin, uv_close_cb closed);
