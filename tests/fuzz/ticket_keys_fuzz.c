/* The text of a file of ticket keys, from anyone. */
/* links: config log */
#include <stdlib.h>
#include <string.h>

#include "gateway/config/file.h"
#include "gateway/config/tickets.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config_bytes keys;
    char reason[192] = "";

    if (config_tickets_parse((const char *)data, size, &keys, reason, sizeof(reason)) != 0) {
        if (keys.at || keys.length || reason[0] == 0)
            abort(); /* every fault has a sentence */
        return 0;
    }
    if (keys.length == 0 || keys.length % CONFIG_TICKET_KEY || keys.length > (size_t)TICKETS_MAX * CONFIG_TICKET_KEY)
        abort();
    for (size_t i = 0; i < keys.length; i += CONFIG_TICKET_KEY)
        for (size_t j = 0; j < i; j += CONFIG_TICKET_KEY)
            if (memcmp(keys.at + i, keys.at + j, 16) == 0)
                abort(); /* one name, one key */
    config_bytes_free(&keys);
    return 0;
}
