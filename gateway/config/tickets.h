/* tickets: the text of a file of ticket keys. Private to gateway/config. */
#pragma once

#include "gateway/config/config.h"

#define TICKETS_FILE_MAX ((size_t)16 * 1024)
#define TICKETS_MAX 16u

/* Lines, each a key of CONFIG_TICKET_KEY bytes in base64; empty ones and those that begin with '#' are passed over. The
 * keys stand one behind the other in what comes back, which is released with config_bytes_free. Returns 0, or -1 with
 * the reason as the end of a sentence that begins with the file; nothing of a key is in it. */
int config_tickets_parse(const char *text, size_t length, struct config_bytes *keys, char *reason, size_t size);
