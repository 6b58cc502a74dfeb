/* rules: what must hold between keys. */
#include "gateway/config/rules.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/config/certificate.h"
#include "gateway/config/unique.h"

#define CUIDS 16u           /* of a client */
#define CUIDS_CDID 1000000u /* of a gateway that speaks for many clients */

int config_rule_tls(struct loader *loader, const struct node *map, void *base)
{
    const struct config_credentials *tls = base;

    if (!tls->certificate != !tls->private_key)
        return config_fault(loader, map, "certificate and private-key go together: %s is missing here",
                            tls->certificate ? "private-key" : "certificate");
    return config_certificate_check(loader, map, tls);
}

int config_rule_credentials(struct loader *loader, const struct node *map, void *base)
{
    const struct config_credentials *credentials = base;
    const struct node *key_file = config_node_find(map, "key-file");

    if (credentials->psk_identity && credentials->certificate)
        return config_fault(loader, map, "credentials: give a certificate or a psk, not both");
    if (credentials->psk_identity && !key_file)
        return config_fault(loader, map, "key-file is missing here: psk needs the file of its key");
    if (key_file && !credentials->psk_identity)
        return config_fault(loader, key_file, "key-file: psk is missing; it names the identity of the key");
    return config_rule_tls(loader, map, base);
}

int config_rule_identity(struct loader *loader, const struct node *map, void *base)
{
    static const char *const names[] = {
        [CONFIG_IDENTITY_SAN] = "san", [CONFIG_IDENTITY_SPKI] = "spki-sha256", [CONFIG_IDENTITY_PSK] = "psk"};
    struct config_client_identity *identity = base;
    const struct node *value = NULL, *key_file = config_node_find(map, "key-file");

    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const struct node *given = config_node_find(map, names[i]);

        if (given && value)
            return config_fault(
                loader, map, "an identity is exactly one of san, spki-sha256, psk; write each as an entry of its own");
        if (given) {
            value = given;
            identity->kind = (enum config_identity_kind)i;
        }
    }
    if (!value)
        return config_fault(loader, map, "one of san, spki-sha256, psk is missing here");
    if (identity->kind == CONFIG_IDENTITY_PSK && !key_file)
        return config_fault(loader, map, "key-file is missing here: psk needs the file of its key");
    if (identity->kind != CONFIG_IDENTITY_PSK && key_file)
        return config_fault(loader, key_file, "key-file: only an identity by psk has one; remove it");
    identity->line = (int)value->line;
    identity->column = (int)value->column;
    return 0;
}

int config_rule_upstream_data(struct loader *loader, const struct node *map, void *base)
{
    (void)loader;
    (void)map;
    ((struct config_upstream_data *)base)->given = true;
    return 0;
}

int config_rule_client(struct loader *loader, const struct node *map, void *base)
{
    struct config_client *client = base;

    (void)loader;
    (void)map;
    if (client->limits.cuids == 0) /* not given: 0 is out of range */
        client->limits.cuids = client->supplies_cdid ? CUIDS_CDID : CUIDS;
    return 0;
}

int config_rule_mitigator(struct loader *loader, const struct node *map, void *base)
{
    const struct config_mitigator *mitigator = base;

    if (mitigator->driver == CONFIG_DRIVER_EXEC && !mitigator->exec)
        return config_fault(loader, map, "exec is missing here: driver exec needs the program to run");
    return 0;
}

int config_rule_terminating(struct loader *loader, const struct node *map, void *base)
{
    const struct config *config = base;

    if (config->terminating.initial_ms > config->terminating.max_ms)
        return config_fault(loader, map, "initial must not be longer than max");
    return 0;
}

/* The form in which two equal identities are the same text. */
static const char *identity_text(const struct config_client_identity *identity, char *buffer, size_t size)
{
    unsigned char address[16];

    if (identity->kind == CONFIG_IDENTITY_SPKI) {
        for (size_t i = 0; i < sizeof(identity->spki); i++)
            snprintf(buffer + 2 * i, size - 2 * i, "%02x", identity->spki[i]);
        return buffer;
    }
    if (identity->kind == CONFIG_IDENTITY_PSK)
        return identity->name;
    if (inet_pton(AF_INET6, identity->name, address) == 1)
        return inet_ntop(AF_INET6, address, buffer, (socklen_t)size);
    if (strchr(identity->name, ':'))
        return identity->name; /* a URI: letters count */
    snprintf(buffer, size, "%s", identity->name);
    for (char *at = buffer; *at; at++)
        *at = (char)tolower((unsigned char)*at); /* DNS names compare without case */
    return buffer;
}

