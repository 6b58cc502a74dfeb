/* route: which request is which function; what is not in docs/admin-api.yaml is refused by name. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/admin/state.h"

#define MEMBERS(...)                 \
    .members = (const char *const[]) \
    {                                \
        __VA_ARGS__, NULL            \
    }

static void control_metrics(struct call *call)
{
    reply_metrics(call->admin, call->exchange);
}

const struct route admin_routes[] = {
    {.method = "GET", .path = "/status", .call = show_status},
    {.method = "GET", .path = "/clients", .call = list_clients},
    {.method = "GET", .path = "/sessions", .call = list_sessions, .takes_client = true},
    {.method = "GET", .path = "/upstreams", .call = show_upstreams},
    {.method = "GET", .path = "/mitigations", .call = list_mitigations, .takes_client = true},
    {.method = "GET", .path = "/bundles", .call = list_bundles},
    {.method = "GET", .path = "/config", .call = show_config},
    {.method = "GET", .path = "/log-level", .call = show_log_level},
    {.method = "GET", .path = "/events", .call = watch_begin},
    {.method = "GET", .path = "/metrics", .call = control_metrics},
    {.method = "POST",
     .path = "/mitigations",
     .call = act_mitigate,
     MEMBERS("target-prefix", "target-port-range", "target-protocol", "target-fqdn", "target-uri", "lifetime",
             "trigger-mitigation")},
    {.method = "DELETE", .path = "/mitigations/{mid}", .call = act_withdraw},
    {.method = "POST", .path = "/activation", .call = act_activate, MEMBERS("cdid", "cuid", "mid")},
    {.method = "POST", .path = "/recursion", .call = act_recurse, MEMBERS("cdid", "cuid", "mid", "on")},
    {.method = "POST", .path = "/mitigator-status", .call = act_mitigator_status, MEMBERS("job", "status")},
    {.method = "POST", .path = "/reload", .call = act_reload},
    {.method = "POST", .path = "/drain", .call = act_drain, MEMBERS("on")},
    {.method = "POST", .path = "/redirection", .call = act_redirect, MEMBERS("client", "on")},
    {.method = "PUT", .path = "/log-level", .call = act_log_level, MEMBERS("level")},
    {.method = "GET", .path = "/attacks", .call = show_attacks},
    {.method = "POST",
     .path = "/attacks",
     .call = act_report_attack,
     MEMBERS("detector", "target", "pps", "bps", "connections", "sources", "target-protocol", "target-port-range",
             "ended")},
    {0},
};

/* The rest of path behind the template, "" without a parameter; NULL: another path. */
static const char *match(const char *template, const char *path)
{
    const char *brace = strchr(template, '{');
    size_t length = brace ? (size_t)(brace - template) : strlen(template);

    if (strncmp(template, path, length) != 0)
        return NULL;
    if (!brace)
        return path[length] ? NULL : "";
    return path[length] && !strchr(path + length, '/') ? path + length : NULL;
}

static void method_not_allowed(const struct call *call)
{
    char allow[64] = "";
    struct http_header header[] = {{"allow", allow}, {"content-type", "application/json"}};
    static const char body[] = "{\"error\": \"this path is not for this method\"}";

    for (const struct route *route = admin_routes; route->method; route++) {
        size_t length = strlen(allow);

        if (match(route->path, call->request->path))
            snprintf(allow + length, sizeof(allow) - length, "%s%s", length ? ", " : "", route->method);
    }
    http_respond(call->exchange, 405, header, 2, body, sizeof(body) - 1);
}

/* 0, or -1 when it was refused. */
static int take_query(struct call *call, const struct route *route, char **client)
{
    const char *query = call->request->query;

    if (!query || !*query)
        return 0;
    if (!route->takes_client || strncmp(query, "client=", 7) != 0 || strchr(query, '&')) {
        reply_error(call->exchange, 400, "%s does not take this query%s", call->request->path,
                    route->takes_client ? "; write ?client=NAME" : "");
        return -1;
    }
    *client = strdup(query + 7);
    if (*client && http_unescape(*client) == 0)
        return 0;
    reply_error(call->exchange, *client ? 400 : 503, *client ? "client: malformed escape" : "out of memory");
    return -1;
}

static bool is_member(const struct route *route, const char *name)
{
    for (const char *const *member = route->members; *member; member++)
        if (strcmp(*member, name) == 0)
            return true;
    return false;
}

/* 0, or -1 when it was refused. */
static int take_body(struct call *call, const struct route *route)
{
    const struct http_request *request = call->request;
    json_error_t error;
    const char *name;
    json_t *value;

    if (!route->members) {
        if (request->body_length == 0)
            return 0;
        reply_error(call->exchange, 400, "%s %s takes no body", route->method, route->path);
        return -1;
    }
    call->body = json_loadb((const char *)request->body, request->body_length, JSON_REJECT_DUPLICATES, &error);
    if (!call->body) {
        reply_error(call->exchange, 400, "the body is not JSON: line %d, column %d: %.200s", error.line, error.column,
                    error.text);
        return -1;
    }
    if (!json_is_object(call->body)) {
        reply_error(call->exchange, 400, "the body must be a JSON object");
        return -1;
    }
    json_object_foreach(call->body, name, value)
    {
        if (!is_member(route, name)) {
            reply_error(call->exchange, 400, "unknown member \"%.64s\"; %s %s is described in docs/admin-api.yaml",
                        name, route->method, route->path);
            return -1;
        }
    }
    return 0;
}

void route_call(struct admin *admin, struct http_exchange *exchange, const struct http_request *request)
{
    const char *method = strcmp(request->method, "HEAD") == 0 ? "GET" : request->method;
    struct call call = {.admin = admin, .exchange = exchange, .request = request};
    char *client = NULL;
    bool known = false;

    for (const struct route *route = admin_routes; route->method; route++) {
        call.parameter = match(route->path, request->path);
        known = known || call.parameter;
        if (!call.parameter || strcmp(route->method, method) != 0)
            continue;
        if (take_query(&call, route, &client) == 0 && take_body(&call, route) == 0) {
            call.client = client;
            route->call(&call);
        }
        json_decref(call.body);
        free(client);
        return;
    }
    if (known)
        method_not_allowed(&call);
    else
        reply_error(exchange, 404, "there is no such path; docs/admin-api.yaml has all of them");
}
