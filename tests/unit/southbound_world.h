/*
 * A gateway without a north: southbound/signal in front of a real relay with one mitigator, in the
 * played world of southbound_fake.h. What a test does reads like a client: up, ask, expect, advance.
 */
#pragma once

#include "gateway/log/log.h"
#include "tests/unit/southbound_fake.h"
#include "tests/unit/southbound_relay.h"

static int64_t world_now(void)
{
    return fake_ms;
}

/* ---- Life ---- */

static inline void world_commit(void)
{
    store_submit(NULL);
    fake_on_disk = fake_sequence;
    relay_committed(world.relay, fake_ms, fake_on_disk);
    southbound_committed(world.southbound, fake_on_disk);
}

static inline void world_settle(void)
{
    for (int i = 0; i < 4 && !world.hold_disk; i++)
        world_commit();
    while (fake_timer_at <= fake_ms) {
        fake_timer_at = INT64_MAX;
        fake_timer(fake_timer_handle);
        if (!world.hold_disk)
            world_commit();
    }
    fake_closes();
}

/* Time passes, everything due happens at its time. */
static inline void world_advance(int64_t ms)
{
    int64_t end = fake_ms + ms;

    world_settle();
    for (;;) {
        int64_t relay = relay_next(world.relay), next = relay < fake_timer_at ? relay : fake_timer_at;

        if (next > end)
            break;
        fake_ms = next > fake_ms ? next : fake_ms;
        if (relay <= fake_ms)
            relay_tick(world.relay, fake_ms);
        world_settle();
    }
    fake_ms = end;
    world_settle();
}

static inline void world_open(void)
{
    char error[256];

    memset(&world, 0, sizeof(world));
    world.relay = relay_new(&world_policy, &world_effects, NULL);
    assert_non_null(world.relay);
    world.southbound = southbound_open(&world.loop, &world_config, world.relay, NULL, world_now, error, sizeof(error));
    assert_non_null(world.southbound);
    relay_start(world.relay, fake_ms);
}

static void world_on_closed(void *arg)
{
    (void)arg;
    world.closed = true;
}

/* After southbound_close. */
static inline void world_finish(void)
{
    relay_free(world.relay);
    for (struct dots_session *session = fake_sessions; session; session = session->next)
        fake_down(session, DOTS_DOWN_CLOSED);
    while (fake_lookup_count)
        fake_resolved(fake_lookups[0].name, NULL);
    if (fake_endpoint.on_closed)
        fake_endpoint.on_closed(fake_endpoint.on_closed_arg);
    fake_closed((uv_handle_t *)fake_timer_handle);
    assert_true(world.closed);
}

static inline void world_close(void)
{
    southbound_close(world.southbound, world_on_closed, NULL);
    world_finish();
}

static inline int world_setup(void **state)
{
    (void)state;
    log_configure(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    world_configure();
    world_open();
    return 0;
}

static inline int world_teardown(void **state)
{
    (void)state;
    world_close();
    fake_reset();
    return 0;
}
