/*
 * link_state: what the files of the link layer share; nobody else includes it.
 *
 * Words: a *channel* is one session of a link and what belongs to it alone; a *race* is one run of
 * happy eyeballs, whose attempts are channels that are not up yet; a *ticket* is a resumption that is
 * lent to one channel at a time.
 * Nothing is freed while a handler of the same thing runs: a link goes when its timer is closed, an
 * exchange when its delivery has returned.
 */
#pragma once

#include "aggregation/deadline.h"
#include "northbound/signal/happy_eyeballs.h"
#include "northbound/signal/heartbeat.h"
#include "northbound/signal/link.h"
#include "northbound/signal/negotiate.h"
#include "northbound/signal/pace.h"
#include "northbound/signal/redirect.h"
#include "northbound/signal/resolve.h"

#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#include <utlist.h>

#define LINK_NEVER UINT64_MAX
#define LINK_RETRY_IDLE_MS 300000u  /* SHOULD of RFC 9132 section 4.7 */
#define LINK_RETRY_URGENT_MS 60000u /* MUST of RFC 9132 section 4.7 */
#define LINK_PROBE_MS 86400000u     /* from TCP back to UDP: SHOULD of section 4.3 */
#define LINK_SUSPECT_MS 10000u      /* a mitigation request without any sign of life for this long ... */
#define LINK_SUSPECT_SENDS 4u       /* ... and sent so often: try a new session as well (section 7.2) */
#define LINK_TURN_SENDS 64u         /* datagrams and deliveries of one link in one turn of the loop */
#define LINK_RACES_MAX 64u          /* at once to one server group: a hundred thousand links take turns */
#define LINK_TICKETS_MAX 64u
#define LINK_TEXT 400u
#define LINK_RESOLVE_MS 2000u /* a race begins without the names that take longer, if it can */
#define LINK_RESOLVE_ATTACK_MS 300u

struct ticket {
    char server[REDIRECT_NAME_MAX];
    enum dots_transport transport;
    struct dots_resumption *resumption;
    unsigned users;
    uint64_t used_at;
};

struct server {
    char *host;
    uint16_t port;
    struct sockaddr_storage *addresses; /* with port */
    size_t address_count;
};

struct link_endpoint {
    uv_loop_t *loop;
    struct dots_endpoint *dots;
    struct server servers[LINK_SERVERS_MAX];
    size_t server_count;
    unsigned transports, mtu;
    bool psk;
    struct resolver *resolver;
    struct eyeballs_outcomes outcomes;
    struct ticket tickets[LINK_TICKETS_MAX];
    size_t ticket_count;
    struct exchange *tokens; /* every exchange, by token */
    struct link_counters counters;
    struct link *links, *waiting; /* waiting: for a place to race, the most urgent first */
    size_t racing;
    size_t handles; /* links, resolver and endpoint that are not closed yet */
    char text[LINK_TEXT];
    bool closing;
    void (*on_closed)(void *arg);
    void *arg;
};

struct channel {
    struct link *link;
    struct dots_session *session;
    struct ticket *ticket; /* NULL: none was to be had */
    char *host;
    uint16_t port;
    bool configured; /* one of the configured servers, not an alternate */
    bool racing;     /* not adopted yet */
    size_t candidate;
    uint64_t started_at, up_at, heard_at;
    struct heartbeat heartbeat;
    struct dots_token beat;
    bool beating;
    struct negotiation negotiation;
};

enum race_purpose {
    RACE_CONNECT,  /* there is no session */
    RACE_REPLACE,  /* the session in use is silent in an attack: a second one beside it (section 4.7) */
    RACE_REDIRECT, /* to the alternate server (section 4.6) */
    RACE_RETURN,   /* back from it */
    RACE_AROUND,   /* redirected in a circle: to other configured servers (section 4.6) */
    RACE_PROBE,    /* from TCP to UDP (section 4.3) */
    RACE_RENEW,    /* with other credentials, or to other servers, after a reload */
};

struct race_server {
    struct race *race;
    const char *host;
    uint16_t port;
    bool configured;
    const struct server *fixed; /* configured with addresses; NULL: resolve */
    struct resolve_waiter waiter;
};

struct race {
    struct link *link;
    enum race_purpose purpose;
    struct race_server servers[LINK_SERVERS_MAX + 1];
    size_t server_count;
    bool begun;
    uint64_t begin_by, give_up_at, due;
    struct eyeballs eyeballs;
    struct channel *attempts[EYEBALLS_MAX];
    char trouble[LINK_TEXT];
};

enum exchange_state {
    EXCHANGE_QUEUED, /* in a ready list */
    EXCHANGE_SENT,   /* no answer yet */
    EXCHANGE_DONE,   /* an observation that is registered, or at rest */
    EXCHANGE_FAILED, /* its handler is to be told so */
};

