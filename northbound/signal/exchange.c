/* exchange: one request of a link, repeated until answered (RFC 9132 section 4.4), or an observation. */

#include <stdlib.h>
#include <string.h>

#include "northbound/signal/link_state.h"

static size_t strings_length(const char *const *strings, size_t count)
{
    size_t length = 0;

    for (size_t i = 0; i < count; i++)
        length += strlen(strings[i]) + 1;
    return length;
}

static char *copy_strings(char *to, const char *const *strings, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t size = strlen(strings[i]) + 1;

        memcpy(to, strings[i], size);
        to += size;
    }
    return to;
}

/* Into the table of tokens and the heap of deadlines, in which it stays: neither can fail later. */
static int enter(struct exchange *exchange)
{
    struct link *link = exchange->link;

    dots_token_new(&exchange->token);
    if (deadline_set(link->due, &exchange->deadline, INT64_MAX) != 0)
        return -1;
    HASH_ADD(hh, link->endpoint->tokens, token.bytes, sizeof(exchange->token.bytes), exchange);
    if (!exchange->hh.tbl) {
        deadline_cancel(link->due, &exchange->deadline);
        return -1;
    }
    DL_APPEND(link->exchanges, exchange);
    if (exchange->priority == LINK_MITIGATION)
        link->urgent++;
    return 0;
}

static void set_state(struct exchange *exchange, enum exchange_state state)
{
    size_t *count = &exchange->link->endpoint->counters.unanswered;

    *count -= exchange->counted;
    exchange->state = state;
    exchange->counted = state == EXCHANGE_QUEUED || state == EXCHANGE_SENT;
    *count += exchange->counted;
}

static void queue(struct exchange *exchange)
{
    struct link *link = exchange->link;

    set_state(exchange, EXCHANGE_QUEUED);
    deadline_set(link->due, &exchange->deadline, INT64_MAX);
    DL_APPEND2(link->ready[exchange->priority], exchange, ready_prev, ready_next);
    link->pump_at = link_now(link);
}

struct exchange *link_exchange_new(struct link *link, struct channel *only, const struct link_request *request,
                                   link_response_h *handler, void *arg)
{
    size_t path = strings_length(request->path, request->path_count);
    size_t query = strings_length(request->query, request->query_count);
    struct exchange *exchange;

    if (request->path_count > DOTS_PATH_MAX || request->query_count > DOTS_QUERY_MAX ||
        request->body_length > WIRE_BODY_MAX || link->closing)
        return NULL;
    exchange = calloc(1, sizeof(*exchange) + path + query + request->body_length);
    if (!exchange)
        return NULL;
    exchange->link = link;
    exchange->only = only;
    exchange->method = (uint8_t)request->method;
    exchange->path_count = (uint8_t)request->path_count;
    exchange->query_count = (uint8_t)request->query_count;
    exchange->body_at = path + query;
    exchange->body_length = request->body_length;
    exchange->confirmable = request->confirmable;
    exchange->observe = request->observe;
    exchange->if_match = request->if_match;
    exchange->hop_limit = request->hop_limit;
    exchange->priority = request->priority;
    exchange->give_up_ms = request->give_up_ms;
    exchange->handler = handler;
    exchange->arg = arg;
    copy_strings(copy_strings(exchange->memory, request->path, request->path_count), request->query,
                 request->query_count);
    if (request->body_length)
        memcpy(exchange->memory + exchange->body_at, request->body, request->body_length);
    if (enter(exchange) != 0) {
        free(exchange);
        return NULL;
    }
    queue(exchange);
    link_schedule(link);
    return exchange;
}

/* Out of every list; its memory stays. */
static void leave(struct exchange *exchange)
{
    struct link *link = exchange->link;

    link->endpoint->counters.unanswered -= exchange->counted;
    if (exchange->state == EXCHANGE_QUEUED)
        DL_DELETE2(link->ready[exchange->priority], exchange, ready_prev, ready_next);
    else if (exchange->state == EXCHANGE_FAILED)
        DL_DELETE2(link->failed, exchange, ready_prev, ready_next);
    deadline_cancel(link->due, &exchange->deadline);
    HASH_DEL(link->endpoint->tokens, exchange);
    DL_DELETE(link->exchanges, exchange);
    if (exchange->priority == LINK_MITIGATION)
        link->urgent--;
    if (exchange->known) {
        if (exchange->only) {
            dots_forget(exchange->only->session, &exchange->token);
        } else {
            if (link->current)
                dots_forget(link->current->session, &exchange->token);
            if (link->next)
                dots_forget(link->next->session, &exchange->token);
        }
    }
}

