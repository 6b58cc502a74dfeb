/* resolve: names of servers to addresses, off the loop, with a small cache. */

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <utlist.h>

#include "northbound/signal/resolve.h"

#define HOST_MAX 254u

struct name {
    struct resolver *resolver;
    char host[HOST_MAX];
    struct resolved resolved;
    bool known, busy;
    uint64_t at; /* of the last look-up's end */
    bool failed; /* the last look-up did */
    uv_getaddrinfo_t request;
    struct resolve_waiter *waiters;
};

struct resolver {
    uv_loop_t *loop;
    struct name *names[RESOLVE_NAMES_MAX];
    size_t count, busy;
    bool closing;
    void (*on_closed)(void *arg);
    void *arg;
    struct resolved numeric;
};

int resolve_numeric(const char *text, struct sockaddr_storage *out, socklen_t *length)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)out;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;

    memset(out, 0, sizeof(*out));
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        *length = sizeof(*v4);
        return 0;
    }
    if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        *length = sizeof(*v6);
        return 0;
    }
    return -1;
}

socklen_t resolve_address_length(const struct sockaddr_storage *address)
{
    return address->ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
}

struct resolver *resolver_new(uv_loop_t *loop)
{
    struct resolver *resolver = calloc(1, sizeof(*resolver));

    if (resolver)
        resolver->loop = loop;
    return resolver;
}

static void resolver_free(struct resolver *resolver)
{
    for (size_t i = 0; i < resolver->count; i++)
        free(resolver->names[i]);
    if (resolver->on_closed)
        resolver->on_closed(resolver->arg);
    free(resolver);
}

void resolver_close(struct resolver *resolver, void (*on_closed)(void *arg), void *arg)
{
    resolver->closing = true;
    resolver->on_closed = on_closed;
    resolver->arg = arg;
    for (size_t i = 0; i < resolver->count; i++) {
        while (resolver->names[i]->waiters)
            resolver_cancel(resolver->names[i]->waiters);
        if (resolver->names[i]->busy)
            uv_cancel((uv_req_t *)&resolver->names[i]->request);
    }
    if (resolver->busy == 0)
        resolver_free(resolver);
}

static struct name *find(const struct resolver *resolver, const char *host)
{
    for (size_t i = 0; i < resolver->count; i++) {
        if (strcasecmp(resolver->names[i]->host, host) == 0)
            return resolver->names[i];
    }
    return NULL;
}

const struct resolved *resolver_get(struct resolver *resolver, const char *host, bool *fresh)
{
    socklen_t length;
    struct name *name;

    if (resolve_numeric(host, &resolver->numeric.addresses[0], &length) == 0) {
        resolver->numeric.count = 1;
        *fresh = true;
        return &resolver->numeric;
    }
    name = find(resolver, host);
    *fresh = name && name->known && !name->busy &&
             uv_now(resolver->loop) - name->at < (name->failed ? RESOLVE_RETRY_MS : RESOLVE_FRESH_MS);
    return name && name->known ? &name->resolved : NULL;
}

static void keep(struct resolved *resolved, const struct addrinfo *list)
{
    resolved->count = 0;
    resolved->error[0] = '\0';
    for (; list && resolved->count < RESOLVE_ADDRESSES_MAX; list = list->ai_next) {
        if ((list->ai_family != AF_INET && list->ai_family != AF_INET6) ||
            list->ai_addrlen > sizeof(resolved->addresses[0]))
            continue;
        memset(&resolved->addresses[resolved->count], 0, sizeof(resolved->addresses[0]));
        memcpy(&resolved->addresses[resolved->count++], list->ai_addr, list->ai_addrlen);
    }
}

static void looked_up(uv_getaddrinfo_t *request, int status, struct addrinfo *list)
{
    struct name *name = request->data;
    struct resolver *resolver = name->resolver;

    name->busy = false;
    resolver->busy--;
    if (resolver->closing) {
        uv_freeaddrinfo(list);
        if (resolver->busy == 0)
            resolver_free(resolver);
        return;
    }
    name->failed = status != 0 || !list;
    if (!name->failed)
        keep(&name->resolved, list);
    else
        snprintf(name->resolved.error, sizeof(name->resolved.error), "%s",
                 status ? uv_strerror(status) : "no addresses");
    uv_freeaddrinfo(list);
    name->known = true;
    name->at = uv_now(resolver->loop);

    /* A waiter that asks again from its callback is not called again in this round. */
    struct resolve_waiter *waiter;

    DL_FOREACH(name->waiters, waiter)
    {
        waiter->ready = true;
    }
    while ((waiter = name->waiters) && waiter->ready) {
        resolver_cancel(waiter);
        waiter->done(waiter->arg);
    }
}

/* A free place, or that of the oldest answer nobody waits for. */
static struct name *make(struct resolver *resolver, const char *host)
{
    struct name *name = NULL;
    size_t length = strlen(host);

    if (length >= HOST_MAX)
        return NULL;
    if (resolver->count < RESOLVE_NAMES_MAX) {
        name = calloc(1, sizeof(*name));
        if (!name)
            return NULL;
        resolver->names[resolver->count++] = name;
    } else {
        for (size_t i = 0; i < resolver->count; i++) {
            if (!resolver->names[i]->busy && (!name || resolver->names[i]->at < name->at))
                name = resolver->names[i];
        }
        if (!name)
            return NULL;
        memset(name, 0, sizeof(*name));
    }
    name->resolver = resolver;
    memcpy(name->host, host, length + 1);
    return name;
}

int resolver_ask(struct resolver *resolver, const char *host, struct resolve_waiter *waiter)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_DGRAM};
    struct name *name = find(resolver, host);

    if (!name)
        name = make(resolver, host);
    if (!name || resolver->closing)
        return -1;
    if (!name->busy) {
        name->request.data = name;
        if (uv_getaddrinfo(resolver->loop, &name->request, looked_up, host, NULL, &hints) != 0)
            return -1;
        name->busy = true;
        resolver->busy++;
    }
    waiter->name = name;
    waiter->ready = false;
    DL_APPEND(name->waiters, waiter);
    return 0;
}

void resolver_cancel(struct resolve_waiter *waiter)
{
    struct name *name = waiter->name;

    if (!name)
        return;
    DL_DELETE(name->waiters, waiter);
    waiter->name = NULL;
}
