/* act: what operators ask for. Their own requests take the way of every other one, through the relay. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/admin/state.h"

#define OPERATORS_CUID "dotsgw-operators"
#define LIFETIME 3600 /* s, when none is given */
#define MITIGATIONS_MAX 4096u

/* The cdid, where one is inserted, is 22 characters that no hash of a key gives by chance. */
static const struct relay_requester operators = {
    .client = ADMIN_CLIENT, .cdid = "", .cuid = OPERATORS_CUID, .identity_hash = "operatorsofthisgateway"};

/* ---- Requests that wait for the relay ---- */

struct held *held_begin(struct call *call, uint32_t mid)
{
    struct held *held = call->admin->held_count < ADMIN_HELD_MAX ? malloc(sizeof(*held)) : NULL;

    if (!held) {
        reply_error(call->exchange, 503, "%u requests wait for an answer already, or memory is short: try again",
                    ADMIN_HELD_MAX);
        return NULL;
    }
    *held = (struct held){.exchange = call->exchange, .admin = call->admin, .mid = mid};
    TAILQ_INSERT_TAIL(&call->admin->held, held, entry);
    call->admin->held_count++;
    return held;
}

/* Out of the list; NULL: this is not one of them. */
static struct held *held_take(struct admin *admin, const void *wanted)
{
    struct held *held;

    TAILQ_FOREACH(held, &admin->held, entry)
    {
        if (held != wanted)
            continue;
        TAILQ_REMOVE(&admin->held, held, entry);
        admin->held_count--;
        return held;
    }
    return NULL;
}

static void held_free(struct held *held)
{
    json_decref(held->replaced);
    free(held);
}

struct http_exchange *held_end(struct admin *admin, void *wanted, uint32_t *mid)
{
    struct held *held = held_take(admin, wanted);
    struct http_exchange *exchange = held ? held->exchange : NULL;

    if (!held)
        return NULL;
    *mid = held->mid;
    held_free(held);
    return exchange;
}

static const char *conflict_text(const struct relay_answer *answer)
{
    const struct wire_conflict *conflict =
        answer->body && answer->body->scope_count ? answer->body->scopes[0].conflict : NULL;

    if (!conflict)
        return "it was refused";
    return conflict->cause == WIRE_CAUSE_OVERLAP ? "it conflicts with another request: its targets overlap"
                                                 : "it conflicts with another request";
}

bool admin_answer(struct admin *admin, void *wanted, const struct relay_answer *answer)
{
    struct held *held = admin ? held_take(admin, wanted) : NULL;
    unsigned status = answer->code == 400 || answer->code == 403 || answer->code == 409 ? (unsigned)answer->code : 503;

    if (!held)
        return false;
    if (answer->code / 100 == 2)
        reply_json(held->exchange, answer->code == 201 ? 201 : 200,
                   json_pack("{s:I, s:s, s:O*}", "mid", (json_int_t)held->mid, "cuid", OPERATORS_CUID, "replaced",
                             held->replaced));
    else
        reply_error(held->exchange, status, "mid %u: %s", held->mid,
                    answer->diagnostic ? answer->diagnostic : conflict_text(answer));
    held_free(held);
    return true;
}

bool admin_ignore(struct admin *admin, void *wanted)
{
    uint32_t mid;
    struct http_exchange *exchange = admin ? held_end(admin, wanted, &mid) : NULL;

    if (exchange)
        reply_error(exchange, 503, "the gateway is shutting down");
    return exchange != NULL;
}

/* ---- An operators' request ---- */

static int highest(void *arg, const struct mitigation *mitigation)
{
    uint32_t *mid = arg;

    *mid = mitigation_mid(mitigation); /* they come in order */
    return 0;
}

static uint32_t next_mid(struct admin *admin)
{
    struct requester *requester = relay_requester_find(admin->settings.relay, operators.cdid, operators.cuid);
    uint32_t mid = 0;

    if (requester)
        relay_mitigation_each(requester, highest, &mid);
    admin->last_mid = (mid > admin->last_mid ? mid : admin->last_mid) + 1;
    return admin->last_mid;
}

struct replaces {
    const struct wire_scope *scope; /* of the new one */
    int64_t now;
    json_t *mids; /* NULL: none, or out of memory */
};

static int replaced(void *arg, const struct mitigation *mitigation)
{
    struct replaces *replaces = arg;
    struct mitigation_view view;
    struct wire_scope scope;

    mitigation_view(mitigation, &view);
    mitigation_represent(mitigation, replaces->now, MITIGATION_CONFIG, &scope);
    if (strcmp(view.state, "live") != 0 || mitigation_trigger(mitigation) != replaces->scope->trigger ||
        !scope_overlap(&scope.target, &replaces->scope->target))
        return 0;
    if (!replaces->mids)
        replaces->mids = json_array();
    json_array_append_new(replaces->mids, json_integer(mitigation_mid(mitigation)));
    return 0;
}