void link_exchange_free(struct exchange *exchange)
{
    if (exchange->delivering) {
        exchange->cancelled = true;
        return;
    }
    leave(exchange);
    free(exchange);
}

static void deliver(struct exchange *exchange, enum link_result result, const struct dots_response *response)
{
    if (!exchange->observe) {
        leave(exchange);
        exchange->handler(exchange->arg, result, response);
        free(exchange);
        return;
    }
    exchange->delivering = true;
    exchange->handler(exchange->arg, result, response);
    exchange->delivering = false;
    if (exchange->cancelled)
        link_exchange_free(exchange);
}

/* Told on the next turn: who made the request may be above us on the stack. */
static void fail(struct exchange *exchange, enum link_result failure)
{
    struct link *link = exchange->link;

    if (exchange->state == EXCHANGE_QUEUED)
        DL_DELETE2(link->ready[exchange->priority], exchange, ready_prev, ready_next);
    set_state(exchange, EXCHANGE_FAILED);
    exchange->failure = failure;
    deadline_set(link->due, &exchange->deadline, INT64_MAX);
    DL_APPEND2(link->failed, exchange, ready_prev, ready_next);
    link->pump_at = link_now(link);
}

static void prepare(const struct exchange *exchange, struct dots_request *request)
{
    const char *at = exchange->memory;

    memset(request, 0, sizeof(*request));
    request->method = exchange->method;
    request->confirmable = exchange->confirmable;
    for (size_t i = 0; i < exchange->path_count; i++) {
        request->path[i] = (struct dots_option){.at = at, .length = strlen(at)};
        at += request->path[i].length + 1;
    }
    for (size_t i = 0; i < exchange->query_count; i++) {
        request->query[i] = (struct dots_option){.at = at, .length = strlen(at)};
        at += request->query[i].length + 1;
    }
    request->path_count = exchange->path_count;
    request->query_count = exchange->query_count;
    request->observe = exchange->observe ? 0 : -1;
    request->if_match = request->if_match_empty = exchange->if_match;
    request->content_format = exchange->body_length ? DOTS_CONTENT_FORMAT : -1;
    request->accept = -1;
    request->hop_limit = exchange->hop_limit ? exchange->hop_limit : -1;
    request->body = exchange->body_length ? (const uint8_t *)exchange->memory + exchange->body_at : NULL;
    request->body_length = exchange->body_length;
}

static bool repeats(const struct exchange *exchange, const struct channel *channel)
{
    return !exchange->confirmable && dots_session_transport(channel->session) == DOTS_UDP;
}

static uint64_t heard_at(const struct channel *channel)
{
    uint64_t heard = dots_session_heard(channel->session);

    return heard > channel->heard_at ? heard : channel->heard_at;
}

static void await(struct exchange *exchange, uint64_t now, uint64_t wait)
{
    uint64_t at = wait == LINK_NEVER ? LINK_NEVER : now + wait;

    if (exchange->give_up_ms && exchange->first_sent_at + exchange->give_up_ms < at)
        at = exchange->first_sent_at + exchange->give_up_ms;
    deadline_set(exchange->link->due, &exchange->deadline, at >= INT64_MAX ? INT64_MAX : (int64_t)at);
}

static void transmit(struct exchange *exchange, uint64_t now)
{
    struct link *link = exchange->link;
    struct channel *channel = exchange->only ? exchange->only : link->current;
    struct dots_request request;
    int result = 0;

    DL_DELETE2(link->ready[exchange->priority], exchange, ready_prev, ready_next);
    set_state(exchange, EXCHANGE_SENT);
    prepare(exchange, &request);
    if (!exchange->beside || !link->next)
        result = dots_send(channel->session, &exchange->token, &request);
    /* In link saturation on both sessions in parallel: section 4.7. */
    if (!exchange->only && link->next) {
        dots_send(link->next->session, &exchange->token, &request);
        if (repeats(exchange, link->next) && !exchange->beside)
            pace_owe(&link->pace, now);
    }
    exchange->beside = false;
    exchange->known = true;
    exchange->repeated = exchange->repeated || exchange->begun || exchange->confirmable || link->next;
    exchange->begun = true;
    if (exchange->sends++ == 0)
        exchange->first_sent_at = now;
    exchange->sent_at = now;
    if (result == -2)
        fail(exchange, LINK_TOO_LARGE);
    else if (repeats(exchange, channel))
        await(exchange, now,
              pace_repeat(&link->pace, now, exchange->sends, heard_at(channel) > exchange->first_sent_at));
    else
        await(exchange, now, exchange->priority == LINK_MITIGATION ? LINK_SUSPECT_MS : LINK_NEVER);
}

