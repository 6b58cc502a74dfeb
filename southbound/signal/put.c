/*
 * put: a mitigation request from its body to the relay (RFC 9132 sections 4.4.1 and 4.4.3): decoded,
 * complete, the client's own cuid, targets that the client may ask for, names resolved. Each refusal
 * names the parameter, and changes nothing.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/log/log.h"
#include "southbound/signal/signal.h"

/* ---- To the relay ---- */

/* Figure 11: conflict-cause 3 and nothing else. */
static void reply_collision(struct southbound *southbound, const struct south_client *client,
                            struct dots_exchange *exchange)
{
    struct wire_conflict conflict = {.cause = WIRE_CAUSE_CUID};
    struct wire_scope scope = {.conflict = &conflict};
    struct wire_message message = {.type = WIRE_MITIGATION, .scopes = &scope, .scope_count = 1};

    south_log_refusal(southbound, client, exchange, DOTS_CODE(4, 9), "cuid: in use by another client");
    south_reply_message(southbound, exchange, DOTS_CODE(4, 9), DOTS_NO_MAX_AGE, -1, &message);
}

/* The cuid is another client's: because the request went in a circle, or because two took the same. */
static void refuse_cuid(struct southbound *southbound, const struct relay_put *put, const struct south_client *client,
                        struct dots_exchange *exchange)
{
    if (!relay_came_back(southbound->relay, put)) {
        reply_collision(southbound, client, exchange);
        return;
    }
    south_log_refusal(southbound, client, exchange, DOTS_CODE(5, 8),
                      "this gateway sent the request itself: a loop of gateways");
    south_reply_empty(exchange, DOTS_CODE(5, 8));
}

/* Consumes held; the message stays the caller's. */
static void hand_over(struct southbound *southbound, struct south_held *held, const struct wire_scope *scope,
                      uint32_t mid, bool if_match, uint8_t hop_limit)
{
    struct relay_put put = {
        .requester = south_relay_requester(held->peer, held->cdid, held->cuid),
        .limits = held->peer->client->limits,
        .mid = mid,
        .scope = scope,
        .if_match = if_match,
        .hop_limit = hop_limit,
        .arrived = held->arrived_ns,
        .exchange = held,
    };

    if (!relay_cuid_allowed(southbound->relay, &put.requester)) {
        refuse_cuid(southbound, &put, held->peer->client, held->exchange);
        south_held_free(southbound, held);
        return;
    }
    put.requester.request = dots_exchange_number(held->exchange);
    held->mid = mid;
    held->news = !south_held_live(southbound, held);
    DL_APPEND(southbound->held, held);
    relay_put(southbound->relay, southbound->now(), &put);
}

/* ---- Names ---- */

static void put_free(struct south_put *put)
{
    struct southbound *southbound = put->southbound;

    south_resolve_cancel(&put->waiter);
    south_timer_cancel(southbound, &put->timer);
    if (put->control.under_way)
        southbound->aliases.cancel(southbound->aliases.arg, &put->control);
    DL_DELETE(southbound->puts, put);
    southbound->put_count--;
    wire_free(put->message);
    scope_unref(put->expanded);
    free(put);
}

/* RFC 9133 figure 1: the ACLs that are not as they were to be. */
static void reply_uncontrolled(struct south_put *put)
{
    struct southbound *southbound = put->southbound;
    const struct wire_scope *asked = &put->message->scopes[0];
    struct wire_scope scope = {
        .has_mid = true, .mid = put->mid, .trigger = true, .acls = asked->acls, .acl_count = asked->acl_count};
    struct wire_message message = {.type = WIRE_MITIGATION, .scopes = &scope, .scope_count = 1};

    south_log_refusal(southbound, put->held->peer->client, put->held->exchange, DOTS_CODE(5, 3),
                      "acl-list: the ACLs could not be changed");
    south_reply_message(southbound, put->held->exchange, DOTS_CODE(5, 3), SOUTH_FULL_MAX_AGE, -1, &message);
    south_held_free(southbound, put->held);
    put_free(put);
}

static void put_hand_over(struct south_put *put)
{
    struct south_held *held = put->held;

    put->held = NULL;
    hand_over(put->southbound, held, &put->message->scopes[0], put->mid, put->if_match, put->hop_limit);
    put_free(put);
}

static void put_refuse(struct south_put *put, uint8_t code, int64_t max_age, const char *reason)
{
    south_log_refusal(put->southbound, put->held->peer->client, put->held->exchange, code, reason);
    south_reply_text(put->held->exchange, code, max_age, reason);
    south_held_free(put->southbound, put->held);
    put_free(put);
}

