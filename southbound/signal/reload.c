/* reload: another configuration takes the place of the one in force, in one step. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "southbound/signal/signal.h"

struct southbound_change {
    const struct config *config;
    struct south_clients *clients; /* the new table; once applied, the old one */
    struct dots_material *material;
    int listeners; /* that were opened for it */
};

struct southbound_change *southbound_prepare(const struct southbound *southbound, const struct config *config,
                                             char *error, size_t error_size)
{
    struct southbound_change *change = calloc(1, sizeof(*change));
    struct dots_credentials credentials = south_credentials(config);

    snprintf(error, error_size, "out of memory");
    if (!change)
        return NULL;
    change->config = config;
    change->clients = south_clients_new(config);
    if (!change->clients || south_clients_meet(change->clients, southbound->clients) != 0)
        goto failed;
    if (southbound->endpoint) {
        change->material = dots_material_load(&credentials, error, error_size);
        if (!change->material)
            goto failed;
    }
    return change;

failed:
    southbound_change_free(change);
    return NULL;
}

void southbound_change_free(struct southbound_change *change)
{
    if (!change)
        return;
    south_clients_free(change->clients);
    dots_material_free(change->material);
    free(change);
}

static void set_limits(struct southbound *southbound, const struct config *before, const struct config *config)
{
    const struct config_server_limits *old = &before->limits, *new = &config->limits;

    if (old->sessions != new->sessions || old->handshakes != new->handshakes || old->body_size != new->body_size ||
        old->handshakes_per_source != new->handshakes_per_source)
        dots_endpoint_set_limits(southbound->endpoint, new->body_size, south_sessions_max(config), new->handshakes,
                                 new->handshakes_per_source);
}

static bool same_session(const struct config_session *a, const struct config_session *b)
{
    return memcmp(a, b, sizeof(*a)) == 0; /* numbers of one size: there is no padding */
}

int southbound_listen(struct southbound *southbound, struct southbound_change *change, char *error, size_t error_size)
{
    if (!southbound->endpoint)
        return 0;
    change->listeners = south_listen(southbound, southbound->config, change->config, error, error_size);
    return change->listeners < 0 ? -1 : 0;
}

void southbound_unlisten(struct southbound *southbound, const struct southbound_change *change)
{
    for (int i = 0; i < change->listeners; i++)
        dots_endpoint_listen_undo(southbound->endpoint);
}

void southbound_apply(struct southbound *southbound, struct southbound_change *change)
{
    const struct config *before = southbound->config, *config = change->config;
    struct south_clients *old = southbound->clients;

    if (southbound->endpoint) {
        set_limits(southbound, before, config);
        /* A ticket stands for a key that was proved once: with another key it proves nothing. */
        if (!dots_endpoint_renew(southbound->endpoint, change->material) && south_clients_keys_changed(change->clients))
            dots_endpoint_forget_tickets(southbound->endpoint);
    }
    south_clients_adopt(change->clients, old);
    southbound->clients = change->clients;
    change->clients = old;
    southbound->review_config = southbound->review_config || !same_session(&before->mitigating, &config->mitigating) ||
                                !same_session(&before->idle, &config->idle);
    southbound->config = config;
    southbound->generation++;
    south_review_begin(southbound);
}

bool southbound_knows(const struct southbound *southbound, const char *client)
{
    return south_clients_named(southbound->clients, client) != NULL;
}

bool southbound_allows(const struct southbound *southbound, const char *client, const struct wire_target *target)
{
    const struct south_client *found = south_clients_named(southbound->clients, client);
    char reason[SOUTH_REASON_MAX];

    return !found || !scope_unauthorized_by(target, found->grant, reason, sizeof(reason));
}

void southbound_drain(struct southbound *southbound, bool on)
{
    if (southbound->draining == on)
        return;
    southbound->draining = on;
    if (on)
        south_review_begin(southbound);
}

unsigned southbound_sessions(const struct southbound *southbound)
{
    return southbound->endpoint ? dots_endpoint_sessions(southbound->endpoint) : 0;
}

bool southbound_reviewing(const struct southbound *southbound)
{
    return southbound->reviewing;
}
