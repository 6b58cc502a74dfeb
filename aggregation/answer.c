/* answer: what an exchange of southbound gets, kept until it may be said. */

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregation/relay_state.h"

static void *take(char **cursor, const void *from, size_t size)
{
    void *to = *cursor;

    if (size == 0)
        return NULL;
    memcpy(to, from, size);
    *cursor += (size + 7) & ~(size_t)7;
    return to;
}

static size_t padded(size_t size)
{
    return (size + 7) & ~(size_t)7;
}

static size_t strings_size(const struct wire_strings *strings)
{
    size_t size = padded(strings->count * sizeof(*strings->at));

    for (size_t i = 0; i < strings->count; i++)
        size += padded(strlen(strings->at[i]) + 1);
    return size;
}

static void take_strings(char **cursor, struct wire_strings *strings)
{
    const char **at = take(cursor, strings->at, strings->count * sizeof(*strings->at));

    for (size_t i = 0; i < strings->count; i++)
        at[i] = take(cursor, at[i], strlen(at[i]) + 1);
    strings->at = at;
}

struct wire_conflict *conflict_copy(const struct wire_conflict *conflict)
{
    const struct wire_target *target = &conflict->target;
    size_t size = padded(sizeof(*conflict)) + padded(target->prefix_count * sizeof(*target->prefixes)) +
                  padded(target->port_range_count * sizeof(*target->port_ranges)) + padded(target->protocol_count) +
                  strings_size(&target->fqdns) + strings_size(&target->uris) + strings_size(&target->aliases);
    char *block = malloc(size);
    char *cursor = block;
    struct wire_conflict *copy;

    if (!block)
        return NULL;
    copy = take(&cursor, conflict, sizeof(*conflict));
    copy->target.prefixes = take(&cursor, target->prefixes, target->prefix_count * sizeof(*target->prefixes));
    copy->target.port_ranges =
        take(&cursor, target->port_ranges, target->port_range_count * sizeof(*target->port_ranges));
    copy->target.protocols = take(&cursor, target->protocols, target->protocol_count);
    take_strings(&cursor, &copy->target.fqdns);
    take_strings(&cursor, &copy->target.uris);
    take_strings(&cursor, &copy->target.aliases);
    copy->acls = NULL; /* ACLs of another party are never shown */
    copy->acl_count = 0;
    return copy;
}

static struct answer *answer_new(struct relay *relay, void *exchange, int code)
{
    struct answer *answer = calloc(1, sizeof(*answer));

    if (!answer) {
        relay->effects->ignore(relay->arg, exchange); /* the client repeats its request */
        return NULL;
    }
    answer->exchange = exchange;
    answer->code = code;
    answer->max_age = -1;
    effect_push(relay, &answer->effect, EFFECT_ANSWER, answer);
    return answer;
}

void answer_scope(struct relay *relay, void *exchange, int code, const struct mitigation *mitigation)
{
    struct answer *answer = answer_new(relay, exchange, code);

    if (!answer)
        return;
    answer->has_scope = true;
    answer->scope.has_mid = answer->scope.has_lifetime = true;
    answer->scope.mid = mitigation->mid;
    answer->scope.lifetime = mitigation->lifetime;
    answer->scope.trigger = true;
    if (mitigation->conflict)
        answer->scope.conflict = conflict_copy(mitigation->conflict);
}

void answer_conflict(struct relay *relay, void *exchange, const struct wire_conflict *conflict)
{
    struct answer *answer = answer_new(relay, exchange, 409);

    if (!answer)
        return;
    answer->has_scope = true;
    answer->scope.trigger = true;
    answer->scope.conflict = conflict_copy(conflict);
}

void answer_text(struct relay *relay, void *exchange, int code, int64_t max_age, const char *format, ...)
{
    struct answer *answer = answer_new(relay, exchange, code);
    char text[512];
    va_list list;

    if (!answer)
        return;
    va_start(list, format);
    vsnprintf(text, sizeof(text), format, list);
    va_end(list);
    answer->max_age = max_age;
    answer->diagnostic = strdup(text);
}

void answer_empty(struct relay *relay, void *exchange, int code)
{
    answer_new(relay, exchange, code);
}

void answer_free(struct answer *answer)
{
    free(answer->scope.conflict);
    free(answer->diagnostic);
    free(answer);
}
