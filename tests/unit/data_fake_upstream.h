/* data_fake_upstream: a RESTCONF server on gateway/http that keeps dots-clients in JSON, and misbehaves when told to.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/http/http.h"
#include "tests/unit/coap_pki.h"

#define FAKE_DOTS "/restconf/data/ietf-dots-data-channel:dots-data"
#define FAKE_HELD_MAX 64u

struct fake_upstream {
    struct http_server *server;
    int port;
    json_t *clients;   /* cuid -> { "cdid"?, "alias": [], "acl": [] } */
    char log[1048576]; /* "PUT /aliases/alias=a 201\n"; without the path of the client */
    char via[256];     /* of the last request that had one: what the gateway asks by itself has none */
    char refuse[128];  /* requests whose path ends so are refused */
    int refuse_status;
    const char *refuse_body;
    bool holds; /* requests stay without an answer */
    struct http_exchange *held[FAKE_HELD_MAX];
    size_t held_count;
    bool knows_no_insert;
    const char *host_meta; /* NULL: the usual one */
    int host_meta_status;
    json_int_t pending; /* pending-lifetime of all; 0: not told */
};

static UNUSED void fake_answer(struct fake_upstream *fake, struct http_exchange *exchange, int status, const char *type,
                               const char *body)
{
    const struct http_header headers[] = {{"content-type", type}};

    (void)fake;
    http_respond(exchange, (unsigned)status, headers, body ? 1 : 0, body, body ? strlen(body) : 0);
}

static UNUSED void fake_answer_json(struct fake_upstream *fake, struct http_exchange *exchange, json_t *body)
{
    char *text = json_dumps(body, JSON_COMPACT);

    fake_answer(fake, exchange, 200, "application/yang-data+json", text);
    free(text);
    json_decref(body);
}

static UNUSED void fake_decode(char *text)
{
    char *to = text, digits[3] = "";

    for (; *text; text++) {
        if (*text == '%') {
            memcpy(digits, text + 1, 2);
            *to++ = (char)strtol(digits, NULL, 16);
            text += 2;
        } else {
            *to++ = *text;
        }
    }
    *to = '\0';
}

static UNUSED size_t fake_index(const json_t *list, const char *name)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (strcmp(json_string_value(json_object_get(json_array_get(list, i), "name")), name) == 0)
            return i;
    return SIZE_MAX;
}

/* RFC 8040 sections 4.5, 4.8.5. Returns the status. */
static UNUSED int fake_put(json_t *list, const char *name, json_t *entry, char *query)
{
    size_t at = fake_index(list, name), to = at == SIZE_MAX ? json_array_size(list) : at;
    int status = at == SIZE_MAX ? 201 : 204;
    char *point = query ? strstr(query, "point=") : NULL;

    json_incref(entry);
    if (at != SIZE_MAX)
        json_array_remove(list, at);
    if (point) {
        fake_decode(point);
        fake_decode(point); /* the key in the path that stands in a query */
        to = fake_index(list, strrchr(point, '=') + 1);
        assert_true(to != SIZE_MAX);
        if (strstr(query, "insert=after"))
            to++;
    } else if (query && strstr(query, "insert=first")) {
        to = 0;
    }
    json_array_insert_new(list, to, entry);
    return status;
}

static UNUSED void fake_entry(struct fake_upstream *fake, struct http_exchange *exchange,
                              const struct http_request *request, json_t *client, char *path, int *status)
{
    bool alias = strncmp(path, "/aliases/alias=", 15) == 0;
    json_t *list = json_object_get(client, alias ? "alias" : "acl"), *body, *entry;
    char *name = strchr(path, '=') + 1, query[1024] = "";

    fake_decode(name);
    if (strcmp(request->method, "DELETE") == 0) {
        *status = fake_index(list, name) == SIZE_MAX ? 404 : 204;
        if (*status == 204)
            json_array_remove(list, fake_index(list, name));
        return;
    }
    assert_string_equal(request->method, "PUT");
    if (request->query && fake->knows_no_insert) {
        *status = 400;
        return;
    }
    if (request->query)
        snprintf(query, sizeof(query), "%s", request->query);
    body = json_loadb((const char *)request->body, request->body_length, 0, NULL);
    entry = json_array_get(
        json_object_get(json_object_get(body, alias ? "ietf-dots-data-channel:aliases" : "ietf-dots-data-channel:acls"),
                        alias ? "alias" : "acl"),
        0);
    assert_non_null(entry);
    assert_string_equal(json_string_value(json_object_get(entry, "name")), name);
    *status = fake_put(list, name, entry, request->query ? query : NULL);
    json_decref(body);
    (void)exchange;
}