/* Nothing at all was heard since a mitigation request went out for the first time. */
static bool suspicious(const struct exchange *exchange, const struct channel *channel, uint64_t now)
{
    return exchange->priority == LINK_MITIGATION && now - exchange->first_sent_at >= LINK_SUSPECT_MS &&
           heard_at(channel) <= exchange->first_sent_at &&
           (exchange->sends >= LINK_SUSPECT_SENDS || !repeats(exchange, channel));
}

static void overdue(struct exchange *exchange, uint64_t now)
{
    struct link *link = exchange->link;
    struct channel *channel = exchange->only ? exchange->only : link->current;

    if (exchange->give_up_ms && now - exchange->first_sent_at >= exchange->give_up_ms) {
        fail(exchange, LINK_TIMEOUT);
        return;
    }
    await(exchange, now, LINK_NEVER);
    if (!channel)
        return; /* sent again when there is one */
    if (!exchange->only && suspicious(exchange, channel, now))
        connect_suspect(link);
    if (repeats(exchange, channel))
        queue(exchange);
    else if (exchange->priority == LINK_MITIGATION)
        await(exchange, now, LINK_SUSPECT_MS);
}

/* Sends what waits, in order of priority, as far as the pace allows. */
static void send_ready(struct link *link, uint64_t now, unsigned budget)
{
    for (int i = 0; i < LINK_PRIORITIES; i++) {
        while (link->ready[i]) {
            struct exchange *exchange = link->ready[i];

            if (budget-- == 0) {
                link->pump_at = now;
                return;
            }
            if (repeats(exchange, exchange->only ? exchange->only : link->current) && !pace_take(&link->pace, now)) {
                link->pump_at = pace_next(&link->pace, now);
                return;
            }
            transmit(exchange, now);
        }
    }
}

void link_exchange_pump(struct link *link, uint64_t now)
{
    unsigned budget = LINK_TURN_SENDS;
    struct deadline *deadline;

    link->pump_at = LINK_NEVER;
    while (link->failed) {
        struct exchange *exchange = link->failed;

        if (budget-- == 0) {
            link->pump_at = now;
            return;
        }
        DL_DELETE2(link->failed, exchange, ready_prev, ready_next);
        set_state(exchange, EXCHANGE_DONE);
        deliver(exchange, exchange->failure, NULL);
        if (link->closing)
            return;
    }
    for (unsigned i = 0; i < LINK_TURN_SENDS && (deadline = deadline_pop_due(link->due, (int64_t)now)); i++) {
        struct exchange *exchange = (struct exchange *)((char *)deadline - offsetof(struct exchange, deadline));

        deadline_set(link->due, deadline, INT64_MAX); /* there was room for it a line ago */
        overdue(exchange, now);
    }
    if (link->current)
        send_ready(link, now, budget);
}

uint64_t link_exchange_due(const struct link *link)
{
    int64_t next = deadline_next(link->due);
    uint64_t due = next < 0 || next == INT64_MAX ? LINK_NEVER : (uint64_t)next;

    if (link->failed || link->current)
        due = link->pump_at < due ? link->pump_at : due;
    return due;
}

void link_exchange_restart(struct link *link, bool beside)
{
    struct exchange *exchange;

    DL_FOREACH(link->exchanges, exchange)
    {
        if (exchange->only)
            continue;
        if (!beside) {
            exchange->known = exchange->registered = false;
            exchange->sends = 0;
        }
        if (exchange->state == EXCHANGE_SENT) {
            queue(exchange);
            exchange->beside = beside;
        }
    }
    link->pump_at = link_now(link);
}

