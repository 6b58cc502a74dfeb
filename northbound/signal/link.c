/* link: life of a link and of what links share; the one timer that drives each. */

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>

#include "northbound/signal/link_state.h"

uint64_t link_now(const struct link *link)
{
    return uv_now(link->endpoint->loop);
}

void link_alert(struct link *link, const char *event, const char *format, ...)
{
    char text[2 * LINK_TEXT];
    va_list list;

    va_start(list, format);
    vsnprintf(text, sizeof(text), format, list);
    va_end(list);
    link->handlers->alert(link->arg, event, text);
}

bool link_urgent(const struct link *link)
{
    return link->mitigating || link->urgent > 0;
}

/* ---- What links share ---- */

void link_servers_free(struct server *servers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(servers[i].host);
        free(servers[i].addresses);
    }
}

static void endpoint_free(struct link_endpoint *endpoint)
{
    link_servers_free(endpoint->servers, endpoint->server_count);
    for (size_t i = 0; i < endpoint->ticket_count; i++)
        dots_resumption_free(endpoint->tickets[i].resumption);
    free(endpoint);
}

int link_server_copy(struct server *to, const struct link_server *from)
{
    to->host = strdup(from->host);
    to->port = from->port;
    to->addresses = calloc(from->address_count ? from->address_count : 1, sizeof(*to->addresses));
    if (!to->host || !to->addresses)
        return -1;
    for (size_t i = 0; i < from->address_count; i++) {
        socklen_t length;

        if (resolve_numeric(from->addresses[i], &to->addresses[to->address_count], &length) == 0)
            to->address_count++;
    }
    return 0;
}

struct link_endpoint *link_endpoint_open(uv_loop_t *loop, const struct link_endpoint_settings *settings, char *error,
                                         size_t error_size)
{
    struct link_endpoint *endpoint = calloc(1, sizeof(*endpoint));
    struct dots_endpoint_settings dots = {.handlers = &link_dots_handlers,
                                          .arg = endpoint,
                                          .name = settings->name,
                                          .credentials = settings->credentials,
                                          .material = settings->material,
                                          .body_max = WIRE_BODY_MAX,
                                          .client_only = true};

    if (!endpoint || settings->server_count == 0 || settings->server_count > LINK_SERVERS_MAX)
        goto memory;
    endpoint->loop = loop;
    endpoint->transports = settings->transports;
    endpoint->mtu = settings->mtu;
    for (size_t i = 0; i < settings->server_count; i++) {
        endpoint->server_count = i + 1;
        if (link_server_copy(&endpoint->servers[i], &settings->servers[i]) != 0)
            goto memory;
    }
    endpoint->resolver = resolver_new(loop);
    if (!endpoint->resolver)
        goto memory;
    endpoint->dots = dots_endpoint_open(loop, &dots, error, error_size);
    if (!endpoint->dots) {
        resolver_close(endpoint->resolver, NULL, NULL);
        endpoint_free(endpoint);
        return NULL;
    }
    endpoint->handles = 2; /* resolver and endpoint */
    return endpoint;

memory:
    snprintf(error, error_size, "out of memory, or not between 1 and %u servers", LINK_SERVERS_MAX);
    if (endpoint)
        endpoint_free(endpoint);
    return NULL;
}

const struct link_counters *link_endpoint_counters(const struct link_endpoint *endpoint)
{
    return &endpoint->counters;
}

static void handle_closed(void *arg)
{
    struct link_endpoint *endpoint = arg;
    void (*on_closed)(void *arg) = endpoint->on_closed;
    void *closed_arg = endpoint->arg;

    if (--endpoint->handles > 0)
        return;
    endpoint_free(endpoint);
    if (on_closed)
        on_closed(closed_arg);
}

void link_endpoint_close(struct link_endpoint *endpoint, void (*on_closed)(void *arg), void *arg)
{
    struct link *link, *next;

    endpoint->closing = true;
    endpoint->on_closed = on_closed;
    endpoint->arg = arg;
    DL_FOREACH_SAFE2(endpoint->links, link, next, next_link)
    {
        link_close(link);
    }
    /* The sessions first: whatever is told of them finds its endpoint. */
    dots_endpoint_close(endpoint->dots, handle_closed, endpoint);
    resolver_close(endpoint->resolver, handle_closed, endpoint);
}

/* ---- A link ---- */