static int identities_unique(struct loader *loader, struct unique *unique, const struct config_client *client)
{
    static const char *const kinds[] = {
        [CONFIG_IDENTITY_SAN] = "san", [CONFIG_IDENTITY_SPKI] = "spki-sha256", [CONFIG_IDENTITY_PSK] = "psk"};
    char buffer[256];

    for (size_t i = 0; i < client->identity_count; i++) {
        const struct config_client_identity *identity = &client->identities[i];

        if (config_unique_add(loader, unique, kinds[identity->kind], identity_text(identity, buffer, sizeof(buffer)),
                              client->name, identity->line, identity->column) != 0)
            return -1;
    }
    return 0;
}

/* The names of the entries of a list of mappings. */
static int names_unique(struct loader *loader, struct unique *unique, const char *kind, const struct node *list)
{
    for (const struct node *entry = list ? list->first : NULL; entry; entry = entry->next) {
        const struct node *name = config_node_find(entry, "name");

        if (config_unique_add(loader, unique, kind, name->text, NULL, (int)name->line, (int)name->column) != 0)
            return -1;
    }
    return 0;
}

static int all_unique(struct loader *loader, const struct node *root, const struct config *config)
{
    struct unique unique = {0};
    int result = -1;

    if (names_unique(loader, &unique, "client", config_node_find(root, "clients")) == 0 &&
        names_unique(loader, &unique, "upstream", config_node_find(root, "upstreams")) == 0 &&
        names_unique(loader, &unique, "mitigator", config_node_find(root, "mitigators")) == 0 &&
        names_unique(loader, &unique, "detector", config_node_find(root, "detectors")) == 0 &&
        names_unique(loader, &unique, "attack rule", config_node_find(root, "attack-rules")) == 0)
        result = 0;
    for (size_t i = 0; result == 0 && i < config->client_count; i++)
        result = identities_unique(loader, &unique, &config->clients[i]);
    config_unique_free(&unique);
    return result;
}

/* HTTPS knows TCP only, whatever transports says. */
static unsigned bound(const struct config_listener *listener)
{
    return listener->channel == CONFIG_CHANNEL_DATA ? CONFIG_TCP : listener->transports;
}

/* Two listeners on one socket: the second could not be bound. */
static int listeners_apart(struct loader *loader, const struct node *list, const struct config *config)
{
    const struct node *entry = list ? list->first : NULL;

    for (size_t i = 0; entry && i < config->listener_count; i++, entry = entry->next)
        for (size_t j = 0; j < i; j++) {
            const struct config_listener *a = &config->listeners[i], *b = &config->listeners[j];

            if (a->port == b->port && (bound(a) & bound(b)) && strcmp(a->address, b->address) == 0)
                return config_fault(
                    loader, entry,
                    "listeners %zu and %zu have the same address, port and transport; change or remove one", j + 1,
                    i + 1);
        }
    return 0;
}

/* Mutual authentication always: each listener needs something to show, and to know clients by. */
static int listeners_secured(struct loader *loader, const struct node *list, const struct config *config)
{
    const bool tls = config->tls.certificate && config->tls.trust_anchors;
    bool psk = false;

    if (config->listener_count == 0)
        return 0;
    for (size_t i = 0; i < config->client_count; i++)
        for (size_t j = 0; j < config->clients[i].identity_count; j++) {
            const struct config_client_identity *identity = &config->clients[i].identities[j];

            psk = psk || identity->kind == CONFIG_IDENTITY_PSK;
            if (identity->kind != CONFIG_IDENTITY_PSK && !tls)
                return config_error_set(
                    loader->error, identity->line, identity->column,
                    "a client with a certificate needs tls: { certificate, private-key, trust-anchors } in this file");
        }
    for (size_t i = 0; i < config->listener_count; i++)
        if (config->listeners[i].channel == CONFIG_CHANNEL_DATA && !tls)
            return config_fault(loader, list,
                                "the data channel needs tls: { certificate, private-key, trust-anchors } in this file");
    if (!tls && !psk)
        return config_fault(loader, list,
                            "listeners need tls: { certificate, private-key, trust-anchors }, or clients with psk");
    if (config->client_count == 0)
        log_warning("config-no-clients", "there are listeners but no clients: nobody will be served; add clients");
    return 0;
}

