/* The path of a request from bytes of a stranger: no byte outside it is touched, and each error says why. */
/* links: southbound_signal */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "southbound/signal/path.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const segments[] = {".well-known", "dots", "mitigate", "config", "hb", "cuid=a", "cdid=b", "mid=1"};

/* One byte says how long the next segment is, or which of the usual ones it is; method and query come first. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dots_request request = {0};
    char reason[SOUTH_REASON_MAX];
    struct south_path path;
    size_t at = 2;
    uint8_t code;

    if (size < 2)
        return 0;
    request.method = (enum dots_method)(data[0] % 8);
    while (at < size && request.path_count < DOTS_PATH_MAX) {
        uint8_t length = data[at++];
        struct dots_option *option = &request.path[request.path_count++];

        if (length >= 248) {
            *option = (struct dots_option){segments[length - 248], strlen(segments[length - 248])};
            continue;
        }
        *option = (struct dots_option){(const char *)data + at, length < size - at ? length : size - at};
        at += option->length;
    }
    if (data[1] & 1)
        request.query[request.query_count++] = (struct dots_option){(const char *)data + at, size - at};
    code = south_path_parse(&request, &path, reason);
    if (code != 0 && (DOTS_CODE_CLASS(code) != 4 || !memchr(reason, '\0', sizeof(reason)) || !reason[0]))
        abort();
    if (code == 0 && path.operation == SOUTH_MITIGATE &&
        (!path.cuid[0] || (request.method != DOTS_GET && !path.has_mid)))
        abort();
    return 0;
}