static UNUSED json_t *fake_listing(const struct fake_upstream *fake, const char *cuid, const json_t *client)
{
    json_t *copy = json_deep_copy(client), *listing;

    for (unsigned kind = 0; kind < 2 && fake->pending; kind++) {
        json_t *list = json_object_get(copy, kind ? "acl" : "alias");

        for (size_t i = 0; i < json_array_size(list); i++)
            json_object_set_new(json_array_get(list, i), "pending-lifetime", json_integer(fake->pending));
    }
    listing = json_pack("{s:[{s:s,s:{s:O},s:{s:O}}]}", "ietf-dots-data-channel:dots-client", "cuid", cuid, "aliases",
                        "alias", json_object_get(copy, "alias"), "acls", "acl", json_object_get(copy, "acl"));
    json_decref(copy);
    return listing;
}

static UNUSED int fake_register(struct fake_upstream *fake, const struct http_request *request)
{
    json_t *body = json_loadb((const char *)request->body, request->body_length, 0, NULL);
    const json_t *client = json_array_get(json_object_get(body, "ietf-dots-data-channel:dots-client"), 0);
    const char *cuid = json_string_value(json_object_get(client, "cuid"));
    int status = 409;

    assert_non_null(cuid);
    if (!json_object_get(fake->clients, cuid)) {
        json_t *made = json_pack("{s:[],s:[]}", "alias", "acl");

        if (json_object_get(client, "cdid"))
            json_object_set(made, "cdid", json_object_get(client, "cdid"));
        json_object_set_new(fake->clients, cuid, made);
        status = 201;
    }
    json_decref(body);
    return status;
}

/* Everything below a dots-client; 0: it is answered already. */
static UNUSED int fake_client(struct fake_upstream *fake, struct http_exchange *exchange,
                              const struct http_request *request, char *path)
{
    char cuid[256], *rest = strchr(path, '/');
    json_t *client;
    int status = 404;

    snprintf(cuid, sizeof(cuid), "%.*s", (int)(rest ? (size_t)(rest - path) : strlen(path)), path);
    fake_decode(cuid);
    client = json_object_get(fake->clients, cuid);
    if (!client)
        return 404;
    if (rest) {
        fake_entry(fake, exchange, request, client, rest, &status);
        return status;
    }
    if (strcmp(request->method, "DELETE") == 0) {
        json_object_del(fake->clients, cuid);
        return 204;
    }
    json_t *listing = fake_listing(fake, cuid, client);
    fake_answer_json(fake, exchange, listing);
    return 0;
}

static UNUSED bool fake_is_refused(const struct fake_upstream *fake, const char *path)
{
    size_t length = strlen(path), end = strlen(fake->refuse);

    return end > 0 && length >= end && strcmp(path + length - end, fake->refuse) == 0;
}

