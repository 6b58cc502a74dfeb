/* refusal: one line per client, code and ten seconds. */

#include "southbound/signal/refusal.h"

bool south_refusal_note(struct south_refusals *refusals, const void *client, uint16_t code, int64_t now,
                        uint32_t *left_out)
{
    uint64_t hash = ((uint64_t)(uintptr_t)client >> 4) * 0x9e3779b97f4a7c15u + code * UINT64_C(0xff51afd7ed558ccd);
    struct south_refusal *slot = &refusals->slots[hash >> 32 & (SOUTH_REFUSAL_SLOTS - 1)];
    bool same = slot->client == client && slot->code == code && slot->logged_ms != 0;

    if (same && now - slot->logged_ms < SOUTH_REFUSAL_MS) {
        if (slot->left_out < UINT32_MAX)
            slot->left_out++;
        return false;
    }
    *left_out = same ? slot->left_out : 0;
    *slot = (struct south_refusal){.client = client, .code = code, .logged_ms = now};
    return true;
}
