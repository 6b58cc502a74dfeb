/* clock: milliseconds since 1970 that never step back while we run: the wall clock at start, then monotonic. */
#pragma once

#include <stdint.h>

void clock_start(void);
int64_t clock_ms(void);
