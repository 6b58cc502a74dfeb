/* request: number, lines of the log and counters of a request, from its arrival to its answer. */

#include <stdlib.h>
#include <string.h>

#include "gateway/log/log.h"
#include "southbound/data/data.h"

struct data_request {
    struct data_server *server;
    uint64_t number, arrived_ns;
    size_t method;
    struct south_client *owner; /* a reference; NULL: nobody known */
};

static const char *const methods[DATA_METHODS] = {"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"};

const char *data_method_name(size_t method)
{
    return methods[method];
}

const struct data_counters *data_counters(const struct data_server *server)
{
    return &server->counters;
}

bool data_request_begin(struct data_server *server, struct http_exchange *exchange, const struct http_request *http)
{
    struct data_request *request = calloc(1, sizeof(*request));

    if (!request)
        return false;
    request->server = server;
    request->number = log_request();
    request->arrived_ns = uv_hrtime();
    while (request->method < DATA_METHODS - 1 && strcmp(methods[request->method], http->method) != 0)
        request->method++;
    server->counters.requests[request->method]++;
    http_exchange_set_user(exchange, request);
    return true;
}

uint64_t data_request_number(const struct http_exchange *exchange)
{
    return ((const struct data_request *)http_exchange_user(exchange))->number;
}

uint64_t data_request_arrived(const struct http_exchange *exchange)
{
    return ((const struct data_request *)http_exchange_user(exchange))->arrived_ns;
}

/* What of the tree it is about: one of a few words, whatever a client asks for. */
static const char *kind_of(const struct data_path *path)
{
    static const char *const roots[] = {[DATA_ROOT_HOST_META] = "host-meta",
                                        [DATA_ROOT_API] = "restconf",
                                        [DATA_ROOT_DATASTORE] = "data",
                                        [DATA_ROOT_OPERATIONS] = "operations",
                                        [DATA_ROOT_LIBRARY_VERSION] = "yang-library-version"};
    static const char *const names[] = {"acl", "alias", "acls", "aliases", "capabilities", "dots-client", "dots-data"};

    if (!path)
        return "unknown";
    for (size_t i = path->step_count; i > 0; i--)
        for (size_t j = 0; j < sizeof(names) / sizeof(names[0]); j++)
            if (strcmp(path->steps[i - 1].name, names[j]) == 0)
                return names[j];
    return path->step_count == 0 || path->root == DATA_ROOT_OPERATIONS ? roots[path->root] : "state";
}

static const char *name_of(const struct south_client *owner)
{
    return owner ? owner->config->name : "unknown";
}

void data_request_log(struct http_exchange *exchange, const struct http_request *http, struct south_client *owner,
                      const struct data_path *path)
{
    struct data_request *request = http_exchange_user(exchange);

    if (owner) {
        south_client_ref(owner);
        request->owner = owner;
    }
    log_debug("request", LOG_REQUEST " client %s on %s: %s %s, %zu bytes", request->number, name_of(owner),
              http->peer->text, methods[request->method], kind_of(path), http->body_length);
}

/* ---- The end ---- */

static void request_free(struct data_request *request)
{
    if (request->owner)
        south_client_unref(request->owner);
    free(request);
}

static struct data_request *answered(struct http_exchange *exchange, unsigned status)
{
    struct data_request *request = http_exchange_user(exchange);

    request->server->counters.responses[request->method][http_status_place(status)]++;
    return request;
}

void data_respond(struct http_exchange *exchange, unsigned status, const struct http_header *headers, size_t count,
                  const void *body, size_t length)
{
    struct data_request *request = answered(exchange, status);

    log_debug("answer", LOG_REQUEST " client %s: %u, %zu bytes", request->number, name_of(request->owner), status,
              length);
    http_respond(exchange, status, headers, count, body, length);
    request_free(request);
}

void data_respond_source(struct http_exchange *exchange, unsigned status, const struct http_header *headers,
                         size_t count, const struct http_source *source)
{
    struct data_request *request = answered(exchange, status);

    log_debug("answer", LOG_REQUEST " client %s: %u, as long as it is", request->number, name_of(request->owner),
              status);
    http_respond_source(exchange, status, headers, count, source);
    request_free(request);
}

void data_drop(struct http_exchange *exchange)
{
    struct data_request *request = http_exchange_user(exchange);

    log_debug("answer", LOG_REQUEST " client %s: none", request->number, name_of(request->owner));
    http_drop(exchange);
    request_free(request);
}