struct exchange {
    struct link *link;
    struct channel *only;                     /* dies with it; NULL: whichever session is in use */
    struct exchange *prev, *next;             /* of the link */
    struct exchange *ready_prev, *ready_next; /* of a ready or the failed list */
    struct deadline deadline;                 /* repeat, or give up */
    UT_hash_handle hh;
    struct dots_token token;
    enum exchange_state state;
    enum link_result failure;
    enum link_priority priority;
    unsigned sends; /* since it was last begun */
    uint64_t first_sent_at, sent_at;
    uint32_t give_up_ms;
    link_response_h *handler;
    void *arg;
    bool confirmable, observe, if_match, delivering, cancelled;
    uint8_t hop_limit, method, path_count, query_count;
    bool counted;    /* as unanswered */
    bool beside;     /* goes out on the second session only */
    bool begun;      /* sent, on whatever session */
    bool repeated;   /* ... and perhaps more than once */
    bool known;      /* sent on the session in use */
    bool registered; /* ... and answered with a notification */
    int32_t sequence;
    uint64_t sequence_at;
    size_t body_at, body_length;
    char memory[]; /* path and query, each with its NUL, then the body */
};

struct link {
    struct link_endpoint *endpoint;
    struct link *prev, *next_link;
    const struct link_handlers *handlers;
    void *arg;
    bool mitigating, negotiates, closing, outage, waiting;
    struct link *waiting_prev, *waiting_next;
    struct link_parameters wanted;
    uv_timer_t timer;

    struct channel *current, *next; /* next: beside current until one of them hears something */
    struct race *race;
    unsigned flaps;      /* sessions in a row that broke soon */
    uint64_t race_at;    /* start of the last one of purpose CONNECT */
    uint64_t retry_at;   /* of the next one; LINK_NEVER: none is planned */
    uint64_t replace_at; /* no second session before this */
    uint64_t silent_at;  /* since when the session in use is silent in an attack; 0: it is not */
    uint64_t probe_at;
    uint64_t renew_at;             /* LINK_NEVER: the session in use is made with what is configured */
    bool moves;                    /* its server is not configured any more */
    uint64_t redirect_pause_until; /* an alternate server that cannot be reached is not tried again before */
    struct redirect redirect;

    struct pace pace;
    struct exchange *exchanges;
    struct exchange *ready[LINK_PRIORITIES], *failed;
    struct deadline_heap *due;
    size_t urgent;    /* mitigation exchanges without an answer */
    uint64_t pump_at; /* when something is to be sent or told; LINK_NEVER: nothing */
};

/* link.c */
uint64_t link_now(const struct link *link);
void link_schedule(struct link *link); /* at the end of every event */
void link_alert(struct link *link, const char *event, const char *format, ...) __attribute__((format(printf, 3, 4)));
bool link_urgent(const struct link *link);

/* channel.c: channels and what happens to them */
extern const struct dots_handlers link_dots_handlers;
struct channel *channel_connect(struct link *link, const struct race_server *server, const struct sockaddr *address,
                                socklen_t length, enum dots_transport transport);
void channel_close(struct channel *channel); /* NULL is fine */
void channel_adopt(struct link *link, struct channel *channel, enum race_purpose purpose);
void channel_promote(struct link *link); /* next takes over: it was heard, or current is gone */
void channel_heard(struct channel *channel);
void channels_run(struct link *link, uint64_t now); /* heartbeats and negotiation */
uint64_t channels_due(const struct link *link);
void channels_parameters(struct link *link); /* after a change of the set in force */

/* candidates.c */
void race_add_servers(struct race *race);
void race_look_up(struct race *race);
/* True: the candidates are known; with none, there is nobody to connect to. */
bool race_ready(struct race *race, uint64_t now);

/* connect.c: races, and when they are run */
void race_start(struct link *link, enum race_purpose purpose);
void race_wait(struct link *link); /* starts one of purpose CONNECT when it is this link's turn */
void race_leave(struct link *link);
void race_abort(struct link *link);
void race_run(struct link *link, uint64_t now);
void connect_up(struct channel *channel);
void connect_failed(struct channel *channel, const char *text);
void connect_lost(struct link *link, const struct channel *channel, const char *text);
void connect_hurry(struct link *link);   /* an attack began, or a mitigation request waits */
void connect_suspect(struct link *link); /* the session in use is silent: one beside it */

/* exchange.c */
struct exchange *link_exchange_new(struct link *link, struct channel *only, const struct link_request *request,
                                   link_response_h *handler, void *arg);
void link_exchange_free(struct exchange *exchange);
/* A new session: what was not answered is sent again. beside: the old one is still in use as well. */
void link_exchange_restart(struct link *link, bool beside);
void link_exchange_drop(struct link *link, const struct channel *only); /* only NULL: all */
void link_exchange_pump(struct link *link, uint64_t now);
uint64_t link_exchange_due(const struct link *link);
struct exchange *link_exchange_find(struct link_endpoint *endpoint, const struct dots_token *token);
/* False: nobody wants it. */
bool link_exchange_answer(struct exchange *exchange, struct channel *channel, const struct dots_response *response);
void link_exchange_nack(struct exchange *exchange);
/* RFC 7641 section 3.4. */
bool link_exchange_fresher(int32_t old, uint64_t old_at, int32_t new, uint64_t new_at);

/* renew.c: servers and credentials that changed */
void renew_run(struct link *link, uint64_t now);
uint64_t renew_due(const struct link *link);
void renew_done(struct link *link);
void renew_failed(struct link *link, const char *trouble);
int link_server_copy(struct server *to, const struct link_server *from); /* link.c */
void link_servers_free(struct server *servers, size_t count);

/* reroute.c: what a 5.03 with an alternate server does. True: the request is sent again there. */
bool reroute(struct channel *channel, const struct dots_response *response);
void reroute_run(struct link *link, uint64_t now);
uint64_t reroute_due(const struct link *link);
