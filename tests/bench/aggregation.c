/*
 * aggregation: what one add, withdraw or refresh costs among many active requests, and a plan from scratch.
 * links: aggregation wire
 *
 * The outside costs nothing: the store takes everything at once, the upstream accepts everything at once. Each figure
 * is the whole of what the gateway's loop does in aggregation for one event: the put or delete, and the upstream's
 * answers to what it sent. One JSON object a line on stdout, a table on stderr. The reference, measured in the same
 * run: one entry in and out of a hash table of as many as there are requests.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "aggregation/relay.h"

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#define OPERATIONS 2000
#define REPEATS 5 /* of plans from scratch */
#define CLIENTS 1000
#define OUTSTANDING_MAX 4096
#define NOW INT64_C(1800000000000)
#define LIFETIME 86400

struct record {
    int table;
    char key[512];
    size_t key_length, length;
    uint8_t *value;
    UT_hash_handle hh;
};

struct bench {
    struct relay *relay;
    struct relay_policy policy;
    struct relay_target target;
    struct record *records; /* while it is filled */
    bool records_wanted;
    struct {
        struct install *install;
        bool withdraw;
    } outstanding[OUTSTANDING_MAX];
    size_t outstanding_count;
    uint64_t sequence;
    uint32_t next_mid[CLIENTS];
    size_t count, group; /* active requests; how many overlap */
    int64_t now;
    uint64_t random;
    double reference_us;
};

static void fail(const char *why)
{
    fprintf(stderr, "aggregation: %s\n", why);
    exit(1);
}

static double now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static uint32_t roll(struct bench *bench, uint32_t below)
{
    bench->random = bench->random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(bench->random >> 33) % below;
}

/* ---- The outside ---- */

static void on_answer(void *arg, void *exchange, const struct relay_answer *answer)
{
    (void)arg;
    (void)exchange;
    if (answer->code / 100 != 2)
        fail("a request was refused");
}

static void on_ignore(void *arg, void *exchange)
{
    (void)arg;
    (void)exchange;
}

static void on_changed(void *arg, const struct mitigation *mitigation, bool gone)
{
    (void)arg;
    (void)mitigation;
    (void)gone;
}

static void on_requester_gone(void *arg, struct requester *requester)
{
    (void)arg;
    (void)requester;
}

static void push(struct bench *bench, struct install *install, bool withdraw)
{
    if (bench->outstanding_count == OUTSTANDING_MAX)
        fail("too much is sent at once");
    bench->outstanding[bench->outstanding_count].install = install;
    bench->outstanding[bench->outstanding_count++].withdraw = withdraw;
}

static void on_install(void *arg, struct install *install)
{
    push(arg, install, false);
}

static void on_withdraw(void *arg, struct install *install)
{
    push(arg, install, true);
}

static void on_forget(void *arg, struct install *install)
{
    struct bench *bench = arg;

    for (size_t i = 0; i < bench->outstanding_count; i++)
        if (bench->outstanding[i].install == install)
            bench->outstanding[i--] = bench->outstanding[--bench->outstanding_count];
}

static void on_cuid_gone(void *arg, struct upstream_cuid *cuid)
{
    (void)arg;
    (void)cuid;
}

static int make_cuid(void *arg, size_t target, const struct requester *owner, uint32_t attempt, char cuid[23])
{
    (void)arg;
    (void)target;
    (void)owner;
    snprintf(cuid, 23, "gw-%u", attempt);
    return 0;
}

static int on_store_put(void *arg, int table, const char *key, size_t key_length, const uint8_t *value, size_t length)
{
    struct bench *bench = arg;
    struct record *record;
    char name[sizeof(record->key)];

    if (!bench->records_wanted)
        return 0;
    memcpy(name, key, key_length);
    name[key_length] = (char)table;
    HASH_FIND(hh, bench->records, name, key_length + 1, record);
    if (!record) {
        record = calloc(1, sizeof(*record));
        memcpy(record->key, name, key_length + 1);
        record->key_length = key_length;
        record->table = table;
        HASH_ADD_KEYPTR(hh, bench->records, record->key, key_length + 1, record);
    }
    free(record->value);
    record->value = malloc(length + 1);
    record->length = length;
    memcpy(record->value, value, length);
    return 0;
}

static int on_store_delete(void *arg, int table, const char *key, size_t key_length)
{
    struct bench *bench = arg;
    struct record *record;
    char name[sizeof(record->key)];

    if (!bench->records_wanted)
        return 0;
    memcpy(name, key, key_length);
    name[key_length] = (char)table;
    HASH_FIND(hh, bench->records, name, key_length + 1, record);
    if (record) {
        HASH_DEL(bench->records, record);
        free(record->value);
        free(record);
    }
    return 0;
}

static uint64_t on_store_submit(void *arg)
{
    struct bench *bench = arg;

    return ++bench->sequence;
}

