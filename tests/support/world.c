/* world: the outside of a relay, faked. */

#include "tests/support/world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>

void world_note(struct world *world, const char *format, ...)
{
    char line[WORLD_LINE];
    va_list list;

    if (world->quiet)
        return;
    va_start(list, format);
    vsnprintf(line, sizeof(line), format, list);
    va_end(list);
    if (world->journal_count == world->journal_size) {
        world->journal_size = world->journal_size ? world->journal_size * 2 : 64;
        world->journal = realloc(world->journal, world->journal_size * sizeof(*world->journal));
    }
    world->journal[world->journal_count++] = strdup(line);
}

char *world_take(struct world *world)
{
    char *line;

    if (world->journal_count == 0)
        return NULL;
    line = world->journal[0];
    world->journal_count--;
    memmove(world->journal, world->journal + 1, world->journal_count * sizeof(*world->journal));
    return line;
}

/* ---- Text of what goes out ---- */

static void add(char *line, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(char *line, const char *format, ...)
{
    size_t length = strlen(line);
    va_list list;

    va_start(list, format);
    vsnprintf(line + length, WORLD_LINE - length, format, list);
    va_end(list);
}

static void add_names(char *line, const char *label, const struct wire_strings *names)
{
    for (size_t i = 0; i < names->count; i++)
        add(line, "%s%s", i ? "," : label, names->at[i]);
}

static void add_target(char *line, const struct wire_target *target)
{
    char text[WIRE_PREFIX_TEXT];

    for (size_t i = 0; i < target->prefix_count; i++)
        add(line, "%s%s", i ? "," : " prefix=", wire_prefix_format(&target->prefixes[i], text));
    for (size_t i = 0; i < target->port_range_count; i++)
        add(line, "%s%u-%u", i ? "," : " ports=", target->port_ranges[i].lower, target->port_ranges[i].upper);
    for (size_t i = 0; i < target->protocol_count; i++)
        add(line, "%s%u", i ? "," : " protocols=", target->protocols[i]);
    add_names(line, " fqdn=", &target->fqdns);
    add_names(line, " uri=", &target->uris);
}

static void add_conflict(char *line, const struct wire_conflict *conflict)
{
    add(line, " conflict=%d/%d", conflict->status, conflict->cause);
    if (conflict->has_mid)
        add(line, " conflict-mid=%u", conflict->mid);
    if (conflict->has_retry_timer)
        add(line, " retry=%u", conflict->retry_timer);
    add_target(line, &conflict->target);
}

/* Is the process still alive for one effect more? */
static bool happens(struct world *world)
{
    if (world->dies_after > 0 && --world->dies_after == 0)
        world->dead = true;
    return !world->dead;
}

static void effect_ignored(struct world *world, void *exchange)
{
    if (world->on_answer)
        world->on_answer(world, exchange, NULL);
    else
        free(exchange);
}

static void effect_answer(void *arg, void *exchange, const struct relay_answer *answer)
{
    struct world *world = arg;
    char line[WORLD_LINE] = "";

    if (!happens(world)) {
        effect_ignored(world, exchange);
        return;
    }
    if (!world->quiet) {
        add(line, "answer %s %d.%02d", (char *)exchange, answer->code / 100, answer->code % 100);
        if (answer->body && answer->body->scopes[0].has_mid)
            add(line, " mid=%u lifetime=%lld", answer->body->scopes[0].mid,
                (long long)answer->body->scopes[0].lifetime);
        if (answer->body && answer->body->scopes[0].conflict)
            add_conflict(line, answer->body->scopes[0].conflict);
        if (answer->diagnostic)
            add(line, " \"%s\"", answer->diagnostic);
        world_note(world, "%s", line);
    }
    if (world->on_answer)
        world->on_answer(world, exchange, answer);
    else
        free(exchange);
}

static void effect_ignore(void *arg, void *exchange)
{
    world_note(arg, "ignore %s", (char *)exchange);
    effect_ignored(arg, exchange);
}

static void effect_changed(void *arg, const struct mitigation *mitigation, bool gone)
{
    struct world *world = arg;
    struct wire_scope scope;
    char line[WORLD_LINE] = "";

    if (world->quiet || world->dead)
        return;
    add(line, "%s %s/%u", gone ? "gone" : "notify", mitigation_requester(mitigation)->cuid, mitigation_mid(mitigation));
    if (!gone) {
        mitigation_represent(mitigation, world->now, MITIGATION_ALL, &scope);
        add(line, " status=%d", scope.status);
        if (scope.has_bytes)
            add(line, " bytes=%llu", (unsigned long long)scope.bytes_dropped);
        if (scope.has_pkts)
            add(line, " pkts=%llu", (unsigned long long)scope.pkts_dropped);
        if (scope.conflict)
            add_conflict(line, scope.conflict);
    }
    world_note(world, "%s", line);
}

static void effect_requester_gone(void *arg, struct requester *requester)
{
    (void)arg;
    (void)requester;
}

static void note_install(struct world *world, const char *what, struct install *install)
{
    const struct upstream_cuid *cuid = install_cuid(install);
    struct install_request request;
    struct wire_scope scratch;
    char line[WORLD_LINE] = "";

    if (world->quiet)
        return;
    relay_install_request(install, world->now, &request, &scratch);
    add(line, "%s %s", what, world->targets[cuid->target].name);
    if (cuid->cdid[0])
        add(line, " cdid=%s", cuid->cdid);
    if (world->targets[cuid->target].kind == RELAY_UPSTREAM)
        add(line, " %s/%u", cuid->cuid, request.mid);
    if (strcmp(what, "withdraw") != 0 && strcmp(what, "stop") != 0) {
        add_target(line, &request.scope->target);
        add(line, " lifetime=%lld", (long long)request.scope->lifetime);
        if (!request.scope->trigger)
            add(line, " preconfigured");
        if (request.if_match)
            add(line, " efficacy=%d", request.scope->attack_status);
        if (world->targets[cuid->target].kind == RELAY_UPSTREAM)
            add(line, " hops=%u", request.hop_limit);
    }
    world_note(world, "%s", line);
}

static void effect_install(void *arg, struct install *install)
{
    struct world *world = arg;

    if (!happens(world))
        return;
    note_install(world, "put", install);
    if (world->on_install)
        world->on_install(world, install, false);
}

static void effect_withdraw(void *arg, struct install *install)
{
    struct world *world = arg;

    if (!happens(world))
        return;
    note_install(world, "withdraw", install);
    if (world->on_install)
        world->on_install(world, install, true);
}

static void effect_forget(void *arg, struct install *install)
{
    struct world *world = arg;

    if (world->on_forget)
        world->on_forget(world, install);
}

static void effect_cuid_gone(void *arg, struct upstream_cuid *cuid)
{
    (void)arg;
    (void)cuid;
}

static void job(struct world *world, struct install *install, bool stop)
{
    if (!happens(world))
        return;
    note_install(world, stop ? "stop" : "start", install);
    if (world->on_job)
        world->on_job(world, install, stop);
}

static void effect_job_start(void *arg, struct install *install)
{
    job(arg, install, false);
}

static void effect_job_stop(void *arg, struct install *install)
{
    job(arg, install, true);
}

static int effect_make_cuid(void *arg, size_t target, const struct requester *owner, uint32_t attempt, char cuid[23])
{
    (void)arg;
    (void)target;
    if (owner)
        snprintf(cuid, 23, "gw-%.10s-%u", owner->cuid, attempt);
    else
        snprintf(cuid, 23, attempt ? "gw-%u" : "gw", attempt);
    return 0;
}

static void effect_alert(void *arg, const char *event, const char *text)
{
    const struct world *world = arg;

    if (!world->dead)
        world_note(arg, "alert %s %s", event, text);
}

static void effect_accepted(void *arg, size_t target, uint64_t arrived)
{
    struct world *world = arg;

    if (!world->dead && world->on_accepted)
        world->on_accepted(world, target, arrived);
}

/* ---- The store ---- */

static int change(struct world *world, int table, const char *key, size_t key_length, const uint8_t *value,
                  size_t length)
{
    struct world_record *record = calloc(1, sizeof(*record));

    record->table = table;
    record->key_length = key_length;
    memcpy(record->key, key, key_length);
    record->length = length;
    if (value) {
        record->value = malloc(length ? length : 1);
        memcpy(record->value, value, length);
    }
    if (world->last)
        world->last->next = record;
    else
        world->first = record;
    world->last = record;
    if (!world->open)
        world->open = record;
    return 0;
}

void world_preload(struct world *world, int table, const char *key, const uint8_t *value, size_t length)
{
    change(world, table, key, strlen(key), value, length);
    world->last->sequence = world->committed = ++world->sequence;
    world->open = NULL;
}

static int effect_store_put(void *arg, int table, const char *key, size_t key_length, const uint8_t *value,
                            size_t length)
{
    return change(arg, table, key, key_length, value, length);
}

static int effect_store_delete(void *arg, int table, const char *key, size_t key_length)
{
    return change(arg, table, key, key_length, NULL, 0);
}

static uint64_t effect_store_submit(void *arg)
{
    struct world *world = arg;

    world->sequence++;
    for (struct world_record *record = world->open; record; record = record->next)
        record->sequence = world->sequence;
    world->open = NULL;
    if (happens(world) && !world->hold)
        world->committed = world->sequence;
    return world->sequence;
}

static const struct relay_effects effects = {
    .answer = effect_answer,
    .ignore = effect_ignore,
    .changed = effect_changed,
    .requester_gone = effect_requester_gone,
    .install = effect_install,
    .withdraw = effect_withdraw,
    .forget = effect_forget,
    .upstream_cuid_gone = effect_cuid_gone,
    .job_start = effect_job_start,
    .job_stop = effect_job_stop,
    .make_cuid = effect_make_cuid,
    .store_put = effect_store_put,
    .store_delete = effect_store_delete,
    .store_submit = effect_store_submit,
    .alert = effect_alert,
    .accepted = effect_accepted,
};

/* Commits happen between events, as the real store's do. */
static void settle(struct world *world)
{
    uint64_t before;

    do {
        before = world->committed;
        relay_committed(world->relay, world->now, world->committed);
    } while (world->committed != before);
}

void world_commit(struct world *world)
{
    if (!world->dead)
        world->committed = world->sequence;
    settle(world);
}

static void record_free(struct world_record *record)
{
    free(record->value);
    free(record);
}

/* Keeps the last committed change of each key, and none that deletes. */
static void compact(struct world *world)
{
    struct world_record *kept = NULL, *record = world->first, *next, *old;

    for (; record; record = next) {
        next = record->next;
        record->next = NULL;
        if (record->sequence == 0 || record->sequence > world->committed) {
            record_free(record);
            continue;
        }
        record->key[record->key_length] = (char)record->table; /* keys are of one table each */
        HASH_FIND(hh, kept, record->key, record->key_length + 1, old);
        if (old) {
            HASH_DEL(kept, old);
            record_free(old);
        }
        if (record->value)
            HASH_ADD_KEYPTR(hh, kept, record->key, record->key_length + 1, record);
        else
            record_free(record);
    }
    world->first = world->last = world->open = NULL;
    record = kept;
    HASH_CLEAR(hh, kept);
    for (; record; record = record->hh.next) { /* in the order of the changes */
        if (world->last)
            world->last->next = record;
        else
            world->first = record;
        world->last = record;
    }
}

void world_start(struct world *world)
{
    static const int tables[] = {5, 2, 3, 4};
    struct world_record *loaded;
    char error[256];

    compact(world);
    world->relay = relay_new(&world->policy, &effects, world);
    relay_committed(world->relay, world->now, world->committed);
    loaded = world->first;
    for (size_t i = 0; i < 4; i++) {
        for (struct world_record *record = loaded; record; record = record->next)
            if (record->table == tables[i] && record->sequence && record->value &&
                relay_load(world->relay, record->table, record->key, record->key_length, record->value, record->length,
                           error, sizeof(error)) != 0)
                world_note(world, "load-failed %s", error);
    }
    relay_start(world->relay, world->now);
    settle(world);
}

void world_crash(struct world *world)
{
    bool quiet = world->quiet;

    world->quiet = world->dead = true;
    relay_free(world->relay);
    world->quiet = quiet;
    world->dead = false;
    world->dies_after = 0;
    world_start(world);
}

void world_advance(struct world *world, int64_t to)
{
    int64_t next;

    settle(world);
    while ((next = relay_next(world->relay)) <= to) {
        if (next > world->now)
            world->now = next;
        relay_tick(world->relay, world->now);
        settle(world);
    }
    if (to > world->now)
        world->now = to;
}

void world_init(struct world *world)
{
    memset(world, 0, sizeof(*world));
    world->now = 1000000000000;
    world->policy = (struct relay_policy){.name = "gw.test",
                                          .targets = world->targets,
                                          .nat = world->nat,
                                          .recursion_hold_ms = 300000,
                                          .response_wait_ms = 1000,
                                          .failover_wait_ms = 10000,
                                          .terminating_initial_ms = 120000,
                                          .terminating_max_ms = 300000,
                                          .mitigations_max = 100000,
                                          .hop_limit = 16};
}

void world_free(struct world *world)
{
    world->quiet = true;
    relay_free(world->relay);
    while (world->first) {
        struct world_record *next = world->first->next;

        record_free(world->first);
        world->first = next;
    }
    for (size_t i = 0; i < world->journal_count; i++)
        free(world->journal[i]);
    free(world->journal);
}
