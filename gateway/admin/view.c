/* view: what operators see, as JSON objects with the names of RFC 9132 where it has names. */

#include <stdlib.h>

#include "gateway/admin/state.h"

#define MEMBERS_SHOWN 256u /* of a bundle: a longer list would be a long turn of the loop */

/* By the encoder of the wire, so that there is one table of names and forms. */
static json_t *of_scope(struct wire_scope *scope)
{
    struct wire_message message = {.type = WIRE_MITIGATION, .scopes = scope, .scope_count = 1};
    char *text = wire_encode_json(&message);
    json_t *whole = text ? json_loads(text, 0, NULL) : NULL, *found = NULL;

    free(text);
    found = json_array_get(
        json_object_get(json_object_get(whole, "ietf-dots-signal-channel:mitigation-scope"), "scope"), 0);
    json_incref(found);
    json_decref(whole);
    return found;
}

json_t *view_target(const struct wire_target *target)
{
    struct wire_scope scope = {.target = *target};

    return of_scope(&scope);
}

/* Takes value; 0, or -1 out of memory. */
static int add(json_t *object, const char *name, json_t *value)
{
    return json_object_set_new(object, name, value);
}

json_t *view_mitigation(const struct mitigation *mitigation, int64_t now)
{
    const struct requester *requester = mitigation_requester(mitigation);
    struct mitigation_view view;
    struct wire_scope scope;
    json_t *object;

    mitigation_represent(mitigation, now, MITIGATION_ALL, &scope);
    mitigation_view(mitigation, &view);
    object = of_scope(&scope);
    if (!object)
        return NULL;
    if (add(object, "client", json_string(requester->client)) != 0 ||
        add(object, "cuid", json_string(requester->cuid)) != 0 ||
        add(object, "mid", json_integer(mitigation_mid(mitigation))) != 0 ||
        add(object, "trigger-mitigation", json_boolean(mitigation_trigger(mitigation))) != 0 ||
        add(object, "state", json_string(view.state)) != 0 || add(object, "active", json_boolean(view.active)) != 0 ||
        add(object, "activated", json_boolean(view.activated)) != 0 ||
        add(object, "recursed", json_boolean(view.recursed)) != 0 ||
        add(object, "waits", json_boolean(view.waits)) != 0 ||
        add(object, "asked-at", json_integer((json_int_t)view.demands)) != 0 ||
        (requester->cdid[0] && add(object, "cdid", json_string(requester->cdid)) != 0)) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static int add_member(void *arg, const struct mitigation *mitigation)
{
    const struct requester *requester = mitigation_requester(mitigation);
    json_t *members = arg;
    json_t *member = json_pack("{s:s, s:s, s:I}", "client", requester->client, "cuid", requester->cuid, "mid",
                               (json_int_t)mitigation_mid(mitigation));

    if (member && requester->cdid[0])
        json_object_set_new(member, "cdid", json_string(requester->cdid));
    json_array_append_new(members, member);
    return json_array_size(members) >= MEMBERS_SHOWN;
}

static const char *why(const struct install_view *view)
{
    if (view->members == 0)
        return "nobody asks for it any more: it is being withdrawn";
    if (view->superseded)
        return "it is no longer wanted as it is, and stays until what replaces it is accepted";
    if (view->kind == RELAY_MITIGATOR)
        return "each request is a job of its own at a mitigator";
    if (!view->merges)
        return "the client's own cuid and mid pass to this upstream: nothing is merged";
    if (view->parts > 1)
        return "its members overlap and were joined, and the whole is split because it does not fit one message "
               "(RFC 9132 section 7.3)";
    if (view->members > 1)
        return "its members overlap, and requests under one cuid must not (RFC 9132 section 4.4.1.3): they are one "
               "request";
    return "it overlaps with no other request";
}

json_t *view_bundle(const struct relay *relay, const struct install *install)
{
    struct install_view view;
    json_t *members = json_array(), *target, *object;

    install_view(relay, install, &view);
    install_member_each(install, add_member, members);
    target = view.at ? view_target(view.at) : json_object();
    object = json_pack("{s:I, s:s, s:s, s:I, s:b, s:s, s:s, s:o, s:o, s:I, s:s}", "id", (json_int_t)view.id, "target",
                       view.target, "kind", view.kind == RELAY_MITIGATOR ? "mitigator" : "upstream", "mid",
                       (json_int_t)view.mid, "trigger-mitigation", view.trigger, "state", view.state, "status",
                       view.status ? wire_status_name(view.status) : "unknown", "scope", target, "members", members,
                       "member-count", (json_int_t)view.members, "why", why(&view));
    if (!object)
        return NULL;
    if (view.cuid[0])
        add(object, "cuid", json_string(view.cuid));
    if (view.cdid[0])
        add(object, "cdid", json_string(view.cdid));
    if (view.refusal)
        add(object, "refusal",
            json_pack("{s:i, s:s}", "code", view.refusal, "reason", view.diagnostic ? view.diagnostic : ""));
    if (view.counters.has_bytes)
        add(object, "bytes-dropped", json_integer((json_int_t)view.counters.bytes));
    if (view.counters.has_pkts)
        add(object, "pkts-dropped", json_integer((json_int_t)view.counters.pkts));
    return object;
}

json_t *view_session(const struct admin_session *session)
{
    json_t *object =
        json_pack("{s:s?, s:s, s:s, s:s, s:b, s:b, s:I, s:I, s:I}", "client", session->client, "peer", session->peer,
                  "transport", session->transport, "state", session->state, "mitigating", session->mitigating,
                  "hears-us", !session->deaf, "up-seconds", (json_int_t)(session->up_ms / 1000), "silent-seconds",
                  (json_int_t)(session->heard_ms / 1000), "observers", (json_int_t)session->observers);

    if (object && session->rtt_ms)
        add(object, "rtt-ms", json_integer(session->rtt_ms));
    return object;
}