static void on_job(void *arg, struct install *install)
{
    (void)arg;
    (void)install;
}

static void on_alert(void *arg, const char *event, const char *text)
{
    (void)arg;
    (void)event;
    (void)text;
}

static const struct relay_effects effects = {
    .answer = on_answer,
    .ignore = on_ignore,
    .changed = on_changed,
    .requester_gone = on_requester_gone,
    .install = on_install,
    .withdraw = on_withdraw,
    .forget = on_forget,
    .upstream_cuid_gone = on_cuid_gone,
    .job_start = on_job,
    .job_stop = on_job,
    .make_cuid = make_cuid,
    .store_put = on_store_put,
    .store_delete = on_store_delete,
    .store_submit = on_store_submit,
    .alert = on_alert,
};

/* Commits, and answers whatever was sent. */
static void settle(struct bench *bench)
{
    uint64_t before;

    do {
        before = bench->sequence;
        relay_committed(bench->relay, bench->now, bench->sequence);
        while (bench->outstanding_count) {
            struct relay_upstream_answer answer = {.max_age = -1};
            struct install *install = bench->outstanding[--bench->outstanding_count].install;

            answer.code = bench->outstanding[bench->outstanding_count].withdraw ? 202 : 201;
            relay_install_answer(bench->relay, bench->now, install, &answer);
        }
    } while (bench->sequence != before);
}

/* ---- Requests ---- */

/*
 * Groups of /24: alone in it (a /32) when nothing is to overlap, else the first of a group asks for all of it and the
 * others for a part of it. With more than 256 in a group it is a /16, and so on.
 */
static struct wire_prefix prefix_of(const struct bench *bench, size_t number)
{
    size_t group = number / bench->group, member = number % bench->group;
    unsigned bits = 0;
    uint32_t address;
    struct wire_prefix prefix = {.family = 4, .length = 32};

    while (((size_t)1 << bits) < 2 * bench->group)
        bits++;
    if (bench->group == 1)
        bits = 0;
    address = 0x0a000000u + (uint32_t)(group << bits) + (uint32_t)member;
    if (bench->group > 1 && member == 0)
        prefix.length = (uint8_t)(32 - bits);
    for (int i = 0; i < 4; i++)
        prefix.addr[i] = (uint8_t)(address >> (24 - 8 * i));
    return prefix;
}

static struct relay_requester requester_of(size_t client, char name[16])
{
    snprintf(name, 16, "c%zu", client);
    return (struct relay_requester){.client = name, .cdid = "", .cuid = name, .identity_hash = "hash"};
}

static void put(struct bench *bench, size_t client, uint32_t mid, size_t number)
{
    struct wire_prefix prefix = prefix_of(bench, number);
    struct wire_scope scope = {.has_lifetime = true, .lifetime = LIFETIME, .trigger = true};
    struct relay_put put = {.limits = {.mitigations = 1000000, .cuids = 10, .max_lifetime = LIFETIME}};
    char name[16];

    scope.target.prefixes = &prefix;
    scope.target.prefix_count = 1;
    put.requester = requester_of(client, name);
    put.mid = mid;
    put.scope = &scope;
    put.exchange = bench;
    relay_put(bench->relay, bench->now, &put);
    settle(bench);
}

static void withdraw(struct bench *bench, size_t client, uint32_t mid)
{
    struct relay_requester requester;
    char name[16];

    requester = requester_of(client, name);
    relay_delete(bench->relay, bench->now, &requester, mid, bench);
    settle(bench);
}

/* ---- Figures ---- */

static int by_value(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;

    return (left > right) - (left < right);
}

static void tell(const struct bench *bench, const char *name, double *values, size_t count, const char *unit)
{
    double median, most;

    qsort(values, count, sizeof(*values), by_value);
    median = values[count / 2];
    most = values[count * 99 / 100];
    printf("{\"name\": \"aggregation.%s\", \"active\": %zu, \"overlapping\": %zu, \"figure\": %.3f, \"p99\": %.3f, "
           "\"unit\": \"%s\", \"reference\": \"hash_table_add_delete\", \"reference_us\": %.3f}\n",
           name, bench->count, bench->group, median, most, unit, bench->reference_us);
    fprintf(stderr, "%-10s %8zu %12zu %12.2f %12.2f %-3s %14.2f\n", name, bench->count, bench->group, median, most,
            unit, bench->reference_us);
}

struct entry {
    char key[32];
    UT_hash_handle hh;
};

static void measure_reference(struct bench *bench)
{
    struct entry *table = NULL, *entries = calloc(bench->count, sizeof(*entries));
    double begun;

    for (size_t i = 0; i < bench->count; i++)
        snprintf(entries[i].key, sizeof(entries[i].key), "%zu", i);
    for (size_t i = 0; i < bench->count; i++)
        HASH_ADD_STR(table, key, &entries[i]);
    begun = now_us();
    for (size_t i = 0; i < OPERATIONS; i++) {
        struct entry *entry, *wanted = &entries[roll(bench, (uint32_t)bench->count)];

        HASH_FIND_STR(table, wanted->key, entry);
        if (!entry)
            fail("the reference is broken");
        HASH_DEL(table, entry);
        HASH_ADD_STR(table, key, entry);
    }
    bench->reference_us = (now_us() - begun) / OPERATIONS;
    HASH_CLEAR(hh, table);
    free(entries);
}

