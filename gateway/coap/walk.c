/*
 * walk: libcoap's walk over every session of a context, less often.
 *
 * coap_io_do_epoll() ends in coap_io_prepare_epoll(), which visits each session for handshakes to repeat and sessions
 * to free, and arms libcoap's timer: 50 ns a session, after each turn. libcoap calls that function through its PLT (a
 * JUMP_SLOT in 4.3.1 and 4.3.4), so the definition here comes first in the symbol lookup, as with recvmsg in gate.c.
 * In a turn it only says that a walk is due; driver.c has it made, at once with few sessions, and with many after a
 * time that bounds its share of the processor. What waits for it has timers of a second and more. Outside of a turn,
 * and for everybody else in the process, it is libcoap's own.
 */
#include "gateway/coap/private.h"

#include <string.h>

#define GAP 10000           /* ns between walks for each session */
#define GAP_MIN 1           /* ms; the timer of the loop knows no less */
#define GAP_MAX 200         /* ms */
#define MILLISECOND 1000000 /* ns */

typedef unsigned int (*prepare_h)(coap_context_t *, coap_tick_t);

static _Thread_local struct dots_endpoint *turning;

static unsigned int prepare(coap_context_t *context, coap_tick_t now)
{
    static _Atomic(void *) known;
    void *symbol = interpose_next("coap_io_prepare_epoll", &known);
    prepare_h call;
    memcpy(&call, &symbol, sizeof call);
    return call != NULL ? call(context, now) : 0;
}

/* Interposes libcoap's. */
unsigned int coap_io_prepare_epoll(coap_context_t *context, coap_tick_t now)
{
    if (turning == NULL || turning->context != context)
        return prepare(context, now);
    turning->stale = true;
    return 0;
}

void walk_enter(struct dots_endpoint *endpoint)
{
    turning = endpoint;
}

void walk_leave(void)
{
    turning = NULL;
}

static void walk(struct dots_endpoint *endpoint)
{
    coap_tick_t now;
    endpoint->stale = false;
    endpoint->walked = uv_hrtime();
    coap_ticks(&now);
    const char *outer = hop_limit_enter(endpoint->name);
    prepare(endpoint->context, now);
    hop_limit_leave(outer);
}

static void on_walk(uv_timer_t *timer)
{
    struct dots_endpoint *endpoint = timer->data;
    if (endpoint->stale)
        walk(endpoint);
}

/* When something may have changed that libcoap's timers depend on. */
void walk_soon(struct dots_endpoint *endpoint)
{
    uint64_t gap = (uint64_t)endpoint->sessions_count * GAP / MILLISECOND;
    if (gap < GAP_MIN)
        gap = GAP_MIN;
    if (gap > GAP_MAX)
        gap = GAP_MAX;
    if (!endpoint->stale || uv_is_active((uv_handle_t *)&endpoint->walk))
        return;
    uint64_t passed = (uv_hrtime() - endpoint->walked) / MILLISECOND;
    if (passed >= gap)
        walk(endpoint);
    else
        uv_timer_start(&endpoint->walk, on_walk, gap - passed, 0);
}
