/*
 * Clock, timers, DNS and disk for the tests of southbound/signal, all played: libuv's functions and the
 * store are replaced at link time. Nothing sleeps.
 */
#pragma once

#include <arpa/inet.h>
#include <netdb.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include <cmocka.h>

#include "gateway/store/store.h"

#define FAKE_RECORDS 256

static int64_t fake_ms = 1700000000000;

/* Set by tests that make allocations fail: true while the test itself allocates. */
static void (*fake_outside)(bool outside);

static inline void *fake_calloc(size_t count, size_t size)
{
    void *memory;

    if (fake_outside)
        fake_outside(true);
    memory = calloc(count, size);
    if (fake_outside)
        fake_outside(false);
    assert_non_null(memory);
    return memory;
}

/* ---- Clock and timers: there is one timer in southbound ---- */

static uv_timer_cb fake_timer;
static uv_timer_t *fake_timer_handle;
static int64_t fake_timer_at = INT64_MAX;
static uv_close_cb fake_closed;

uint64_t uv_now(const uv_loop_t *loop)
{
    (void)loop;
    return (uint64_t)fake_ms;
}

int uv_timer_init(uv_loop_t *loop, uv_timer_t *handle)
{
    (void)loop;
    fake_timer_handle = handle;
    return 0;
}

int uv_timer_start(uv_timer_t *handle, uv_timer_cb callback, uint64_t timeout, uint64_t repeat)
{
    assert_ptr_equal(handle, fake_timer_handle);
    assert_int_equal(repeat, 0);
    fake_timer = callback;
    fake_timer_at = fake_ms + (int64_t)timeout;
    return 0;
}

void uv_close(uv_handle_t *handle, uv_close_cb callback)
{
    assert_ptr_equal(handle, fake_timer_handle);
    fake_timer_at = INT64_MAX;
    fake_closed = callback;
}

/* ---- DNS ---- */

static struct fake_lookup {
    uv_getaddrinfo_t *request;
    uv_getaddrinfo_cb callback;
    char name[256];
} fake_lookups[64];
static size_t fake_lookup_count;

int uv_getaddrinfo(uv_loop_t *loop, uv_getaddrinfo_t *request, uv_getaddrinfo_cb callback, const char *node,
                   const char *service, const struct addrinfo *hints)
{
    struct fake_lookup *lookup = &fake_lookups[fake_lookup_count++];

    (void)loop;
    (void)service;
    (void)hints;
    assert_true(fake_lookup_count <= sizeof(fake_lookups) / sizeof(fake_lookups[0]));
    lookup->request = request;
    lookup->callback = callback;
    snprintf(lookup->name, sizeof(lookup->name), "%s", node);
    return 0;
}

void uv_freeaddrinfo(struct addrinfo *info)
{
    free(info);
}

int uv_cancel(uv_req_t *request)
{
    (void)request;
    return UV_EBUSY;
}

/* Ends the look-up of a name with one address, or without any. */
static inline void fake_resolved(const char *name, const char *address)
{
    for (size_t i = 0; i < fake_lookup_count; i++) {
        struct fake_lookup lookup = fake_lookups[i];
        struct addrinfo *info = NULL;
        struct sockaddr_in *v4;
        struct sockaddr_in6 *v6;

        if (strcmp(lookup.name, name) != 0)
            continue;
        fake_lookups[i] = fake_lookups[--fake_lookup_count];
        if (address) {
            info = fake_calloc(1, sizeof(*info) + sizeof(*v6));
            info->ai_addr = (struct sockaddr *)(info + 1);
            v4 = (struct sockaddr_in *)(info + 1);
            v6 = (struct sockaddr_in6 *)(info + 1);
            v4->sin_family = strchr(address, ':') ? AF_INET6 : AF_INET;
            assert_int_equal(inet_pton(v4->sin_family, address,
                                       v4->sin_family == AF_INET ? (void *)&v4->sin_addr : (void *)&v6->sin6_addr),
                             1);
        }
        lookup.callback(lookup.request, address ? 0 : UV_EAI_NONAME, info);
        return;
    }
    fail_msg("nobody asked for %s", name);
}

/* ---- The store ---- */

static struct {
    enum store_table table;
    char key[STORE_KEY_MAX + 1];
    uint8_t value[1024];
    size_t length;
    bool used;
} fake_records[FAKE_RECORDS];
static uint64_t fake_sequence, fake_on_disk;
static bool fake_batch, fake_failing, fake_refusing;

static inline int fake_record(enum store_table table, const char *key, size_t key_length)
{
    for (int i = 0; i < FAKE_RECORDS; i++) {
        if (fake_records[i].used && fake_records[i].table == table && strlen(fake_records[i].key) == key_length &&
            memcmp(fake_records[i].key, key, key_length) == 0)
            return i;
    }
    return -1;
}

/* Only session configurations are kept: the rest is the relay's. */
int store_put(struct store *store, enum store_table table, const char *key, size_t key_length, const uint8_t *value,
              size_t value_length)
{
    int at = fake_record(table, key, key_length);

    (void)store;
    if (fake_refusing)
        return -ENOMEM;
    fake_batch = true;
    if (table != STORE_SESSION_CONFIG)
        return 0;
    for (int i = 0; i < FAKE_RECORDS && at < 0; i++)
        at = fake_records[i].used ? -1 : i;
    assert_true(at >= 0 && value_length <= sizeof(fake_records[at].value) && key_length <= STORE_KEY_MAX);
    fake_records[at].used = true;
    fake_records[at].table = table;
    memcpy(fake_records[at].key, key, key_length);
    fake_records[at].key[key_length] = '\0';
    memcpy(fake_records[at].value, value, value_length);
    fake_records[at].length = value_length;
    return 0;
}

int store_delete(struct store *store, enum store_table table, const char *key, size_t key_length)
{
    int at = fake_record(table, key, key_length);

    (void)store;
    if (fake_refusing)
        return -ENOMEM;
    fake_batch = true;
    if (at >= 0)
        fake_records[at].used = false;
    return 0;
}

uint64_t store_submit(struct store *store)
{
    (void)store;
    fake_sequence += fake_batch;
    fake_batch = false;
    return fake_sequence;
}

uint64_t store_committed(const struct store *store)
{
    (void)store;
    return fake_on_disk;
}

int store_failing(const struct store *store)
{
    (void)store;
    return fake_failing;
}

static inline void fake_system_reset(void)
{
    memset(fake_records, 0, sizeof(fake_records));
    fake_batch = fake_failing = fake_refusing = false;
    fake_lookup_count = 0;
    fake_timer_at = INT64_MAX;
    fake_closed = NULL;
}