static void measure(struct bench *bench)
{
    double *adds = calloc(OPERATIONS, sizeof(*adds)), *withdraws = calloc(OPERATIONS, sizeof(*withdraws)),
           *refreshes = calloc(OPERATIONS, sizeof(*refreshes));

    for (size_t i = 0; i < OPERATIONS; i++) {
        /* One that is there is withdrawn and put again, by another client that has its number free. */
        size_t number = roll(bench, (uint32_t)bench->count), client = number % CLIENTS;
        uint32_t mid = (uint32_t)(number / CLIENTS);
        double begun = now_us();

        put(bench, client, mid, number);
        refreshes[i] = now_us() - begun;
        begun = now_us();
        withdraw(bench, client, mid);
        withdraws[i] = now_us() - begun;
        bench->now += 400000; /* what terminates has ended */
        relay_tick(bench->relay, bench->now);
        bench->now += 400000;
        relay_tick(bench->relay, bench->now);
        settle(bench);
        bench->now -= 800000;
        begun = now_us();
        put(bench, client, mid, number);
        adds[i] = now_us() - begun;
    }
    tell(bench, "add", adds, OPERATIONS, "us");
    tell(bench, "withdraw", withdraws, OPERATIONS, "us");
    tell(bench, "refresh", refreshes, OPERATIONS, "us");
    free(adds);
    free(withdraws);
    free(refreshes);
}

/* ---- From nothing, and from records ---- */

static void begin(struct bench *bench)
{
    bench->relay = relay_new(&bench->policy, &effects, bench);
    if (!bench->relay)
        fail("out of memory");
}

static void fill(struct bench *bench, size_t count, size_t group)
{
    memset(bench, 0, sizeof(*bench));
    bench->target = (struct relay_target){.name = "isp-a", .kind = RELAY_UPSTREAM};
    bench->policy = (struct relay_policy){.name = "gw.test",
                                          .targets = &bench->target,
                                          .target_count = 1,
                                          .response_wait_ms = 1000,
                                          .terminating_initial_ms = 120000,
                                          .terminating_max_ms = 300000,
                                          .mitigations_max = 1000000,
                                          .hop_limit = 16};
    bench->now = NOW;
    bench->count = count;
    bench->group = group;
    bench->random = count + group;
    bench->records_wanted = true;
    begin(bench);
    relay_start(bench->relay, bench->now);
    for (size_t i = 0; i < count; i++)
        put(bench, i % CLIENTS, (uint32_t)(i / CLIENTS), i);
    bench->records_wanted = false;
    measure_reference(bench);
}

static void load(struct bench *bench)
{
    static const int tables[] = {5, 2, 3, 4};
    struct record *record;
    char error[256];

    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
        for (record = bench->records; record; record = record->hh.next)
            if (record->table == tables[i] && relay_load(bench->relay, record->table, record->key, record->key_length,
                                                         record->value, record->length, error, sizeof(error)) != 0)
                fail(error);
    relay_start(bench->relay, bench->now);
    settle(bench);
}

static void measure_scratch(struct bench *bench)
{
    double times[REPEATS];

    for (size_t i = 0; i < REPEATS; i++) {
        double begun;

        relay_free(bench->relay);
        bench->outstanding_count = 0;
        begin(bench);
        begun = now_us();
        load(bench);
        times[i] = (now_us() - begun) / 1000;
    }
    tell(bench, "scratch", times, REPEATS, "ms");
}

static void finish(struct bench *bench)
{
    struct record *record = bench->records, *next;

    relay_free(bench->relay);
    HASH_CLEAR(hh, bench->records);
    for (; record; record = next) {
        next = record->hh.next;
        free(record->value);
        free(record);
    }
}

int main(int argc, char **argv)
{
    static const size_t counts[] = {1000, 10000, 100000}, groups[] = {1, 10, 100};
    size_t most = argc > 1 ? strtoul(argv[1], NULL, 10) : SIZE_MAX;
    struct bench *bench = malloc(sizeof(*bench));

    fprintf(stderr, "%-10s %8s %12s %12s %12s %-3s %14s\n", "what", "active", "overlapping", "median", "99th", "",
            "reference, us");
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        for (size_t k = 0; k < sizeof(groups) / sizeof(groups[0]) && counts[i] <= most; k++) {
            fill(bench, counts[i], groups[k]);
            measure(bench);
            if (counts[i] == 100000)
                measure_scratch(bench);
            finish(bench);
        }
    }
    free(bench);
    return 0;
}
