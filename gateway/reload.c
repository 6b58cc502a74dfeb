/*
 * reload: another configuration takes the place of the one in force. It is read, checked and prepared on a thread; the
 * loop then swaps in one step; what was replaced is freed on a thread again. Who is connected and what is installed is
 * looked at afterwards, by the parts, a little in each turn of the loop.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/config/difference.h"
#include "gateway/parts.h"

#define LOOK_MS 250    /* between looks at what leaves */
#define LEAVE_MS 60000 /* an upstream that does not answer is not waited for any longer */

#define UPSTREAM_PLACES 64 /* the relay keeps what upstreams have said in bits by place */

struct reload {
    uv_work_t work;
    struct gateway *gateway;
    const char *why;
    char *file;
    struct config *config; /* the new one; once in force, the old one */
    struct southbound_change *south;
    struct northbound_change *north;
    struct data_change *data;
    struct northbound_data_change *data_north;
    struct detectors_change *detectors;
    struct inspection_certificates certificates;
    struct policy *policy; /* the same */
    struct targets targets;
    bool ok;
    char text[1024];
    gateway_reload_h *done;
    void *arg;
};

/* ---- What the relay asks about those it has requests of ---- */

/* The operators and the detectors are no configured clients, and stay: only their names have a space. */
static bool reviewer_knows(void *arg, const char *client)
{
    return strchr(client, ' ') || southbound_knows(((struct gateway *)arg)->southbound, client);
}

static bool reviewer_allows(void *arg, const struct requester *requester, const struct wire_target *target)
{
    return southbound_allows(((struct gateway *)arg)->southbound, requester->client, target);
}

const struct relay_reviewer gateway_reviewer = {.known = reviewer_knows, .allowed = reviewer_allows};

/* ---- On a thread: reading ---- */

static void prepare(uv_work_t *work)
{
    struct reload *reload = work->data;
    const struct gateway *gateway = reload->gateway;
    struct config_difference difference = {0};
    struct config_error error;
    char text[512] = "out of memory";

    reload->config = config_load(reload->file, &error);
    if (!reload->config) {
        snprintf(reload->text, sizeof(reload->text), "%s:%d:%d: %s", error.file, error.line, error.column, error.text);
        return;
    }
    if (config_difference(gateway->config, reload->config, &difference) != 0) {
        snprintf(reload->text, sizeof(reload->text), "%s: out of memory", reload->file);
    } else if (difference.refused[0]) {
        snprintf(reload->text, sizeof(reload->text), "%s: %s", reload->file, difference.refused);
    } else if (!(reload->south = southbound_prepare(gateway->southbound, reload->config, text, sizeof(text))) ||
               !(reload->north = northbound_prepare(reload->config, text, sizeof(text))) ||
               !(reload->data = data_prepare(gateway->data, reload->config, text, sizeof(text))) ||
               !(reload->data_north = northbound_data_prepare(reload->config, text, sizeof(text))) ||
               !(reload->detectors = detectors_prepare(gateway->detectors, reload->config, text, sizeof(text)))) {
        snprintf(reload->text, sizeof(reload->text), "%s: %s", reload->file, text);
    } else {
        snprintf(reload->text, sizeof(reload->text), "%s: %s", reload->file,
                 config_difference_text(&difference, text, sizeof(text)));
        inspection_certificates(reload->config, &reload->certificates);
        reload->ok = true;
    }
    config_difference_free(&difference);
}

/* ---- On the loop: the step ---- */

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_target(void *arg, size_t place, const struct target *target, size_t index)
{
    const struct reload *reload = arg;
    const struct config *before = reload->gateway->config;

    if (target->kind == TARGET_UPSTREAM)
        return northbound_same_client(reload->gateway->northbound, place, reload->north, index);
    return before->mitigators[target->index].driver == reload->config->mitigators[index].driver &&
           same_text(before->mitigators[target->index].exec, reload->config->mitigators[index].exec);
}

static bool is_new(const struct reload *reload, size_t place)
{
    const struct targets *before = &reload->gateway->targets;
    const struct target *target = &reload->targets.at[place];

    return target->kind != TARGET_FREE && !target->leaving &&
           (place >= before->count || before->at[place].kind == TARGET_FREE);
}

