/* answer: what an exchange of southbound gets, kept until it may be said. */

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregation/relay_state.h"
#include "aggregation/scope_lists.h"

struct wire_conflict *conflict_copy(const struct wire_conflict *conflict)
{
    struct wire_target target;
    struct wire_conflict *copy = scope_target_copy(&conflict->target, sizeof(*copy), &target);

    if (!copy)
        return NULL;
    *copy = *conflict;
    copy->target = target;
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
