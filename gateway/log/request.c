/* request: numbers for requests, from all threads. */

#include <stdatomic.h>

#include "gateway/log/log.h"

static atomic_uint_fast64_t requests;

uint64_t log_request(void)
{
    return atomic_fetch_add_explicit(&requests, 1, memory_order_relaxed) + 1;
}
