/* repeat: what repeats is counted, not repeated. */

#include <stdio.h>

#include "gateway/log/log.h"

bool log_repeat(struct log_repeat *repeat, int64_t now, char note[LOG_NOTE])
{
    if (repeat->logged_ms != 0 && now - repeat->logged_ms < LOG_REPEAT_MS) {
        if (repeat->left_out < UINT32_MAX)
            repeat->left_out++;
        return false;
    }
    note[0] = '\0';
    if (repeat->left_out > 0)
        snprintf(note, LOG_NOTE, " (%u such lines were left out before)", (unsigned)repeat->left_out);
    *repeat = (struct log_repeat){.logged_ms = now};
    return true;
}