/* Takes the text of tls over where the upstream has none. */
static int inherit(char **field, const char *text)
{
    if (*field || !text)
        return 0;
    *field = strdup(text);
    return *field ? 0 : -1;
}

/* Where nothing is said about the host of the data channel, it is that of the signal channel. */
static int data_complete(struct loader *loader, const struct node *entry, struct config_upstream *upstream)
{
    const struct config_server *server = &upstream->servers[0];
    struct config_upstream_data *data = &upstream->data;

    if (!data->given)
        return 0;
    if (upstream->credentials.psk_identity)
        return config_fault(loader, config_node_find(entry, "data"),
                            "data: the data channel needs a certificate with its key, and upstream %s has a psk",
                            upstream->name);
    if (data->host)
        return 0;
    if (inherit(&data->host, server->host) != 0)
        return config_fault(loader, entry, "out of memory");
    if (data->addresses.count > 0 || server->addresses.count == 0)
        return 0;
    data->addresses.at = calloc(server->addresses.count, sizeof(*data->addresses.at));
    if (!data->addresses.at)
        return config_fault(loader, entry, "out of memory");
    data->addresses.count = server->addresses.count;
    for (size_t i = 0; i < server->addresses.count; i++)
        if (inherit(&data->addresses.at[i], server->addresses.at[i]) != 0)
            return config_fault(loader, entry, "out of memory");
    return 0;
}

static int upstream_complete(struct loader *loader, const struct node *entry, const struct config *config,
                             struct config_upstream *upstream)
{
    struct config_credentials *own = &upstream->credentials;
    const struct node *place = config_node_find(entry, "credentials");

    if (!config_node_find(entry, "insert-cdid"))
        upstream->insert_cdid = config->gateway.domain_side_server && upstream->identity == CONFIG_IDENTITY_CLIENT;
    if (data_complete(loader, entry, upstream) != 0)
        return -1;
    if (own->psk_identity)
        return 0;
    if ((!own->certificate && (inherit(&own->certificate, config->tls.certificate) != 0 ||
                               inherit(&own->private_key, config->tls.private_key) != 0)) ||
        inherit(&own->trust_anchors, config->tls.trust_anchors) != 0)
        return config_fault(loader, entry, "out of memory");
    if (!own->certificate || !own->trust_anchors)
        return config_fault(
            loader, place ? place : entry,
            "upstream %s has no %s: give it under credentials or for all under tls, or a psk with key-file",
            upstream->name, own->certificate ? "trust-anchors" : "certificate and private-key");
    return 0;
}

/* Without any, every request for a prefix would be refused. */
static int someone_owns(struct loader *loader, const struct node *place, const struct config *config)
{
    if (config->fan_out != CONFIG_FAN_OUT_BY_PREFIX || config->upstream_count == 0)
        return 0;
    for (size_t i = 0; i < config->upstream_count; i++)
        if (config->upstreams[i].owns.count > 0)
            return 0;
    return config_fault(loader, place,
                        "fan-out: by-prefix needs to know whose prefixes are whose; give upstreams owns");
}

int config_rule_config(struct loader *loader, const struct node *root, struct config *config)
{
    const struct node *entry = config_node_find(root, "upstreams"), *nat = config_node_find(root, "nat");

    if (config->listener_count == 0 && config->upstream_count == 0)
        return config_fault(loader, root, "listeners and upstreams are both missing: give at least one of them");
    if (listeners_apart(loader, config_node_find(root, "listeners"), config) != 0 ||
        listeners_secured(loader, config_node_find(root, "listeners"), config) != 0 ||
        config_rule_mappings(loader, nat ? config_node_find(nat, "mappings") : NULL, config) != 0)
        return -1;
    entry = entry ? entry->first : NULL;
    for (size_t i = 0; entry && i < config->upstream_count; i++, entry = entry->next)
        if (upstream_complete(loader, entry, config, &config->upstreams[i]) != 0)
            return -1;
    if (someone_owns(loader, config_node_find(root, "fan-out"), config) != 0)
        return -1;
    return all_unique(loader, root, config) == 0 ? config_rule_detectors(loader, root, config) : -1;
}
