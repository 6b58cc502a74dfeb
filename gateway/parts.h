/* parts: the parts of a running gateway, for assemble, reload and drain; nobody else includes it. */
#pragma once

#include <uv.h>

#include "aggregation/catalog_upstream.h"
#include "aggregation/relay.h"
#include "gateway/admin/admin.h"
#include "gateway/assemble.h"
#include "gateway/clock.h"
#include "gateway/data_upstreams.h"
#include "gateway/detectors/detectors.h"
#include "gateway/filters.h"
#include "gateway/inspect.h"
#include "gateway/operate.h"
#include "gateway/policy.h"
#include "gateway/store/store.h"
#include "gateway/targets.h"
#include "northbound/mitigator/mitigator.h"
#include "northbound/signal/northbound.h"
#include "southbound/data/southbound_data.h"
#include "southbound/signal/alias.h"
#include "southbound/signal/southbound.h"

/* A mitigator, and where it is. */
struct driver {
    struct gateway *gateway;
    size_t target;
    struct mitigator *mitigator;
};

struct reload;

struct gateway {
    uv_loop_t *loop;
    struct config *config;
    struct spawner *spawner;
    struct policy *policy;
    struct targets targets;
    struct store *store;
    struct relay *relay;
    struct southbound *southbound;
    struct catalog *catalog;
    struct data_server *data;
    struct data_upstreams *data_upstreams;
    struct filters *filters;
    struct northbound *northbound;
    struct admin *admin; /* NULL: not configured */
    struct detectors *detectors;
    struct inspection inspection;
    uv_timer_t timer;     /* the relay's next deadline */
    uv_prepare_t prepare; /* sets it, once a turn */
    uv_timer_t leaving;   /* looks after targets that leave, and after a drain */
    bool handles_open;
    struct reload *reload; /* under way */
    bool draining;
    int64_t drain_until_ms;
    struct gateway_observer observer;
    unsigned closing; /* parts that have not closed yet */
    bool close_asked; /* when the reload that is under way allows it */
    void (*on_closed)(void *arg);
    void *arg;
};

/* assemble.c */
void gateway_policy_free(struct policy *policy);
/* One of what gateway->closing counts has closed. */
void gateway_part_closed(void *arg);

/* drivers.c */
/* NULL with a sentence. */
struct driver *gateway_driver_open(struct gateway *gateway, const struct config_mitigator *config, size_t target,
                                   char *error, size_t error_size);
/* A driver of a gateway that goes on. */
void gateway_driver_close(struct driver *driver);
/* Effects of the relay; arg is the gateway. */
void gateway_job_start(void *arg, struct install *install);
void gateway_job_stop(void *arg, struct install *install);

/* reload.c */
extern const struct relay_reviewer gateway_reviewer; /* its arg is set by the user */
/* Something is leaving, or drained: look after it now and then. */
void gateway_look_after(struct gateway *gateway);

/* operators.c */
extern const struct admin_actions gateway_actions; /* their arg is the inspection */

/* drain.c */
void gateway_drain_look(struct gateway *gateway);
void gateway_tell_observer(const struct gateway *gateway); /* that something has changed */