static int plan(struct reload *reload, char *error, size_t error_size)
{
    snprintf(error, error_size, "out of memory");
    /* A target is compared with its entry in the old configuration: by its index there, until the plan is made. */
    if (targets_plan(&reload->gateway->targets, reload->config, clock_ms(), same_target, reload, &reload->targets) != 0)
        return -1;
    for (size_t i = UPSTREAM_PLACES; i < reload->targets.count; i++) {
        if (reload->targets.at[i].kind != TARGET_UPSTREAM)
            continue;
        snprintf(error, error_size,
                 "upstreams: too many that were removed or replaced are still being left; try again "
                 "in a minute, or restart");
        return -1;
    }
    snprintf(error, error_size, "out of memory");
    reload->policy = calloc(1, sizeof(*reload->policy));
    if (!reload->policy || policy_make(reload->policy, reload->config, &reload->targets) != 0)
        return -1;
    return 0;
}

static void close_new_drivers(struct reload *reload)
{
    for (size_t i = 0; i < reload->targets.count; i++) {
        if (is_new(reload, i) && reload->targets.at[i].driver)
            gateway_driver_close(reload->targets.at[i].driver);
    }
}

static int open_new_drivers(struct reload *reload, char *error, size_t error_size)
{
    for (size_t i = 0; i < reload->targets.count; i++) {
        struct target *target = &reload->targets.at[i];

        if (!is_new(reload, i) || target->kind != TARGET_MITIGATOR)
            continue;
        target->driver =
            gateway_driver_open(reload->gateway, &reload->config->mitigators[target->index], i, error, error_size);
        if (!target->driver)
            return -1;
    }
    return 0;
}

/* upstreams[i] of the new configuration is at places[i]. */
static int apply_north(struct reload *reload, char *error, size_t error_size)
{
    size_t *places = calloc(reload->config->upstream_count + 1, sizeof(*places));
    int status;

    snprintf(error, error_size, "out of memory");
    if (!places)
        return -1;
    for (size_t i = 0; i < reload->targets.count; i++) {
        const struct target *target = &reload->targets.at[i];

        if (target->kind == TARGET_UPSTREAM && !target->leaving)
            places[target->index] = i;
    }
    status =
        northbound_apply(reload->gateway->northbound, reload->north, places, reload->targets.count, error, error_size);
    free(places);
    return status;
}

/* Those that leave stop their filters, those that came get all. */
static void hand_filters(struct gateway *gateway, const struct targets *before)
{
    for (size_t i = 0; i < gateway->targets.count; i++) {
        const struct target *target = &gateway->targets.at[i];

        if (target->kind == TARGET_MITIGATOR && target->leaving)
            filters_remove_mitigator(gateway->filters, target->driver->mitigator);
    }
    for (size_t i = 0; i < gateway->targets.count; i++) {
        const struct target *target = &gateway->targets.at[i];

        if (target->kind == TARGET_MITIGATOR && !target->leaving &&
            (i >= before->count || before->at[i].kind == TARGET_FREE))
            filters_add_mitigator(gateway->filters, target->driver->mitigator);
    }
}

/* From here on nothing can be refused any more. What was in force is in the reload afterwards. */
static void swap(struct reload *reload)
{
    struct gateway *gateway = reload->gateway;
    struct relay_reviewer reviewer = gateway_reviewer;
    struct targets targets = gateway->targets;
    struct policy *policy = gateway->policy;
    struct config *config = gateway->config;

    gateway->targets = reload->targets;
    southbound_apply(gateway->southbound, reload->south);
    data_apply(gateway->data, reload->data);
    gateway->config = reload->config;
    reload->config = config;
    reviewer.arg = gateway;
    if (relay_reconfigure(gateway->relay, clock_ms(), &reload->policy->relay, &reviewer) == 0) {
        gateway->policy = reload->policy;
        reload->policy = policy;
    } else {
        log_error("out-of-memory", "mitigations are planned as before the reload; reload again");
    }
    reload->targets = targets;
    data_upstreams_apply(gateway->data_upstreams, reload->data_north, &gateway->policy->relay);
    hand_filters(gateway, &targets);
    detectors_apply(gateway->detectors, reload->detectors);
    northbound_start(gateway->northbound);
    log_configure(gateway->config->log.level, gateway->config->log.format);
    inspection_use(&gateway->inspection, gateway->config, &reload->certificates, gateway->admin);
    gateway_look_after(gateway);
}

