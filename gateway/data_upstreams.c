/* data_upstreams: the cuid of the signal channel, and a hook when there is somebody behind it. */
#include "gateway/data_upstreams.h"

#include <stdio.h>
#include <stdlib.h>

struct data_upstreams {
    struct relay *relay;
    struct northbound *northbound; /* of the signal channel */
    struct northbound_data *data;
    struct catalog_upstream hook;
    bool any;
    struct data_server *server;                                      /* NULL: none yet, or no more */
    void (*accepted)(void *arg, size_t target, uint64_t arrived_ns); /* NULL: nobody measures */
    void *accepted_arg;
    void (*on_closed)(void *arg);
    void *arg;
};

/* As on the signal channel (RFC 8783 section 5.1). */
static int make_cuid(void *arg, size_t target, const struct requester *owner, char cuid[23])
{
    const struct data_upstreams *upstreams = arg;

    return northbound_make_cuid(upstreams->northbound, target, owner,
                                relay_cuid_attempt(upstreams->relay, target, owner), cuid);
}

static void counted(void *arg)
{
    struct data_upstreams *upstreams = arg;

    if (upstreams->server)
        data_counted(upstreams->server);
}

static void accepted(void *arg, size_t target, uint64_t arrived_ns)
{
    struct data_upstreams *upstreams = arg;

    if (upstreams->accepted)
        upstreams->accepted(upstreams->accepted_arg, target, arrived_ns);
}

void data_upstreams_on_accepted(struct data_upstreams *upstreams,
                                void (*on_accepted)(void *arg, size_t target, uint64_t arrived_ns), void *arg)
{
    upstreams->accepted = on_accepted;
    upstreams->accepted_arg = arg;
}

bool data_upstreams_each(const struct data_upstreams *upstreams, size_t i, struct northbound_data_upstream *out)
{
    return northbound_data_upstream(upstreams->data, i, out);
}

void data_upstreams_on_counted(struct data_upstreams *upstreams, struct data_server *server)
{
    upstreams->server = server;
}

struct data_upstreams *data_upstreams_open(uv_loop_t *loop, const struct config *config, struct relay *relay,
                                           const struct relay_policy *policy, struct store *store,
                                           struct catalog *catalog, struct northbound *northbound, int64_t (*now)(void),
                                           char *error, size_t error_size)
{
    struct data_upstreams *upstreams = calloc(1, sizeof(*upstreams));
    const struct northbound_data_settings settings = {.loop = loop,
                                                      .config = config,
                                                      .policy = policy,
                                                      .catalog = catalog,
                                                      .store = store,
                                                      .now = now,
                                                      .make_cuid = make_cuid,
                                                      .counted = counted,
                                                      .accepted = accepted,
                                                      .arg = upstreams};

    snprintf(error, error_size, "out of memory");
    if (!upstreams)
        return NULL;
    upstreams->relay = relay;
    upstreams->northbound = northbound;
    upstreams->data = northbound_data_open(&settings, error, error_size);
    if (!upstreams->data) {
        free(upstreams);
        return NULL;
    }
    upstreams->any = northbound_data_hook(upstreams->data, &upstreams->hook);
    return upstreams;
}

int data_upstreams_load(struct data_upstreams *upstreams, const char *key, size_t key_length, const uint8_t *value,
                        size_t length)
{
    return northbound_data_load(upstreams->data, key, key_length, value, length);
}

void data_upstreams_renamed(struct data_upstreams *upstreams, const struct upstream_cuid *cuid)
{
    northbound_data_renamed(upstreams->data, cuid->target, cuid->owner);
}

const struct catalog_upstream *data_upstreams_hook(const struct data_upstreams *upstreams)
{
    return upstreams->any ? &upstreams->hook : NULL;
}

void data_upstreams_start(struct data_upstreams *upstreams)
{
    northbound_data_start(upstreams->data);
}

void data_upstreams_apply(struct data_upstreams *upstreams, struct northbound_data_change *change,
                          const struct relay_policy *policy)
{
    northbound_data_apply(upstreams->data, change, policy);
}

static void closed(void *arg)
{
    struct data_upstreams *upstreams = arg;

    upstreams->on_closed(upstreams->arg);
    free(upstreams);
}

void data_upstreams_close(struct data_upstreams *upstreams, void (*on_closed)(void *arg), void *arg)
{
    upstreams->on_closed = on_closed;
    upstreams->arg = arg;
    upstreams->server = NULL;
    northbound_data_close(upstreams->data, closed, upstreams);
}
