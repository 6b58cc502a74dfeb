/* overview: what the page on the metrics port shows; no keys, and no names of files. */

#include <string.h>

#include "gateway/admin/state.h"

#define MEMBERS_NAMED 4u /* of what is asked for at one place */

static json_t *view_sessions(const struct admin_tallies *tallies)
{
    json_t *object = json_object();

    for (size_t i = 0; i < ADMIN_STANDINGS; i++)
        json_object_set_new(object, tallies->sessions[i].state,
                            json_pack("{s:I, s:I}", "udp", (json_int_t)tallies->sessions[i].udp, "tcp",
                                      (json_int_t)tallies->sessions[i].tcp));
    return object;
}

static json_t *view_targets(const struct admin *admin)
{
    json_t *list = view_upstreams(admin), *item;
    size_t i;

    json_array_foreach(list, i, item)
    {
        if (strcmp(json_string_value(json_object_get(item, "kind")), "mitigator") == 0)
            json_object_del(item, "server"); /* a program of this machine */
    }
    return list;
}

void overview_show(struct call *call)
{
    const struct admin *admin = call->admin;
    const struct admin_settings *settings = &admin->settings;
    const struct config *config = settings->config;
    int64_t now = settings->now();
    struct admin_tallies tallies;
    struct relay_totals totals;

    relay_totals(settings->relay, &totals);
    settings->sources->tallies(settings->arg, &tallies);
    reply_json(call->exchange, 200,
               json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:o, s:o}", "name",
                         config->gateway.name, "version", DOTSGW_VERSION, "domain-side",
                         config->gateway.domain_side_server ? "server" : "client", "time-ms", (json_int_t)now,
                         "uptime-seconds", (json_int_t)((now - admin->started_ms) / 1000), "clients-configured",
                         (json_int_t)config->client_count, "requesters", (json_int_t)totals.requesters, "mitigations",
                         (json_int_t)totals.mitigations, "mitigations-limit", (json_int_t)config->limits.mitigations,
                         "installed", (json_int_t)totals.installs, "store-failing", tallies.store_failing, "sessions",
                         view_sessions(&tallies), "targets", view_targets(admin)));
}

/* ---- What is under mitigation ---- */

bool overview_mitigates(const struct relay *relay, const struct install *install)
{
    struct install_view view;

    install_view(relay, install, &view);
    return view.trigger && view.members > 0;
}

struct naming {
    json_t *members;
    int64_t now;
};

static int name_member(void *arg, const struct mitigation *mitigation)
{
    struct naming *naming = arg;
    const struct requester *requester = mitigation_requester(mitigation);
    struct wire_scope scope;

    mitigation_represent(mitigation, naming->now, MITIGATION_ALL, &scope);
    json_array_append_new(naming->members,
                          json_pack("{s:s, s:s, s:I, s:I}", "client", requester->client, "cuid", requester->cuid, "mid",
                                    (json_int_t)mitigation_mid(mitigation), "lifetime", (json_int_t)scope.lifetime));
    return json_array_size(naming->members) >= MEMBERS_NAMED;
}

static void add_counter(json_t *object, const char *name, bool has, uint64_t value)
{
    if (has)
        json_object_set_new(object, name, json_integer((json_int_t)value));
}

json_t *overview_attack(const struct relay *relay, const struct install *install, int64_t now)
{
    struct naming naming = {.members = json_array(), .now = now};
    struct install_view view;
    json_t *object;

    install_view(relay, install, &view);
    install_member_each(install, name_member, &naming);
    object = json_pack("{s:I, s:s, s:s, s:s, s:s, s:o, s:o, s:I}", "id", (json_int_t)view.id, "target", view.target,
                       "kind", view.kind == RELAY_MITIGATOR ? "mitigator" : "upstream", "state", view.state, "status",
                       view.status ? wire_status_name(view.status) : "unknown", "scope",
                       view.at ? view_target(view.at) : json_object(), "members", naming.members, "member-count",
                       (json_int_t)view.members);
    if (!object)
        return NULL;
    add_counter(object, "bytes-dropped", view.counters.has_bytes, view.counters.bytes);
    add_counter(object, "bps-dropped", view.counters.has_bps, view.counters.bps);
    add_counter(object, "pkts-dropped", view.counters.has_pkts, view.counters.pkts);
    add_counter(object, "pps-dropped", view.counters.has_pps, view.counters.pps);
    if (view.refusal)
        json_object_set_new(
            object, "refusal",
            json_pack("{s:i, s:s}", "code", view.refusal, "reason", view.diagnostic ? view.diagnostic : ""));
    return object;
}