/* The mids of those whose place a new one takes when it is accepted, because it has a higher mid and overlaps them
 * (RFC 9132 section 4.4.1.3): it may be narrower, and whoever asks for it must know. */
static json_t *replaced_by(const struct call *call, const struct wire_scope *scope)
{
    const struct admin_settings *settings = &call->admin->settings;
    struct requester *requester = relay_requester_find(settings->relay, operators.cdid, operators.cuid);
    struct replaces replaces = {.scope = scope, .now = settings->now()};

    if (requester)
        relay_mitigation_each(requester, replaced, &replaces);
    return replaces.mids;
}

/* The body as the message of a client, so that it is checked like one. NULL when it was refused. */
static struct wire_message *decode(struct call *call)
{
    json_t *whole = json_pack("{s:{s:[O]}}", "ietf-dots-signal-channel:mitigation-scope", "scope", call->body);
    char *text = whole ? json_dumps(whole, JSON_COMPACT) : NULL;
    struct wire_message *message = NULL;
    struct wire_error error = {.text = "out of memory"};
    char buffer[SCOPE_REASON_MAX];
    const char *reason = NULL;

    json_decref(whole);
    if (text && wire_decode_json(text, strlen(text), WIRE_TO_SERVER, &message, &error) == 0)
        reason = scope_invalid(&message->scopes[0].target, buffer, sizeof(buffer));
    else
        reason = error.text;
    free(text);
    if (!reason)
        return message;
    reply_error(call->exchange, 400, "%s", reason);
    wire_free(message);
    return NULL;
}

void act_mitigate(struct call *call)
{
    const struct admin_settings *settings = &call->admin->settings;
    struct wire_message *message = decode(call);
    struct wire_scope *scope = message ? &message->scopes[0] : NULL;
    struct relay_put put = {
        .requester = operators,
        .limits = {.mitigations = MITIGATIONS_MAX, .cuids = 1, .max_lifetime = INT32_MAX, .indefinite_lifetime = true},
        .scope = scope,
        .hop_limit = settings->config->gateway.hop_limit,
    };

    if (!message)
        return;
    if (!relay_cuid_allowed(settings->relay, &operators)) {
        reply_error(call->exchange, 409, "a client uses the cuid " OPERATORS_CUID ", which is the operators'");
        wire_free(message);
        return;
    }
    if (!scope->has_lifetime) {
        scope->has_lifetime = true;
        scope->lifetime = LIFETIME;
    }
    if (!scope->has_trigger)
        scope->trigger = true;
    put.mid = next_mid(call->admin);
    put.exchange = held_begin(call, put.mid);
    if (put.exchange) {
        ((struct held *)put.exchange)->replaced = replaced_by(call, scope);
        put.requester.request = log_request();
        log_notice("operator-mitigate", LOG_REQUEST " mid %u, by %s", put.requester.request, put.mid,
                   call->request->peer->text);
        relay_put(settings->relay, settings->now(), &put);
    }
    wire_free(message);
}

/* A number from 0 to 2^32 - 1, all digits. 0, or -1. */
static int number(const char *text, uint64_t most, uint64_t *value)
{
    size_t length = strspn(text, "0123456789");

    if (length == 0 || length > 19 || text[length])
        return -1;
    *value = strtoull(text, NULL, 10);
    return *value <= most ? 0 : -1;
}

void act_withdraw(struct call *call)
{
    const struct admin_settings *settings = &call->admin->settings;
    struct requester *requester = relay_requester_find(settings->relay, operators.cdid, operators.cuid);
    struct relay_requester asking = operators;
    struct held *held;
    uint64_t mid;

    if (number(call->parameter, UINT32_MAX, &mid) != 0 || !requester ||
        !relay_mitigation_find(requester, (uint32_t)mid)) {
        reply_error(call->exchange, 404, "the operators have no request %.40s", call->parameter);
        return;
    }
    held = held_begin(call, (uint32_t)mid);
    if (!held)
        return;
    asking.request = log_request();
    log_notice("operator-withdraw", LOG_REQUEST " mid %u, by %s", asking.request, (unsigned)mid,
               call->request->peer->text);
    relay_delete(settings->relay, settings->now(), &asking, (uint32_t)mid, held);
}

/* ---- Somebody's request ---- */

