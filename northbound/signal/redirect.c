/* redirect: the alternate server that a 5.03 named, and which servers were spoken to lately (section 4.6). */

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "northbound/signal/redirect.h"

/* FNV-1a without case. Two names of one hash would at worst make a redirect look like a loop. */
static uint64_t name_hash(const char *server)
{
    uint64_t hash = 14695981039346656037ull;

    for (; *server; server++)
        hash = (hash ^ (uint8_t)tolower((unsigned char)*server)) * 1099511628211ull;
    return hash ? hash : 1;
}

void redirect_spoke(struct redirect *redirect, uint64_t now, const char *server)
{
    uint64_t name = name_hash(server);
    size_t slot = 0;

    for (size_t i = 0; i < REDIRECT_SPOKEN_MAX; i++) {
        if (redirect->spoken[i].name == name) {
            slot = i;
            break;
        }
        if (redirect->spoken[slot].name &&
            (!redirect->spoken[i].name || redirect->spoken[i].at < redirect->spoken[slot].at))
            slot = i;
    }
    redirect->spoken[slot].name = name;
    redirect->spoken[slot].at = now;
}

bool redirect_spoken(const struct redirect *redirect, uint64_t now, const char *server)
{
    uint64_t name = name_hash(server);

    for (size_t i = 0; i < REDIRECT_SPOKEN_MAX; i++) {
        if (redirect->spoken[i].name == name)
            return now - redirect->spoken[i].at < REDIRECT_SPOKEN_MS;
    }
    return false;
}

enum redirect_verdict redirect_offer(struct redirect *redirect, uint64_t now, const char *server,
                                     const char *const *records, size_t record_count, int64_t max_age)
{
    struct redirect_alternate *alternate;
    size_t length = strlen(server);

    if (length > 1 && server[length - 1] == '.')
        length--; /* SNI and DNS-ID have no trailing dot */
    if (length == 0 || length >= REDIRECT_NAME_MAX)
        return REDIRECT_UNUSABLE;
    alternate = calloc(1, sizeof(*alternate));
    if (!alternate)
        return REDIRECT_UNUSABLE;
    memcpy(alternate->server, server, length);
    if (redirect_spoken(redirect, now, alternate->server)) {
        free(alternate);
        return REDIRECT_LOOP;
    }
    for (size_t i = 0; i < record_count && alternate->record_count < REDIRECT_RECORDS_MAX; i++) {
        size_t size = strlen(records[i]) + 1;

        if (size <= sizeof(alternate->records[0]))
            memcpy(alternate->records[alternate->record_count++], records[i], size);
    }
    if (max_age < 0)
        max_age = 60;
    alternate->expires_at = max_age >= UINT32_MAX ? REDIRECT_NEVER : now + (uint64_t)max_age * 1000;
    free(redirect->alternate);
    redirect->alternate = alternate;
    return REDIRECT_FOLLOW;
}

bool redirect_over(const struct redirect *redirect, uint64_t now, bool attack)
{
    return redirect->alternate && !attack && now >= redirect->alternate->expires_at;
}

void redirect_clear(struct redirect *redirect)
{
    free(redirect->alternate);
    redirect->alternate = NULL;
}
