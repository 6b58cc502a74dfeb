/* reload: another configuration takes the place of the one in force, in one step. */

#include <stdio.h>
#include <stdlib.h>

#include "southbound/data/data.h"

struct http_tls data_tls(const struct config *config)
{
    return (struct http_tls){.certificate = config->tls.certificate,
                             .private_key = config->tls.private_key,
                             .trust_anchors = config->tls.trust_anchors,
                             .client_certificate = HTTP_CLIENT_CERTIFICATE_REQUIRED,
                             .ticket_keys = config->tls.ticket_keys.at,
                             .ticket_keys_length = config->tls.ticket_keys.length};
}

struct data_change {
    const struct config *config;
    struct south_clients *owners;   /* the new table; once applied, the old one */
    struct http_material *material; /* NULL: no listener; once applied, the old one */
};

struct data_change *data_prepare(const struct data_server *server, const struct config *config, char *error,
                                 size_t error_size)
{
    struct data_change *change = calloc(1, sizeof(*change));

    snprintf(error, error_size, "out of memory");
    if (!change)
        return NULL;
    change->config = config;
    change->owners = south_clients_new(config);
    if (change->owners && south_clients_meet(change->owners, server->owners) == 0) {
        const struct http_tls tls = data_tls(config);

        if (!server->http)
            return change;
        change->material = http_material_load(&tls, error, error_size);
        if (change->material)
            return change;
    }
    data_change_free(change);
    return NULL;
}

void data_apply(struct data_server *server, struct data_change *change)
{
    struct south_clients *old = server->owners;

    south_clients_adopt(change->owners, old);
    server->owners = change->owners;
    change->owners = old;
    server->config = change->config;
    if (server->http)
        http_renew(server->http, change->material);
}

void data_change_free(struct data_change *change)
{
    if (!change)
        return;
    south_clients_free(change->owners);
    http_material_free(change->material);
    free(change);
}
