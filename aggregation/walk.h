/* walk: where walks over the relay stand; the relay's files tell what goes away. */
#pragma once

#include "aggregation/relay_state.h"

void walk_pass_mitigation(struct relay *relay, const struct mitigation *mitigation); /* before it leaves its list */
void walk_pass_requester(struct relay *relay, const struct requester_state *requester);
void walk_pass_install(struct relay *relay, const struct install *install);
void walk_relay_gone(struct relay *relay);