void link_exchange_drop(struct link *link, const struct channel *only)
{
    struct exchange *exchange, *next;

    DL_FOREACH_SAFE(link->exchanges, exchange, next)
    {
        if (!only || exchange->only == only)
            link_exchange_free(exchange);
    }
}

struct exchange *link_exchange_find(struct link_endpoint *endpoint, const struct dots_token *token)
{
    struct exchange *exchange = NULL;

    if (token->length == sizeof(token->bytes))
        HASH_FIND(hh, endpoint->tokens, token->bytes, sizeof(token->bytes), exchange);
    return exchange;
}

bool link_exchange_fresher(int32_t old, uint64_t old_at, int32_t new, uint64_t new_at)
{
    return (old < new &&new - old < 1 << 23) || (old > new &&old - new > 1 << 23) || new_at > old_at + 128000;
}

/* Karn: only what was sent once tells the time; libcoap repeats a confirmable one after 2 s at first. */
static void sample(struct exchange *exchange, uint64_t now)
{
    uint64_t elapsed = now - exchange->sent_at;

    if (exchange->sends == 1 && (!exchange->confirmable || elapsed < 2000))
        pace_sample(&exchange->link->pace, now, elapsed);
    if (!exchange->confirmable)
        pace_answered(&exchange->link->pace, now);
}

/* The answer of a registration may carry the number that was the last one before; when libcoap has seen the
 * answer to a confirmable one it will not ask again, so it is taken as it is. */
static bool stale(const struct exchange *exchange, const struct dots_response *response, uint64_t now)
{
    if (!exchange->registered || response->observe < 0 || DOTS_CODE_CLASS(response->code) != 2)
        return false;
    if (exchange->state == EXCHANGE_SENT && (exchange->confirmable || response->observe == exchange->sequence))
        return false;
    return !link_exchange_fresher(exchange->sequence, exchange->sequence_at, response->observe, now);
}

bool link_exchange_answer(struct exchange *exchange, struct channel *channel, const struct dots_response *response)
{
    struct link *link = exchange->link;
    uint64_t now = link_now(link);

    if (exchange->state == EXCHANGE_FAILED || !exchange->known || exchange->delivering)
        return false;
    if (stale(exchange, response, now))
        return true;
    if (exchange->state == EXCHANGE_SENT)
        sample(exchange, now);
    if (exchange->state == EXCHANGE_QUEUED)
        DL_DELETE2(link->ready[exchange->priority], exchange, ready_prev, ready_next);
    deadline_set(link->due, &exchange->deadline, INT64_MAX);
    link->pump_at = now; /* a credit came back */
    set_state(exchange, EXCHANGE_DONE);
    exchange->registered = exchange->observe && DOTS_CODE_CLASS(response->code) == 2 && response->observe >= 0;
    if (exchange->registered) {
        exchange->sequence = response->observe;
        exchange->sequence_at = now;
    }
    if (reroute(channel, response))
        set_state(exchange, EXCHANGE_SENT); /* this one failed (section 4.6): sent again to the alternate server */
    else
        deliver(exchange, LINK_ANSWERED, response);
    return true;
}

void link_exchange_nack(struct exchange *exchange)
{
    if (exchange->confirmable && exchange->state == EXCHANGE_SENT) {
        fail(exchange, LINK_TIMEOUT);
        link_schedule(exchange->link);
    }
}

bool link_observes(const struct exchange *exchange)
{
    return exchange->registered && exchange->state == EXCHANGE_DONE;
}

bool link_repeated(const struct exchange *exchange)
{
    return exchange->repeated;
}

void link_repeat(struct exchange *exchange)
{
    if (exchange->state != EXCHANGE_DONE || !exchange->observe)
        return;
    exchange->sends = 0;
    queue(exchange);
    link_schedule(exchange->link);
}

void link_cancel(struct exchange *exchange, bool deregister)
{
    struct link *link = exchange->link;
    struct channel *channel = exchange->only ? exchange->only : link->current;

    /* Without a credit to spare it is simply forgotten: a Reset ends it at the server (RFC 7641 section 3.6). Its
     * answer brings none back, as nobody waits for that. */
    if (deregister && exchange->registered && channel &&
        (!repeats(exchange, channel) || pace_spare(&link->pace, link_now(link)))) {
        struct dots_request request;

        prepare(exchange, &request);
        request.observe = 1;
        dots_send(channel->session, &exchange->token, &request);
    }
    link_exchange_free(exchange);
}
