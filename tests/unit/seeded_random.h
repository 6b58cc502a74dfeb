/* seeded_random: numbers that come again with the same seed, on every platform (xorshift64*). */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static uint64_t random_state = 1;

static inline void random_start(uint64_t seed)
{
    /* Spreads small seeds; 0 is the one state that xorshift never leaves. */
    random_state = (seed + 1) * 0x9e3779b97f4a7c15u;
    if (random_state == 0)
        random_state = 1;
}

/* 0 .. limit - 1 */
static inline uint32_t random_below(uint32_t limit)
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return (uint32_t)((random_state * 0x2545f4914f6cdd1du) >> 32) % limit;
}

/* DOTSGW_SEED in the environment: the one seed to run with, to see a failure again. */
static inline bool random_seed_given(uint64_t *seed)
{
    const char *text = getenv("DOTSGW_SEED");
    if (text)
        *seed = strtoull(text, NULL, 10);
    return text != NULL;
}

/* Histories with seeds from 1 up, as many as DOTSGW_HISTORIES says (else count), or the one of DOTSGW_SEED. cmocka
 * leaves a failed one by longjmp: its seed is in the environment, for random_seed_tell. Returns how many, 0 for the
 * one. */
static inline uint64_t random_histories(uint64_t count, void (*run)(uint64_t seed))
{
    const char *histories = getenv("DOTSGW_HISTORIES");
    char text[24];
    uint64_t seed;

    if (random_seed_given(&seed)) {
        run(seed);
        return 0;
    }
    count = histories ? strtoull(histories, NULL, 10) : count;
    for (seed = 1; seed <= count; seed++) {
        snprintf(text, sizeof(text), "%llu", (unsigned long long)seed);
        setenv("DOTSGW_RUNNING_SEED", text, 1);
        run(seed);
    }
    unsetenv("DOTSGW_RUNNING_SEED");
    return count;
}

/* The teardown of such a test. */
static inline int random_seed_tell(void **state)
{
    const char *seed = getenv("DOTSGW_RUNNING_SEED");

    (void)state;
    if (seed)
        fprintf(stderr, "replay with DOTSGW_SEED=%s\n", seed);
    return 0;
}
