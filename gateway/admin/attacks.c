/* attacks: reports of detectors over the control socket, and what is known of attacks. */

#include "gateway/admin/state.h"

void show_attacks(struct call *call)
{
    const struct admin_settings *settings = &call->admin->settings;

    reply_json(call->exchange, 200, settings->sources->attacks(settings->arg));
}

void act_report_attack(struct call *call)
{
    const struct admin_settings *settings = &call->admin->settings;

    settings->sources->report_attack(settings->arg, call->exchange, call->body, call->request->peer->text);
}
