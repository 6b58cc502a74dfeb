/* history: what clients and operators do, and what clients were told. */

#include <stdlib.h>
#include <string.h>

#include "tests/support/history.h"

#define MANY_CLIENTS 100 /* more than these ask for narrow scopes: a bundle of all would be all there is */
#define NOT_THERE 1000000

struct exchange {
    char name[16]; /* first: the journal shows it */
    unsigned number;
    struct asked *asked; /* NULL: of a mid that nobody ever asked for */
    unsigned client;
    uint32_t mid;
    bool deletes;
    int64_t made; /* ms */
};

static struct relay_requester requester_of(unsigned client, char name[16])
{
    snprintf(name, 16, "c%u", client);
    return (struct relay_requester){.client = name, .cdid = "", .cuid = name, .identity_hash = "hash"};
}

static struct exchange *exchange_new(struct history *history, unsigned client, uint32_t mid, bool deletes)
{
    struct exchange *exchange = calloc(1, sizeof(*exchange));

    exchange->number = ++history->exchanges;
    exchange->made = history->world.now;
    snprintf(exchange->name, sizeof(exchange->name), "x%u", exchange->number);
    exchange->client = client;
    exchange->mid = mid;
    exchange->deletes = deletes;
    if (mid == NOT_THERE)
        return exchange;
    exchange->asked = history_asked(history, client, mid);
    exchange->asked->crowded = exchange->asked->pending > 0;
    exchange->asked->pending++;
    return exchange;
}

/* The RFC deletes the overlapped ones with lower mids. */
static bool overridden(const struct asked *lower, const struct asked *higher)
{
    return lower->trigger == higher->trigger && blocks_common(&lower->blocks, &higher->blocks);
}

/* A put whose answer was lost may still be accepted, until another answer about it says what became of it. */
static void settle_doubts(struct history *history, const struct exchange *exchange, const struct relay_answer *answer)
{
    bool accepted = !exchange->deletes && answer && answer->code / 100 == 2;
    bool known = (accepted || (exchange->deletes && answer)) && exchange->asked->pending == 0;
    unsigned settled = (!exchange->deletes && answer) + (known ? exchange->asked->lost : 0);

    exchange->asked->lost = known ? 0 : exchange->asked->lost + (!exchange->deletes && !answer);
    for (uint32_t mid = 0; mid < exchange->mid; mid++) {
        struct asked *other = history_asked(history, exchange->client, mid);

        if (!overridden(other, exchange->asked))
            continue;
        other->doubts -= settled;
        if (accepted)
            other->told = TOLD_GONE;
        else if (exchange->deletes && settled)
            history_doubt(history, other);
    }
}

/* The lifetime that it says counts from when it was made, which is between the put and now. */
static void expect_granted(const struct history *history, const struct exchange *exchange,
                           const struct relay_answer *answer)
{
    struct asked *asked = exchange->asked;
    int64_t lifetime = answer->body ? answer->body->scopes[0].lifetime * 1000 : 0;

    if (!asked->crowded || exchange->made + lifetime - 1000 < asked->expires_min)
        asked->expires_min = exchange->made + lifetime - 1000;
    if (!asked->crowded || history->world.now + lifetime > asked->expires_max)
        asked->expires_max = history->world.now + lifetime;
}

static void take_answer(struct history *history, const struct exchange *exchange, const struct relay_answer *answer)
{
    struct asked *asked = exchange->asked;
    bool unsure = asked->unsure && exchange->number <= asked->shaken;

    asked->pending--;
    if (!answer) {
        history_doubt(history, asked);
    } else if (exchange->deletes) {
        asked->told = TOLD_GONE;
        asked->unsure = unsure;
    } else if (answer->code / 100 == 2) {
        asked->told = TOLD_ACCEPTED;
        asked->unsure = unsure;
        expect_granted(history, exchange, answer);
    } else if (asked->told != TOLD_ACCEPTED) {
        asked->told = TOLD_GONE;
    }
}

void history_answered(struct world *world, void *arg, const struct relay_answer *answer)
{
    struct exchange *exchange = arg;

    if (exchange->asked) {
        take_answer(world->user, exchange, answer);
        settle_doubts(world->user, exchange, answer);
    }
    free(exchange);
}

/* Which of several puts that are under way counts is the gateway's to say. */
static void expect_expiry(struct asked *asked, int64_t expires)
{
    bool only = asked->pending == 0 && asked->told != TOLD_ACCEPTED;

    if (only || expires < asked->expires_min)
        asked->expires_min = expires;
    if (only || expires > asked->expires_max)
        asked->expires_max = expires;
}

static void write_put(struct history *history, unsigned client, uint32_t mid, const struct asked *asked)
{
    char text[HISTORY_PREFIXES][WIRE_PREFIX_TEXT];

    if (!history->script)
        return;
    for (size_t i = 0; i < asked->prefix_count; i++)
        wire_prefix_format(&asked->prefixes[i], text[i]);
    history_script(history, "put c%u/c%u %u prefix=%s%s%s%s%s lifetime=%lld limit=1000%s as=x%u", client, client, mid,
                   text[0], asked->prefix_count > 1 ? "," : "", asked->prefix_count > 1 ? text[1] : "",
                   asked->name[0] ? " fqdn=" : "", asked->name, (long long)asked->lifetime,
                   asked->trigger ? "" : " preconfigured", history->exchanges + 1);
}

