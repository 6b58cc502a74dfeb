/* tickets: the text of a file of ticket keys. */
#include "gateway/config/tickets.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/config/file.h"
#include "gateway/config/schema.h"

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
#define CHARACTERS 108u /* base64 of a key: 107 letters and a '=' */
#define KEY_NAME 16u    /* bytes at the start of a key, by which a ticket tells its key */
#define MAKE_ONE "make one with: openssl rand 80 | base64 -w 0"

_Static_assert(CONFIG_TICKET_KEY % 3 == 2 && CHARACTERS == (CONFIG_TICKET_KEY + 1) / 3 * 4, "one '=' ends a key");

/* Without blanks around it. */
static size_t trim(const char **line, size_t length)
{
    while (length > 0 && (**line == ' ' || **line == '\t')) {
        (*line)++;
        length--;
    }
    while (length > 0 && ((*line)[length - 1] == ' ' || (*line)[length - 1] == '\t' || (*line)[length - 1] == '\r'))
        length--;
    return length;
}

static bool decode(const char line[CHARACTERS], uint8_t key[CONFIG_TICKET_KEY])
{
    unsigned char text[CHARACTERS + 1] = "", bytes[CONFIG_TICKET_KEY + 1];
    bool good;

    memcpy(text, line, CHARACTERS);
    good = strspn((const char *)text, LETTERS) == CHARACTERS - 1 && text[CHARACTERS - 1] == '=' &&
           EVP_DecodeBlock(bytes, text, CHARACTERS) == sizeof(bytes);
    if (good)
        memcpy(key, bytes, CONFIG_TICKET_KEY);
    OPENSSL_cleanse(text, sizeof(text));
    OPENSSL_cleanse(bytes, sizeof(bytes));
    return good;
}

/* keys has room for one more than it may hold. */
static int take(struct config_bytes *keys, const char *line, size_t length, char *reason, size_t size)
{
    uint8_t *key = keys->at + keys->length;

    if (length != CHARACTERS) {
        snprintf(reason, size, "expected %u bytes in base64, one line of %u characters, found %zu; " MAKE_ONE,
                 CONFIG_TICKET_KEY, CHARACTERS, length);
        return -1;
    }
    if (!decode(line, key)) {
        snprintf(reason, size, "expected %u bytes in base64: letters, digits, + and /, and one = at the end; " MAKE_ONE,
                 CONFIG_TICKET_KEY);
        return -1;
    }
    for (size_t i = 0; i < keys->length; i += CONFIG_TICKET_KEY)
        if (memcmp(keys->at + i, key, KEY_NAME) == 0) {
            snprintf(reason, size, "the key is there already; remove one of the two");
            return -1;
        }
    if (keys->length == (size_t)TICKETS_MAX * CONFIG_TICKET_KEY) {
        snprintf(reason, size, "at most %u keys are possible; remove the oldest", TICKETS_MAX);
        return -1;
    }
    keys->length += CONFIG_TICKET_KEY;
    return 0;
}

static int take_lines(struct config_bytes *keys, const char *text, size_t length, char *reason, size_t size)
{
    const char *end = text + length;
    char why[160];

    for (unsigned number = 1; text < end; number++) {
        const char *stop = memchr(text, '\n', (size_t)(end - text)), *line = text;
        size_t count = trim(&line, (size_t)((stop ? stop : end) - text));

        if (count > 0 && *line != '#' && take(keys, line, count, why, sizeof(why)) != 0) {
            snprintf(reason, size, "line %u: %s", number, why);
            return -1;
        }
        text = stop ? stop + 1 : end;
    }
    if (keys->length > 0)
        return 0;
    snprintf(reason, size, "holds no key; " MAKE_ONE);
    return -1;
}

int config_tickets_parse(const char *text, size_t length, struct config_bytes *keys, char *reason, size_t size)
{
    struct config_bytes taken = {.at = calloc(TICKETS_MAX + 1, CONFIG_TICKET_KEY)};
    int result = -1;

    *keys = (struct config_bytes){0};
    if (!taken.at) {
        snprintf(reason, size, "cannot be kept: out of memory");
        return -1;
    }
    if (take_lines(&taken, text, length, reason, size) == 0) {
        *keys = (struct config_bytes){malloc(taken.length), taken.length};
        if (keys->at) {
            memcpy(keys->at, taken.at, taken.length);
            result = 0;
        } else {
            keys->length = 0;
            snprintf(reason, size, "cannot be kept: out of memory");
        }
    }
    taken.length = ((size_t)TICKETS_MAX + 1) * CONFIG_TICKET_KEY; /* all of it is wiped */
    config_bytes_free(&taken);
    return result;
}

static int tickets_decode(struct loader *loader, const struct config_key *key, const struct node *node, void *field)
{
    return config_secret_read(loader, key, node, TICKETS_FILE_MAX, config_tickets_parse, field);
}

static void tickets_describe(const struct config_key *key, char *buffer, size_t size)
{
    (void)key;
    snprintf(buffer, size, "path of a file of ticket keys");
}

const struct config_type config_type_tickets = {
    .decode = tickets_decode, .release = config_bytes_release, .describe = tickets_describe};
