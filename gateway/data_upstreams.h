/* data_upstreams: northbound/data as the data channel's server is given it; where there is none, nothing. */
#pragma once

#include "northbound/data/northbound_data.h"
#include "northbound/signal/northbound.h"
#include "southbound/data/southbound_data.h"

struct data_upstreams;

/* NULL with a sentence in error. All is borrowed. */
struct data_upstreams *data_upstreams_open(uv_loop_t *loop, const struct config *config, struct relay *relay,
                                           const struct relay_policy *policy, struct store *store,
                                           struct catalog *catalog, struct northbound *northbound, int64_t (*now)(void),
                                           char *error, size_t error_size);
/* As northbound_data_load and northbound_data_renamed. */
int data_upstreams_load(struct data_upstreams *upstreams, const char *key, size_t key_length, const uint8_t *value,
                        size_t length);
void data_upstreams_renamed(struct data_upstreams *upstreams, const struct upstream_cuid *cuid);
/* NULL: no upstream has a data channel, so this gateway is its server. */
const struct catalog_upstream *data_upstreams_hook(const struct data_upstreams *upstreams);
/* Told when what catalog_upstream.count asked for is there. */
void data_upstreams_on_counted(struct data_upstreams *upstreams, struct data_server *server);
/* As northbound_data_settings.accepted. */
void data_upstreams_on_accepted(struct data_upstreams *upstreams,
                                void (*accepted)(void *arg, size_t target, uint64_t arrived_ns), void *arg);
/* As northbound_data_upstream. */
bool data_upstreams_each(const struct data_upstreams *upstreams, size_t i, struct northbound_data_upstream *out);
void data_upstreams_start(struct data_upstreams *upstreams);
/* As northbound_data_apply. */
void data_upstreams_apply(struct data_upstreams *upstreams, struct northbound_data_change *change,
                          const struct relay_policy *policy);
/* When nobody asks any more. */
void data_upstreams_close(struct data_upstreams *upstreams, void (*on_closed)(void *arg), void *arg);