static void put(struct history *history, unsigned client, uint32_t mid)
{
    struct asked *asked = history_asked(history, client, mid);
    const char *names[] = {asked->name};
    struct wire_scope scope = {
        .has_lifetime = true, .lifetime = asked->lifetime, .trigger = asked->trigger, .has_trigger = !asked->trigger};
    struct relay_put request = {.limits = {.mitigations = 1000, .cuids = 16, .max_lifetime = 86400}};
    struct exchange *exchange;
    char name[16];

    scope.target.prefixes = asked->prefixes;
    scope.target.prefix_count = asked->prefix_count;
    scope.target.fqdns = (struct wire_strings){names, asked->name[0] != '\0'};
    write_put(history, client, mid, asked);
    expect_expiry(asked, history->world.now + asked->lifetime * 1000);
    exchange = exchange_new(history, client, mid, false);
    request.requester = requester_of(client, name);
    request.mid = mid;
    request.scope = &scope;
    request.exchange = exchange;
    for (uint32_t lower = 0; lower < mid; lower++)
        history_asked(history, client, lower)->doubts += overridden(history_asked(history, client, lower), asked);
    relay_put(history->world.relay, history->world.now, &request);
}

/* Few networks and few lengths, so that overlaps are common. */
static void place(const struct history *history, struct asked *asked, unsigned number)
{
    static const unsigned counts[] = {256, 64, 16, 4};
    unsigned count = counts[number / 8 % 4], from = number % 2 * 256 + (count < 256 ? number / 2 % 4 * 64 : 0);

    if (history->setup->clients > MANY_CLIENTS) {
        count = 1;
        from = number % BLOCKS_ADDRESSES;
    }
    asked->prefixes[asked->prefix_count++] = blocks_prefix(BLOCKS_INTERNAL, from, count);
    blocks_fill(&asked->blocks, from, count);
}

static int64_t lifetime_of(const struct history *history, unsigned number)
{
    static const int64_t lifetimes[] = {40, 300, 3000, 80000};

    return history->setup->lives_long ? 80000 : lifetimes[number % 4];
}

void history_put(struct history *history, const struct step *step)
{
    unsigned client = step->a % history->setup->clients;
    uint32_t mid = history->next_mid[client];
    struct asked *asked;
    struct wire_strings names;
    const char *name;

    if (mid + 1 >= history->setup->mids)
        return;
    asked = history_asked(history, client, mid);
    history->next_mid[client]++;
    place(history, asked, step->b);
    if (step->c / 4 % 8 == 0)
        place(history, asked, step->b / 32);
    asked->trigger = step->c % 4 != 0;
    if (step->c / 32 % 8 == 0) {
        struct blocks named;

        snprintf(asked->name, sizeof(asked->name), "n%u.test", step->c / 256 % BLOCKS_NAMES);
        name = asked->name;
        names = (struct wire_strings){&name, 1};
        blocks_of(&(struct wire_target){.fqdns = names}, BLOCKS_INTERNAL, &named);
        blocks_add(&asked->blocks, &named);
    }
    asked->lifetime = lifetime_of(history, step->d);
    put(history, client, mid);
}

void history_again(struct history *history, const struct step *step)
{
    unsigned client = step->a % history->setup->clients;
    uint32_t mid;

    if (history->next_mid[client] == 0)
        return;
    mid = step->b % history->next_mid[client];
    history_asked(history, client, mid)->lifetime = lifetime_of(history, step->d);
    put(history, client, mid);
}

void history_withdraw(struct history *history, unsigned client, uint32_t mid)
{
    struct relay_requester requester;
    struct exchange *exchange;
    char name[16];

    if (mid == UINT16_MAX)
        mid = NOT_THERE;
    else if (history->next_mid[client] == 0)
        return;
    else
        mid %= history->next_mid[client];
    history_script(history, "delete c%u/c%u %u as=x%u", client, client, mid, history->exchanges + 1);
    requester = requester_of(client, name);
    exchange = exchange_new(history, client, mid, true);
    relay_delete(history->world.relay, history->world.now, &requester, mid, exchange);
}

void history_lost(struct history *history, unsigned client)
{
    struct requester *requester;
    char name[16];

    requester_of(client, name);
    requester = relay_requester_find(history->world.relay, "", name);
    if (!requester)
        return;
    for (uint32_t mid = 0; mid < history->next_mid[client]; mid++) /* what it activates ends others (section 4.4.1.3) */
        history_doubt(history, history_asked(history, client, mid));
    history_script(history, "lost %s/%s", name, name);
    relay_signal_lost(history->world.relay, history->world.now, requester);
}

void history_recurse(struct history *history, const struct step *step)
{
    unsigned client = step->a % history->setup->clients;
    bool on = step->c % 4 != 0;
    struct relay_requester requester;
    uint32_t mid;
    char name[16];

    if (history->setup->recursion != RELAY_RECURSION_MANUAL || history->next_mid[client] == 0)
        return;
    mid = step->b % history->next_mid[client];
    history_script(history, "recurse c%u/c%u %u %s", client, client, mid, on ? "on" : "off");
    requester = requester_of(client, name);
    if (relay_recurse(history->world.relay, history->world.now, &requester, mid, on) != 0)
        world_note(&history->world, "not-possible");
}