/* There may have been a reload while it waited. False: refused and freed. */
static bool put_still_allowed(struct south_put *put)
{
    const struct south_client *client = put->held->peer->client;
    char reason[SOUTH_REASON_MAX];
    uint8_t code = client->gone ? DOTS_CODE(4, 1) : 0;

    if (client->gone)
        snprintf(reason, sizeof(reason), "this client is not configured here any more");
    else
        code = south_target_allowed(&put->message->scopes[0], client->grant, reason);
    if (code != 0)
        put_refuse(put, code, DOTS_NO_MAX_AGE, reason);
    return code == 0;
}

static void put_controlled(void *arg, bool kept)
{
    if (!kept)
        reply_uncontrolled(arg);
    else if (put_still_allowed(arg))
        put_hand_over(arg);
}

/* Filters first (RFC 9133): when they fail the request does, and the client asks again without them. */
static void put_finish(struct south_put *put)
{
    struct southbound *southbound = put->southbound;
    const struct wire_scope *scope = &put->message->scopes[0];

    if (!put_still_allowed(put))
        return;
    if (scope->acl_count == 0) {
        put_hand_over(put);
        return;
    }
    south_timer_cancel(southbound, &put->timer);
    put->control =
        (struct south_control){.done = put_controlled,
                               .arg = put,
                               .request = put->held->exchange ? dots_exchange_number(put->held->exchange) : 0};
    southbound->aliases.control(southbound->aliases.arg, put->held->peer->client->config->name, put->held->cuid,
                                scope->acls, scope->acl_count, &put->control);
}

/* False: refused and freed. */
static bool put_check(struct south_put *put, const char *name, const struct south_addresses *addresses)
{
    const struct south_client *client = put->held->peer->client;
    char reason[SOUTH_REASON_MAX];
    uint8_t code;

    if (addresses->count == 0)
        log_info("name-unresolved", "client %s: %s is taken by name, its addresses are not known", client->config->name,
                 name);
    code = south_target_resolved(name, addresses, client->config->prefixes.count ? client->grant : NULL, reason);
    if (code == 0)
        return true;
    put_refuse(put, code, DOTS_NO_MAX_AGE, reason);
    return false;
}

/* Goes on with the next name until one has to be waited for, is refused, or none is left. */
static void put_continue(struct south_put *put)
{
    const struct wire_target *target = &put->message->scopes[0].target;
    const char *name;
    char host[256];
    bool skip;

    while ((name = south_target_name(target, put->next_name, host, &skip)) != NULL) {
        struct south_addresses addresses = {0};

        if (!skip) {
            if (south_resolve(put->southbound->resolver, name, &put->waiter, &addresses) == SOUTH_RESOLVING)
                return;
            if (!put_check(put, name, &addresses))
                return;
        }
        put->next_name++;
    }
    put_finish(put);
}

static void put_resolved(void *arg, const struct south_addresses *addresses)
{
    struct south_put *put = arg;
    char host[256];
    bool skip;
    const char *name = south_target_name(&put->message->scopes[0].target, put->next_name, host, &skip);

    if (!put_check(put, name, addresses))
        return;
    put->next_name++;
    put_continue(put);
}

/* DNS may be what is under attack: the names themselves are authorized, that has to do. */
void south_put_due(struct southbound *southbound, struct south_put *put)
{
    (void)southbound;
    log_notice("name-unresolved", "client %s: mid %u is taken by name, DNS did not answer in time",
               put->held->peer->client->config->name, put->mid);
    put_finish(put);
}

void south_puts_withdraw(struct southbound *southbound, const struct south_path *path)
{
    struct south_put *put, *next;

    DL_FOREACH_SAFE(southbound->puts, put, next)
    {
        if (put->mid == path->mid && strcmp(put->held->cuid, path->cuid) == 0 &&
            strcmp(put->held->cdid, path->cdid) == 0)
            put_refuse(put, DOTS_CODE(5, 3), DOTS_NO_MAX_AGE, "mid: withdrawn meanwhile");
    }
}

void south_puts_drop(struct southbound *southbound)
{
    struct south_put *put, *next;

    DL_FOREACH_SAFE(southbound->puts, put, next)
    {
        dots_drop(put->held->exchange);
        south_held_free(southbound, put->held);
        put_free(put);
    }
}

/* ---- The request ---- */