static void link_run(uv_timer_t *timer)
{
    struct link *link = timer->data;
    uint64_t now = link_now(link);

    if (!link->current && !link->race && now >= link->retry_at)
        race_wait(link);
    if (link->race)
        race_run(link, now);
    channels_run(link, now);
    if (!link->race && link->current && now >= link->probe_at && !link->mitigating) {
        link->probe_at = now + LINK_PROBE_MS;
        race_start(link, RACE_PROBE);
    }
    reroute_run(link, now);
    renew_run(link, now);
    if (!link->closing && link_exchange_due(link) <= now)
        link_exchange_pump(link, now);
    link_schedule(link);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

void link_schedule(struct link *link)
{
    uint64_t now = link_now(link), due;

    if (link->closing)
        return;
    due = earlier(channels_due(link), link_exchange_due(link));
    due = earlier(due, reroute_due(link));
    due = earlier(due, renew_due(link));
    if (link->race)
        due = earlier(due, link->race->due);
    else if (!link->current && !link->waiting)
        due = earlier(due, link->retry_at);
    else if (link->current && !link->mitigating)
        due = earlier(due, link->probe_at);
    if (due == LINK_NEVER)
        uv_timer_stop(&link->timer);
    else
        uv_timer_start(&link->timer, link_run, due > now ? due - now : 0, 0);
}

struct link *link_open(struct link_endpoint *endpoint, const struct link_settings *settings)
{
    struct link *link = calloc(1, sizeof(*link));

    if (!link)
        return NULL;
    link->due = deadline_heap_new();
    if (!link->due || endpoint->closing) {
        deadline_heap_free(link->due);
        free(link);
        return NULL;
    }
    link->endpoint = endpoint;
    link->handlers = settings->handlers;
    link->arg = settings->arg;
    link->mitigating = settings->mitigating;
    link->negotiates = settings->negotiate;
    link->wanted = settings->wanted;
    link->retry_at = link_now(link);
    link->race_at = link->retry_at;
    link->probe_at = link->pump_at = link->renew_at = LINK_NEVER;
    pace_init(&link->pace, link->retry_at);
    uv_timer_init(endpoint->loop, &link->timer);
    link->timer.data = link;
    DL_APPEND2(endpoint->links, link, prev, next_link);
    endpoint->handles++;
    link_schedule(link);
    return link;
}

static void link_free(uv_handle_t *handle)
{
    struct link *link = handle->data;
    struct link_endpoint *endpoint = link->endpoint;

    deadline_heap_free(link->due);
    free(link);
    handle_closed(endpoint);
}

void link_close(struct link *link)
{
    if (link->closing)
        return;
    link->closing = true;
    race_leave(link);
    race_abort(link);
    link_exchange_drop(link, NULL);
    channel_close(link->next);
    channel_close(link->current);
    link->next = link->current = NULL;
    redirect_clear(&link->redirect);
    DL_DELETE2(link->endpoint->links, link, prev, next_link);
    uv_close((uv_handle_t *)&link->timer, link_free);
}

bool link_is_up(const struct link *link)
{
    return link->current != NULL;
}

void link_set_mitigating(struct link *link, bool mitigating)
{
    if (link->mitigating == mitigating || link->closing)
        return;
    link->mitigating = mitigating;
    channels_parameters(link); /* MUST switch to the other set: section 4.5 */
    if (mitigating)
        connect_hurry(link);
    link_schedule(link);
}

void link_set_sid(struct link *link, uint32_t sid)
{
    struct channel *channels[] = {link->current, link->next};

    for (size_t i = 0; i < 2; i++) {
        if (channels[i] && channels[i]->negotiation.state == NEGOTIATION_SID) {
            negotiation_sid(channels[i], sid);
            return;
        }
    }
}

const char *link_text(const struct link *link)
{
    struct link_endpoint *endpoint = link->endpoint;

    if (!link->current)
        return "";
    snprintf(endpoint->text, sizeof(endpoint->text), "%s %s", link->current->host,
             dots_session_text(link->current->session));
    return endpoint->text;
}

uint32_t link_rtt(const struct link *link)
{
    return link->pace.srtt_us;
}

const uint32_t *link_parameters(const struct link *link)
{
    if (!link->current)
        return negotiate_recommended;
    return link->mitigating ? link->current->negotiation.chosen.mitigating : link->current->negotiation.chosen.idle;
}

size_t link_message_max(const struct link *link)
{
    if (!link->current || dots_session_transport(link->current->session) != DOTS_UDP)
        return 0;
    return dots_session_message_max(link->current->session);
}

struct exchange *link_request(struct link *link, const struct link_request *request, link_response_h *handler,
                              void *arg)
{
    struct exchange *exchange = link_exchange_new(link, NULL, request, handler, arg);

    if (exchange && request->priority == LINK_MITIGATION)
        connect_hurry(link);
    return exchange;
}
