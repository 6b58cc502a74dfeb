/* suggest: the nearest key by edit distance. */
#include "gateway/config/suggest.h"

#include <stdio.h>
#include <string.h>

#define NAME_MAX_LENGTH 40u

/* Levenshtein's distance of two names of at most NAME_MAX_LENGTH bytes. */
static size_t distance(const char *a, const char *b)
{
    size_t row[NAME_MAX_LENGTH + 1], length = strlen(b);

    for (size_t j = 0; j <= length; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1]; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= length; j++) {
            size_t best = diagonal + (a[i - 1] != b[j - 1]);

            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            diagonal = row[j];
            row[j] = best;
        }
    }
    return row[length];
}

static const char *nearest(const struct config_key *keys, const char *name)
{
    size_t best = strlen(name) / 3 + 1;
    const char *found = NULL;

    if (strlen(name) > NAME_MAX_LENGTH)
        return NULL;
    for (; keys->name; keys++) {
        size_t away = strlen(keys->name) <= NAME_MAX_LENGTH ? distance(name, keys->name) : NAME_MAX_LENGTH;

        if (away < best || (away == best && !found)) {
            best = away;
            found = keys->name;
        }
    }
    return found;
}

const char *config_suggest(const struct config_key *keys, const char *name, char *buffer, size_t size)
{
    const char *found = nearest(keys, name);
    size_t used;

    if (found) {
        snprintf(buffer, size, "did you mean \"%s\"?", found);
        return buffer;
    }
    used = (size_t)snprintf(buffer, size, "expected here:");
    for (; keys->name && used < size; keys++)
        used += (size_t)snprintf(buffer + used, size - used, " %s%s", keys->name, keys[1].name ? "," : "");
    return buffer;
}
