/*
 * store_history: an endless, fixed sequence of batches, so that what a store holds after a crash can
 * be checked against what it must hold. Batch n puts and deletes a few of KEYS records and writes n
 * to the record "last": whatever "last" says, all records must be exactly as after that batch.
 */
#pragma once

#include "tests/unit/store_fixture.h"

#define KEYS 97u
#define PUTS 4u
#define LARGEST 40000u

struct history {
    uint64_t last;
    struct {
        uint64_t batch; /* that put it; 0: not there */
        unsigned put;   /* which of its puts */
    } records[KEYS];
};

/* splitmix64: numbers that only depend on the seed. */
static inline uint64_t mix(uint64_t seed)
{
    seed += UINT64_C(0x9e3779b97f4a7c15);
    seed = (seed ^ (seed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    seed = (seed ^ (seed >> 27)) * UINT64_C(0x94d049bb133111eb);
    return seed ^ (seed >> 31);
}

static inline unsigned history_key(uint64_t batch, unsigned change)
{
    return (unsigned)(mix(batch * 16 + change) % KEYS);
}

/* Mostly small; one in 50 is large, so that the WAL grows into checkpoints. */
static inline size_t history_value(uint64_t batch, unsigned put, uint8_t value[LARGEST])
{
    uint64_t random = mix(batch * 16 + put + UINT64_C(0x1000000000));
    size_t length = random % 50 == 0 ? LARGEST : random % 600;
    for (size_t i = 0; i < length; i++)
        value[i] = (uint8_t)(batch * 31 + put * 7 + i);
    return length;
}

/* Changes 0 .. PUTS-1 put, PUTS deletes. */
static inline void history_apply(struct history *history, uint64_t batch)
{
    for (unsigned put = 0; put < PUTS; put++) {
        unsigned key = history_key(batch, put);
        history->records[key].batch = batch;
        history->records[key].put = put;
    }
    history->records[history_key(batch, PUTS)].batch = 0;
    history->last = batch;
}

static inline uint64_t history_submit(struct store *store, uint64_t batch)
{
    static uint8_t value[LARGEST];
    char key[16], last[24];
    for (unsigned put = 0; put < PUTS; put++) {
        int length = snprintf(key, sizeof key, "%u", history_key(batch, put));
        size_t value_length = history_value(batch, put, value);
        assert_int_equal(store_put(store, STORE_MITIGATION, key, (size_t)length, value, value_length), 0);
    }
    int length = snprintf(key, sizeof key, "%u", history_key(batch, PUTS));
    assert_int_equal(store_delete(store, STORE_MITIGATION, key, (size_t)length), 0);
    snprintf(last, sizeof last, "%llu", (unsigned long long)batch);
    put_text(store, STORE_META, "last", last);
    return store_submit(store);
}

static inline int history_read_last(void *arg, const char *key, size_t key_length, const uint8_t *value,
                                    size_t value_length)
{
    char text[24] = "";
    assert_int_equal(key_length, 4);
    assert_memory_equal(key, "last", 4);
    assert_true(value_length < sizeof text);
    memcpy(text, value, value_length);
    *(uint64_t *)arg = strtoull(text, NULL, 10);
    return 0;
}

struct history_check {
    const struct history *history;
    size_t seen;
};

static inline int history_check_record(void *arg, const char *key, size_t key_length, const uint8_t *value,
                                       size_t value_length)
{
    static uint8_t expected[LARGEST];
    struct history_check *check = arg;
    char text[16] = "";
    assert_true(key_length < sizeof text);
    memcpy(text, key, key_length);
    unsigned long number = strtoul(text, NULL, 10);
    assert_true(number < KEYS);
    assert_true(check->history->records[number].batch != 0);
    size_t length = history_value(check->history->records[number].batch, check->history->records[number].put, expected);
    assert_int_equal(value_length, length);
    assert_memory_equal(value, expected, length);
    check->seen++;
    return 0;
}

/* Brings history to what the store says was last, at least a given batch, and compares all records. */
static inline void history_assert(struct history *history, struct store *store, uint64_t at_least)
{
    uint64_t last = 0;
    size_t count = 0;
    assert_int_equal(store_load(store, STORE_META, history_read_last, &last), 0);
    if (last < at_least)
        fail_msg("batch %llu was reported, the store ends at %llu", (unsigned long long)at_least,
                 (unsigned long long)last);
    while (history->last < last)
        history_apply(history, history->last + 1);
    for (unsigned key = 0; key < KEYS; key++)
        count += history->records[key].batch != 0;
    struct history_check check = {history, 0};
    assert_int_equal(store_load(store, STORE_MITIGATION, history_check_record, &check), 0);
    assert_int_equal(check.seen, count);
}
