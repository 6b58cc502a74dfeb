/* psk: the text of a PSK key file. Private to gateway/config. */
#pragma once

#include "gateway/config/config.h"

#define PSK_FILE_MAX 1024u
#define PSK_MIN 16u /* bytes */
#define PSK_MAX 64u

/* One line of hexadecimal digits, or of text after "text:". The key is released with
 * config_bytes_free. Returns 0, or -1 with the reason as the end of a sentence that begins with the
 * file; nothing of the key is in it. */
int config_psk_parse(const char *text, size_t length, struct config_bytes *key, char *reason, size_t size);