/* 0, or the code of the refusal and its reason. */
static uint8_t check(const struct south_session *session, const struct dots_request *request,
                     const struct south_path *path, struct wire_scope *scope, struct scope **expanded,
                     char reason[SOUTH_REASON_MAX])
{
    uint8_t code = south_target_complete(scope, request->if_match, reason);

    if (code == 0 && scope->acl_count > 0) {
        const struct southbound *southbound = session->southbound;
        const struct requester *requester = relay_requester_find(southbound->relay, path->cdid, path->cuid);

        code = south_control_check(&southbound->aliases, session->client->config->name, path, scope,
                                   scope->trigger || (requester && requester->active_count > 0),
                                   requester && relay_mitigation_find(requester, path->mid), reason);
    }
    if (code == 0 && scope->target.aliases.count > 0)
        code = south_alias_expand(&session->southbound->aliases, session->client->config->name, path, &scope->target,
                                  expanded, reason);
    if (code == 0)
        code = south_target_allowed(scope, session->client->grant, reason);
    return code;
}

/* Takes message and expanded over, waits for DNS when there are names and room to wait. */
static void take(struct south_session *session, const struct dots_request *request, const struct south_path *path,
                 struct wire_message *message, struct scope *expanded)
{
    struct southbound *southbound = session->southbound;
    const struct wire_target *target = &message->scopes[0].target;
    uint8_t hop_limit = request->hop_limit > 0 ? (uint8_t)request->hop_limit : 0;
    struct south_held *held = south_hold(session, request->exchange, path);
    struct south_put *put = NULL;

    if (!held) {
        south_refuse(session, request->exchange, DOTS_CODE(5, 3), SOUTH_FULL_MAX_AGE, "the server is out of memory");
        wire_free(message);
        scope_unref(expanded);
        return;
    }
    if (target->fqdns.count + target->uris.count + message->scopes[0].acl_count > 0 &&
        southbound->put_count < SOUTH_PUTS_MAX)
        put = calloc(1, sizeof(*put));
    if (!put && message->scopes[0].acl_count > 0) {
        south_held_free(southbound, held);
        south_refuse(session, request->exchange, DOTS_CODE(5, 3), SOUTH_BUSY_MAX_AGE, "too many requests wait already");
        wire_free(message);
        scope_unref(expanded);
        return;
    }
    if (!put) {
        hand_over(southbound, held, &message->scopes[0], path->mid, request->if_match, hop_limit);
        wire_free(message);
        scope_unref(expanded);
        return;
    }
    *put = (struct south_put){
        .southbound = southbound,
        .held = held,
        .message = message,
        .expanded = expanded,
        .mid = path->mid,
        .if_match = request->if_match,
        .hop_limit = hop_limit,
        .waiter = {.done = put_resolved, .arg = put},
        .timer = {.kind = SOUTH_TIMER_PUT},
    };
    DL_APPEND(southbound->puts, put);
    southbound->put_count++;
    south_timer_set(southbound, &put->timer, southbound->now() + SOUTH_DNS_MS);
    put_continue(put);
}

void south_put(struct south_session *session, const struct dots_request *request, const struct south_path *path)
{
    struct southbound *southbound = session->southbound;
    struct relay_requester requester = south_relay_requester(session->peer, path->cdid, path->cuid);
    struct wire_message *message;
    struct scope *expanded = NULL;
    char reason[SOUTH_REASON_MAX];
    uint8_t code;

    if (!south_format_allowed(session, request))
        return;
    message = south_decode(session, request, WIRE_MITIGATION, "mitigation-scope");
    if (!message)
        return;
    if (request->if_match && !request->if_match_empty) {
        south_refuse(session, request->exchange, DOTS_CODE(4, 12), DOTS_NO_MAX_AGE,
                     "If-Match: must be empty (RFC 9132 section 4.4.3)");
    } else if (!relay_cuid_allowed(southbound->relay, &requester)) {
        struct relay_put put = {.requester = requester, .mid = path->mid, .scope = &message->scopes[0]};

        put.hop_limit = request->hop_limit > 0 ? (uint8_t)request->hop_limit : 0;
        refuse_cuid(southbound, &put, session->client, request->exchange);
    } else if ((code = check(session, request, path, &message->scopes[0], &expanded, reason)) != 0) {
        south_refuse(session, request->exchange, code, DOTS_NO_MAX_AGE, reason);
    } else if (store_failing(southbound->store)) {
        south_refuse(session, request->exchange, DOTS_CODE(5, 3), SOUTH_STORE_MAX_AGE,
                     "this server cannot write its state at the moment; try again");
    } else {
        take(session, request, path, message, expanded);
        return;
    }
    scope_unref(expanded);
    wire_free(message);
}
