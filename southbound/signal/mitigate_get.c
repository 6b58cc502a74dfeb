/* mitigate_get: what a client asked for, as it stands (RFC 9132 section 4.4.2). */

#include <stdlib.h>
#include <string.h>

#include "southbound/signal/signal.h"

#define IDLE_MAX_AGE 3600 /* s: nothing but its lifetime changes while no mitigation is under way */

#define ACLS_SHOWN 16u /* a notification is to fit a datagram */

struct gather {
    int64_t now;
    enum mitigation_content content;
    struct wire_scope *scopes;
    size_t count, room;
    struct wire_acl *acls;
    size_t acl_count;
};

/* ACLs whose activation was changed while a mitigation is active (RFC 9133 section 3.2.1). */
static void gather_acls(const struct southbound *southbound, const struct requester *requester, struct gather *gathered)
{
    const struct catalog *catalog = southbound->aliases.catalog;
    const struct catalog_client *client =
        catalog && requester->active_count > 0 ? catalog_client_find(catalog, requester->cuid) : NULL;

    if (!client || client->switched == 0 || strcmp(client->cdid, requester->cdid) != 0)
        return;
    for (const struct catalog_entry *entry = client->entries[CATALOG_ACL]; entry && gathered->acl_count < ACLS_SHOWN;
         entry = entry->next) {
        if (entry->switched)
            gathered->acls[gathered->acl_count++] =
                (struct wire_acl){.name = entry->name, .activation = entry->activation};
    }
}

/* With the first one that is active. */
static void show_acls(struct gather *gathered, struct wire_scope *scope)
{
    if (gathered->content == MITIGATION_CONFIG || scope->status < WIRE_STATUS_IN_PROGRESS ||
        scope->status > WIRE_STATUS_EXCEEDED)
        return;
    scope->acls = gathered->acls;
    scope->acl_count = gathered->acl_count;
    gathered->acl_count = 0;
}

static int gather(void *arg, const struct mitigation *mitigation)
{
    struct gather *gathered = arg;

    if (gathered->count == gathered->room)
        return 1;
    mitigation_represent(mitigation, gathered->now, gathered->content, &gathered->scopes[gathered->count]);
    show_acls(gathered, &gathered->scopes[gathered->count++]);
    return 0;
}

uint8_t south_represent(const struct southbound *southbound, const struct requester *requester, uint64_t what,
                        enum mitigation_content content, struct wire_message **out)
{
    const struct mitigation *one = what == SOUTH_WATCH_ALL ? NULL : relay_mitigation_find(requester, (uint32_t)what);
    size_t room = what == SOUTH_WATCH_ALL ? requester->mitigation_count : one != NULL;
    struct wire_message *message;
    struct gather gathered = {.now = southbound->now(), .content = content, .room = room};

    if (room == 0)
        return DOTS_CODE(4, 4);
    /* One block: the message, then its scopes, then ACLs. */
    message = calloc(1, sizeof(*message) + room * sizeof(struct wire_scope) + ACLS_SHOWN * sizeof(struct wire_acl));
    if (!message)
        return DOTS_CODE(5, 3);
    gathered.scopes = (struct wire_scope *)(message + 1);
    gathered.acls = (struct wire_acl *)(gathered.scopes + room);
    gather_acls(southbound, requester, &gathered);
    if (one)
        gather(&gathered, one);
    else
        relay_mitigation_each(requester, gather, &gathered);
    message->type = WIRE_MITIGATION;
    message->scopes = gathered.scopes;
    message->scope_count = gathered.count;
    *out = message;
    if (gathered.count > 0)
        return 0;
    free(message);
    return DOTS_CODE(4, 4);
}

enum wire_status south_represent_status(const struct southbound *southbound, const struct requester *requester,
                                        uint64_t what, bool *active)
{
    const struct mitigation *mitigation;
    struct wire_scope scope;

    *active = requester->active_count > 0;
    if (what == SOUTH_WATCH_ALL)
        return 0;
    mitigation = relay_mitigation_find(requester, (uint32_t)what);
    if (!mitigation) {
        *active = false;
        return 0;
    }
    mitigation_represent(mitigation, southbound->now(), MITIGATION_NONCONFIG, &scope);
    *active = scope.status != 0 && scope.status <= WIRE_STATUS_CLIENT_WITHDRAWN;
    return scope.status;
}

int64_t south_represent_max_age(const struct southbound *southbound, bool active)
{
    return active ? (2 * (int64_t)southbound->config->status_interval_ms + 999) / 1000 : IDLE_MAX_AGE;
}

void south_mitigate_get(struct south_session *session, const struct dots_request *request,
                        const struct south_path *path)
{
    struct southbound *southbound = session->southbound;
    struct requester *requester = relay_requester_find(southbound->relay, path->cdid, path->cuid);
    uint64_t what = path->has_mid ? path->mid : SOUTH_WATCH_ALL;
    struct south_observer *observer = NULL;
    struct wire_message *message = NULL;
    uint8_t code = DOTS_CODE(4, 4);
    enum wire_status status;
    bool active;

    if (request->observe == 1)
        south_observe_end(session, dots_exchange_token(request->exchange));
    if (requester) {
        south_peer_uses(southbound, session->peer, requester);
        code = south_represent(southbound, requester, what, path->content, &message);
    }
    if (code != 0) {
        south_refuse(session, request->exchange, code, code == DOTS_CODE(5, 3) ? SOUTH_FULL_MAX_AGE : DOTS_NO_MAX_AGE,
                     code == DOTS_CODE(5, 3) ? "the server is out of memory"
                     : path->has_mid         ? "mid: no such mitigation of this client"
                                             : "cuid: no mitigations of this client");
        return;
    }
    status = south_represent_status(southbound, requester, what, &active);
    if (request->observe == 0 && requester->user)
        observer = south_observe(session, request, path, requester->user, what);
    if (observer)
        south_notify_answered(observer, status, active);
    south_reply_message(southbound, request->exchange, DOTS_CODE(2, 5), south_represent_max_age(southbound, active),
                        observer ? (int32_t)south_observer_next(observer) : -1, message);
    free(message);
}
