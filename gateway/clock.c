/* clock: the time that the parts of a gateway share. */

#include "gateway/clock.h"

#include <time.h>
#include <uv.h>

static int64_t wall_offset_ms;

void clock_start(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    wall_offset_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 - (int64_t)(uv_hrtime() / 1000000);
}

int64_t clock_ms(void)
{
    return wall_offset_ms + (int64_t)(uv_hrtime() / 1000000);
}
