/* repeat: what repeats is counted, not repeated. */

#include <stdio.h>

#include "gateway/log/log.h"

bool log_burst(struct log_repeat *repeat, uint32_t most, int64_t now, char note[LOG_NOTE])
{
    note[0] = '\0';
    if (repeat->since_ms == 0 || now - repeat->since_ms >= LOG_REPEAT_MS) {
        if (repeat->left_out > 0)
            snprintf(note, LOG_NOTE, " (%u such lines were left out before)", (unsigned)repeat->left_out);
        *repeat = (struct log_repeat){.since_ms = now, .written = 1};
        return true;
    }
    if (repeat->written < most) {
        repeat->written++;
        return true;
    }
    if (repeat->left_out < UINT32_MAX)
        repeat->left_out++;
    return false;
}

bool log_repeat(struct log_repeat *repeat, int64_t now, char note[LOG_NOTE])
{
    return log_burst(repeat, 1, now, note);
}