/* 0, or -1 when it was refused. *requester borrows from the body. */
static int take_id(struct call *call, struct relay_requester *requester, uint32_t *mid)
{
    const json_t *cdid = json_object_get(call->body, "cdid"), *number = json_object_get(call->body, "mid");
    const char *cuid = json_string_value(json_object_get(call->body, "cuid"));
    const struct requester *found;

    if (!cuid || !json_is_integer(number) || json_integer_value(number) < 0 ||
        json_integer_value(number) > UINT32_MAX || (cdid && !json_is_string(cdid))) {
        reply_error(call->exchange, 400, "cuid (a string) and mid (0 to 4294967295) are needed; cdid is a string");
        return -1;
    }
    *requester = (struct relay_requester){
        .client = "", .cdid = cdid ? json_string_value(cdid) : "", .cuid = cuid, .identity_hash = ""};
    *mid = (uint32_t)json_integer_value(number);
    found = strlen(cuid) > RELAY_CUID_MAX || strlen(requester->cdid) > RELAY_CUID_MAX
                ? NULL
                : relay_requester_find(call->admin->settings.relay, requester->cdid, cuid);
    if (found && relay_mitigation_find(found, *mid))
        return 0;
    reply_error(call->exchange, 404, "there is no mitigation %.128s/%u", cuid, *mid);
    return -1;
}

void act_activate(struct call *call)
{
    const struct admin_settings *settings = &call->admin->settings;
    struct relay_requester requester;
    uint32_t mid;

    if (take_id(call, &requester, &mid) != 0)
        return;
    log_notice("operator-activate", "mid %u of %s, by %s", mid, requester.cuid, call->request->peer->text);
    if (relay_activate(settings->relay, settings->now(), &requester, mid) == 0)
        reply_json(call->exchange, 200, json_pack("{s:s, s:I}", "cuid", requester.cuid, "mid", (json_int_t)mid));
    else
        reply_error(call->exchange, 409, "%s/%u is not a preconfigured request that could be activated", requester.cuid,
                    mid);
}

void act_recurse(struct call *call)
{
    const struct admin_settings *settings = &call->admin->settings;
    const json_t *on = json_object_get(call->body, "on");
    struct relay_requester requester;
    struct relay_totals totals;
    uint32_t mid;

    if (!json_is_boolean(on)) {
        reply_error(call->exchange, 400, "on must be true or false");
        return;
    }
    if (take_id(call, &requester, &mid) != 0)
        return;
    relay_totals(settings->relay, &totals);
    if (relay_recurse(settings->relay, settings->now(), &requester, mid, json_is_true(on)) == 0)
        reply_json(
            call->exchange, 200,
            json_pack("{s:s, s:I, s:b}", "cuid", requester.cuid, "mid", (json_int_t)mid, "on", json_is_true(on)));
    else if (!totals.recurses_by_hand)
        reply_error(call->exchange, 409,
                    "recursion is not the operators' to decide here: it needs recursion: manual, mitigators and "
                    "upstreams in the configuration");
    else
        reply_error(call->exchange, 409, "%s/%u is not active", requester.cuid, mid);
}

static enum wire_status status_of(const json_t *value)
{
    static const enum wire_status known[] = {WIRE_STATUS_IN_PROGRESS, WIRE_STATUS_MITIGATED,  WIRE_STATUS_STOPPED,
                                             WIRE_STATUS_EXCEEDED,    WIRE_STATUS_TERMINATED, WIRE_STATUS_WITHDRAWN};

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if ((json_is_integer(value) && json_integer_value(value) == (json_int_t)known[i]) ||
            (json_is_string(value) && strcmp(json_string_value(value), wire_status_name(known[i])) == 0))
            return known[i];
    }
    return 0;
}

void act_mitigator_status(struct call *call)
{
    const struct admin_settings *settings = &call->admin->settings;
    const json_t *job = json_object_get(call->body, "job");
    struct relay_report report = {.status = status_of(json_object_get(call->body, "status"))};
    const struct install *install;
    struct install_view view;

    if (!json_is_integer(job) || json_integer_value(job) < 0 || !report.status) {
        reply_error(call->exchange, 400,
                    "job (a number) and status are needed; status is 1, 2, 3, 4, 6, 7 or its name in RFC 9132");
        return;
    }
    install = relay_install_find(settings->relay, (uint64_t)json_integer_value(job));
    if (install)
        install_view(settings->relay, install, &view);
    if (!install || view.kind != RELAY_MITIGATOR) {
        reply_error(call->exchange, 404, "no mitigator has a job %lld", (long long)json_integer_value(job));
        return;
    }
    log_notice("operator-status", "job %llu of mitigator %s: %s, by %s", (unsigned long long)view.id, view.target,
               wire_status_name(report.status), call->request->peer->text);
    relay_job_report(settings->relay, settings->now(), install_cuid(install)->target, view.id, &report);
    reply_json(call->exchange, 200,
               json_pack("{s:I, s:s}", "job", json_integer_value(job), "status", wire_status_name(report.status)));
}
