/* effects: what the outside must do, in order, once what it rests on is committed. */

#include "aggregation/relay_state.h"

void effect_push(struct relay *relay, struct effect *effect, enum effect_kind kind, void *subject)
{
    if (effect->queued)
        return;
    effect->kind = kind;
    effect->subject = subject;
    effect->queued = true;
    effect->next = NULL;
    if (relay->last_effect)
        relay->last_effect->next = effect;
    else
        relay->first_effect = effect;
    relay->last_effect = effect;
    if (!relay->untagged)
        relay->untagged = effect;
}

static void release_answer(struct relay *relay, struct answer *answer)
{
    struct wire_message message = {.type = WIRE_MITIGATION, .scopes = &answer->scope, .scope_count = 1};
    struct relay_answer out = {.code = answer->code,
                               .body = answer->has_scope ? &message : NULL,
                               .diagnostic = answer->diagnostic,
                               .max_age = answer->max_age};

    relay->effects->answer(relay->arg, answer->exchange, &out);
    answer_free(answer);
}

static void release(struct relay *relay, struct effect *effect)
{
    effect->queued = false;
    switch (effect->kind) {
    case EFFECT_ANSWER:
        release_answer(relay, effect->subject);
        break;
    case EFFECT_SYNC:
        install_sync(relay, effect->subject);
        break;
    case EFFECT_CHANGED:
        relay->effects->changed(relay->arg, effect->subject, false);
        break;
    case EFFECT_FREE_INSTALL:
        install_free(relay, effect->subject);
        break;
    case EFFECT_FREE_MITIGATION:
        relay->effects->changed(relay->arg, effect->subject, true);
        mitigation_free(relay, effect->subject);
        break;
    }
}

/* What was pushed since the last time rests on everything that was written until now. */
static void submit(struct relay *relay)
{
    if (relay->dirty) {
        relay->submitted = relay->effects->store_submit(relay->arg);
        relay->dirty = false;
    }
    for (struct effect *effect = relay->untagged; effect; effect = effect->next)
        effect->sequence = relay->submitted;
    relay->untagged = NULL;
}

void effects_flush(struct relay *relay)
{
    if (relay->serial && !relay->releasing)
        serial_tell(relay);
    submit(relay);
    if (relay->releasing) /* an effect made further ones: they get their turn in the loop below */
        return;
    relay->releasing = true;
    while (relay->first_effect && relay->first_effect->sequence <= relay->committed) {
        struct effect *effect = relay->first_effect;

        relay->first_effect = effect->next;
        if (!relay->first_effect)
            relay->last_effect = NULL;
        effect->next = NULL;
        release(relay, effect);
        submit(relay);
    }
    relay->releasing = false;
}

void effects_drop(struct relay *relay)
{
    while (relay->first_effect) {
        struct effect *effect = relay->first_effect;

        relay->first_effect = effect->next;
        effect->queued = false;
        if (effect->kind == EFFECT_ANSWER) {
            struct answer *answer = effect->subject;

            relay->effects->ignore(relay->arg, answer->exchange);
            answer_free(answer);
        } else if (effect->kind == EFFECT_FREE_INSTALL) {
            install_free(relay, effect->subject);
        } else if (effect->kind == EFFECT_FREE_MITIGATION) {
            mitigation_free(relay, effect->subject);
        }
    }
    relay->last_effect = relay->untagged = NULL;
}
