/* counter: numbers that must never be used twice, reserved on disk in blocks ahead of use. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregation/relay_state.h"

struct counter *counter_get(struct relay *relay, const char *key)
{
    struct counter *counter;

    HASH_FIND_STR(relay->counters, key, counter);
    if (counter)
        return counter;
    counter = calloc(1, sizeof(*counter));
    if (!counter)
        return NULL;
    snprintf(counter->key, sizeof(counter->key), "%s", key);
    counter->next = counter->reserved = 1;
    HASH_ADD_STR(relay->counters, key, counter);
    if (!counter->hh.tbl) {
        free(counter);
        return NULL;
    }
    return counter;
}

uint64_t counter_take(struct relay *relay, struct counter *counter, uint64_t block)
{
    if (counter->next >= counter->reserved) {
        counter->reserved = counter->next + block;
        record_counter(relay, counter);
    }
    return counter->next++;
}