static int apply(struct reload *reload, char *error, size_t error_size)
{
    struct gateway *gateway = reload->gateway;

    if (plan(reload, error, error_size) != 0)
        return -1;
    if (open_new_drivers(reload, error, error_size) != 0) {
        close_new_drivers(reload);
        return -1;
    }
    if (southbound_listen(gateway->southbound, reload->south, error, error_size) != 0) {
        close_new_drivers(reload);
        return -1;
    }
    if (apply_north(reload, error, error_size) != 0) {
        southbound_unlisten(gateway->southbound, reload->south);
        close_new_drivers(reload);
        return -1;
    }
    swap(reload);
    return 0;
}

/* ---- On a thread: freeing what was replaced ---- */

static void dispose(uv_work_t *work)
{
    struct reload *reload = work->data;

    southbound_change_free(reload->south);
    northbound_change_free(reload->north);
    data_change_free(reload->data);
    northbound_data_change_free(reload->data_north);
    detectors_change_free(reload->detectors);
    gateway_policy_free(reload->policy);
    config_free(reload->config);
    free(reload->targets.at);
    free(reload->file);
}

static void disposed(uv_work_t *work, int status)
{
    struct reload *reload = work->data;
    struct gateway *gateway = reload->gateway;
    gateway_reload_h *done = reload->done;
    bool ok = reload->ok, closing = gateway->close_asked;
    char text[sizeof(reload->text)];
    void *arg = reload->arg;

    (void)status;
    memcpy(text, reload->text, sizeof(text));
    gateway->reload = NULL;
    free(reload);
    if (done)
        done(arg, ok, text);
    if (!closing)
        gateway_tell_observer(gateway);
    else
        gateway_close(gateway, gateway->on_closed, gateway->arg);
}

static void prepared(uv_work_t *work, int status)
{
    struct reload *reload = work->data;
    char error[512];

    (void)status;
    if (reload->ok && reload->gateway->close_asked) {
        reload->ok = false;
        snprintf(reload->text, sizeof(reload->text), "the gateway is closing");
    } else if (reload->ok && apply(reload, error, sizeof(error)) != 0) {
        reload->ok = false;
        snprintf(reload->text, sizeof(reload->text), "%s: %s", reload->file, error);
    }
    if (reload->ok)
        log_notice("reload", "%s (%s)", reload->text, reload->why);
    else
        log_error("reload-refused", "%s; the running configuration stays in force (%s)", reload->text, reload->why);
    uv_queue_work(reload->gateway->loop, &reload->work, dispose, disposed);
}

int gateway_reload(struct gateway *gateway, const char *why, gateway_reload_h *done, void *arg)
{
    struct reload *reload;

    if (gateway->reload || gateway->close_asked)
        return -1;
    reload = calloc(1, sizeof(*reload));
    if (reload)
        reload->file = strdup(gateway->config->file);
    if (!reload || !reload->file) {
        free(reload);
        return -1;
    }
    reload->gateway = gateway;
    reload->why = why;
    reload->done = done;
    reload->arg = arg;
    reload->work.data = reload;
    gateway->reload = reload;
    uv_queue_work(gateway->loop, &reload->work, prepare, prepared);
    gateway_tell_observer(gateway);
    return 0;
}

bool gateway_reloading(const struct gateway *gateway)
{
    return gateway->reload;
}

/* ---- Afterwards: what leaves ---- */

static void target_left(struct gateway *gateway, size_t place)
{
    struct target *target = &gateway->targets.at[place];

    log_info("target-removed", "%s: nothing is left there", target->name);
    if (target->kind == TARGET_UPSTREAM)
        northbound_remove(gateway->northbound, place);
    else
        gateway_driver_close(target->driver);
    *target = (struct target){.kind = TARGET_FREE};
}

static void look(uv_timer_t *timer)
{
    struct gateway *gateway = timer->data;
    int64_t now = clock_ms();
    bool any = false;

    for (size_t i = 0; i < gateway->targets.count; i++) {
        const struct target *target = &gateway->targets.at[i];

        if (target->kind == TARGET_FREE || !target->leaving)
            continue;
        any = true;
        if (relay_target_left(gateway->relay, i, now - target->left_ms > LEAVE_MS))
            target_left(gateway, i);
    }
    if (gateway->draining)
        gateway_drain_look(gateway);
    if (!any && !gateway->draining)
        uv_timer_stop(timer);
}

void gateway_look_after(struct gateway *gateway)
{
    uv_timer_start(&gateway->leaving, look, LOOK_MS, LOOK_MS);
}
