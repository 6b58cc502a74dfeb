/* Configuration text, and the text of a PSK key file, from anyone. The files that a configuration
 * names are not touched. */
/* links: config log */
#include <stdlib.h>
#include <string.h>

#include "gateway/config/file.h"
#include "gateway/config/load.h"
#include "gateway/config/psk.h"
#include "gateway/log/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config_error error;
    struct config_bytes key = {0};
    struct config *config;
    char reason[160];

    log_configure(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    config = config_load_text("dotsgw.yaml", (const char *)data, size, "/etc/dotsgw", false, &error);
    if (config) {
        if (!config->gateway.name || !config->gateway.state_dir || config->listener_count + config->upstream_count == 0)
            abort();
        config_free(config);
    } else if (error.text[0] == 0 || error.line < 1 || error.column < 1) {
        abort(); /* every fault has a place and a sentence */
    }
    if (config_psk_parse((const char *)data, size, &key, reason, sizeof(reason)) == 0 &&
        (key.length < PSK_MIN || key.length > PSK_MAX))
        abort();
    config_bytes_free(&key);
    return 0;
}