static UNUSED void fake_requested(void *arg, struct http_exchange *exchange, const struct http_request *request)
{
    static const char client[] = FAKE_DOTS "/dots-client=";
    struct fake_upstream *fake = arg;
    const char *via = http_header_find(request, "via");
    char path[1024], shown[512], method[16];
    int status;

    assert_non_null(request->peer->certificate);
    if (fake->holds) {
        assert_true(fake->held_count < FAKE_HELD_MAX);
        fake->held[fake->held_count++] = exchange;
        return;
    }
    if (strcmp(request->path, "/.well-known/host-meta") == 0) {
        fake_answer(fake, exchange, fake->host_meta_status ? fake->host_meta_status : 200, "application/xrd+xml",
                    fake->host_meta ? fake->host_meta
                                    : "<XRD xmlns='http://docs.oasis-open.org/ns/xri/xrd-1.0'>"
                                      "<Link rel='restconf' href='/restconf'/></XRD>");
        return;
    }
    if (strcmp(request->path, FAKE_DOTS "/capabilities") == 0) {
        fake_answer(fake, exchange, 200, "application/yang-data+json",
                    "{\"ietf-dots-data-channel:capabilities\":{\"address-family\":[\"ipv4\"],\"rate-limit\":true}}");
        return;
    }
    if (via)
        snprintf(fake->via, sizeof(fake->via), "%s", via);
    snprintf(path, sizeof(path), "%s", request->path);
    snprintf(method, sizeof(method), "%s", request->method);
    assert_memory_equal(path, FAKE_DOTS, strlen(FAKE_DOTS));
    snprintf(shown, sizeof(shown), "%s%s%s",
             strchr(path + strlen(FAKE_DOTS) + 1, '/') ? strchr(path + strlen(FAKE_DOTS) + 1, '/') : "",
             request->query && strncmp(request->query, "insert", 6) == 0 ? "?" : "",
             request->query && strncmp(request->query, "insert", 6) == 0 ? request->query : "");
    if (fake_is_refused(fake, request->path))
        status = fake->refuse_status;
    else if (strncmp(path, client, sizeof(client) - 1) == 0)
        status = fake_client(fake, exchange, request, path + sizeof(client) - 1);
    else
        status = fake_register(fake, request);
    snprintf(fake->log + strlen(fake->log), sizeof(fake->log) - strlen(fake->log), "%s %s %d\n", method, shown,
             status ? status : 200);
    if (status)
        fake_answer(fake, exchange, status, "application/yang-data+json",
                    status == fake->refuse_status ? fake->refuse_body : NULL);
}

static UNUSED void fake_release(struct fake_upstream *fake)
{
    fake->holds = false;
    while (fake->held_count > 0)
        http_drop(fake->held[--fake->held_count]);
}

/* port 0: any. */
static UNUSED void fake_open(struct fake_upstream *fake, uv_loop_t *loop, int port, const struct certificate *shown)
{
    static const struct http_handlers handlers = {.request = fake_requested};
    struct http_settings settings = {.name = "fake",
                                     .tls = {.certificate = shown->certificate,
                                             .private_key = shown->key,
                                             .trust_anchors = pki_ca.certificate,
                                             .client_certificate = HTTP_CLIENT_CERTIFICATE_REQUIRED}};
    char error[256] = "";

    fake->server = http_open(loop, &settings, &handlers, fake, error, sizeof(error));
    if (!fake->server)
        fail_msg("%s", error);
    fake->port = http_listen_tcp(fake->server, "127.0.0.1", (uint16_t)port, error, sizeof(error));
    if (fake->port < 0)
        fail_msg("%s", error);
    if (!fake->clients)
        fake->clients = json_object();
}

static UNUSED void fake_close(struct fake_upstream *fake)
{
    fake_release(fake);
    if (fake->server)
        http_close(fake->server, 0, NULL, NULL);
    fake->server = NULL;
}

/* "web,mail": the names of what a dots-client has, in order; "-": there is none. */
static UNUSED const char *fake_names(const struct fake_upstream *fake, const char *cuid, const char *kind)
{
    static char text[4096];
    const json_t *client = json_object_get(fake->clients, cuid), *list = json_object_get(client, kind);

    snprintf(text, sizeof(text), "%s", client ? "" : "-");
    for (size_t i = 0; i < json_array_size(list); i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", i ? "," : "",
                 json_string_value(json_object_get(json_array_get(list, i), "name")));
    return text;
}
