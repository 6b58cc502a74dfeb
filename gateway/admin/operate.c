/* operate: what operators ask of the gateway as a whole. */

#include "gateway/admin/state.h"

static void reloaded(void *arg, bool ok, const char *text)
{
    struct held *held = arg;
    uint32_t mid;
    struct http_exchange *exchange = held_end(held->admin, held, &mid);

    if (ok)
        reply_json(exchange, 200, json_pack("{s:s}", "result", text));
    else
        reply_error(exchange, 409, "%s; the running configuration stays in force", text);
}

void act_reload(struct call *call)
{
    const struct admin_settings *settings = &call->admin->settings;
    struct held *held = held_begin(call, 0);
    uint32_t mid;

    if (held && settings->actions->reload(settings->arg, reloaded, held) != 0)
        reply_error(held_end(call->admin, held, &mid), 409, "another reload is under way: ask again when it is over");
}

void act_drain(struct call *call)
{
    const struct admin_settings *settings = &call->admin->settings;
    const json_t *on = json_object_get(call->body, "on");

    if (!json_is_boolean(on)) {
        reply_error(call->exchange, 400, "on must be true or false");
        return;
    }
    /* Before it is begun: it may be over, and the gateway closing, at once. */
    reply_json(call->exchange, 200, json_pack("{s:b}", "draining", json_is_true(on)));
    settings->actions->drain(settings->arg, json_is_true(on));
}

void act_redirect(struct call *call)
{
    const struct admin_settings *settings = &call->admin->settings;
    const json_t *on = json_object_get(call->body, "on"), *name = json_object_get(call->body, "client");
    const char *client = json_string_value(name);

    if (!json_is_boolean(on) || (name && !client)) {
        reply_error(call->exchange, 400, "on must be true or false, and client, when it is given, a name");
    } else if (json_is_true(on) && !settings->config->redirect.alt_server) {
        reply_error(call->exchange, 409, "there is nowhere to send anybody: give redirect.alt-server and reload");
    } else if (settings->actions->redirect(settings->arg, client, json_is_true(on)) != 0) {
        reply_error(call->exchange, 404, "there is no client %.128s in the configuration", client);
    } else {
        log_notice(json_is_true(on) ? "redirect" : "redirect-end", "%s, by %s", client ? client : "all clients",
                   call->request->peer->text);
        reply_json(call->exchange, 200, json_pack("{s:s?, s:b}", "client", client, "on", json_is_true(on)));
    }
}
