/*
 * southbound/signal under random clients: sessions come and go, also while something is sent to them;
 * requests good and bad, observers, heartbeats, a disk and a DNS that answer late. Whatever happens:
 * every request is answered once at most, and once unless it is to be ignored; every error says why;
 * no client is told more than once in 3 s; and in the end nothing is left.
 */
/* links: southbound_signal */
#include "tests/unit/seeded_random.h"
#include "tests/unit/southbound_asking.h"

#define SEEDS 600
#define STEPS 250
#define SESSIONS 6

static struct dots_session *sessions[SESSIONS];
static bool fragile; /* whatever is sent may end the session */

static void maybe_down(struct dots_session *session)
{
    static const enum dots_down reasons[] = {DOTS_DOWN_CLOSED, DOTS_DOWN_LOST, DOTS_DOWN_REFUSED};

    if (fragile && random_below(20) == 0)
        fake_down(session, reasons[random_below(3)]);
}

static struct dots_session *some_session(void)
{
    static const char *const names[] = {"a.example", "a.example", "b.example", "gw.example", "guest.example"};
    size_t i = random_below(SESSIONS);

    if (!sessions[i] || sessions[i]->told_down || sessions[i]->closed)
        sessions[i] = fake_up(names[random_below(5)], random_below(2) ? "192.0.2.1" : "192.0.2.2",
                              random_below(2) ? DOTS_UDP : DOTS_TCP);
    return sessions[i];
}

static const char *some_path(void)
{
    static char path[160];
    static const char *const cdids[] = {"", "", "", "/cdid=d1", "/cdid=d2"};
    static const char *const wrong[] = {
        "/mitigate/mid=1/cuid=a", "/mitigate/cuid=",        "/nothing", "/mitigate", "/hb/x",
        "/config/cuid=a",         "/mitigate/cuid=a/mid=01"};

    if (random_below(12) == 0)
        return wrong[random_below(7)];
    if (random_below(8) == 0)
        return "/hb";
    if (random_below(6) == 0)
        snprintf(path, sizeof(path), random_below(3) ? "/config/sid=%u" : "/config", random_below(4));
    else
        snprintf(path, sizeof(path), random_below(4) ? "/mitigate%s/cuid=%c/mid=%u" : "/mitigate%s/cuid=%c",
                 cdids[random_below(5)], "abcg"[random_below(4)], random_below(6));
    return path;
}

static const char *some_body(void)
{
    static const char *const bodies[] = {
        PREFIX_JSON("203.0.113.1/32"),
        PREFIX_JSON("203.0.113.2/32"),
        PREFIX_JSON("203.0.113.0/29"),
        PREFIX_JSON("198.51.100.1/32"),
        SCOPE_JSON("\"target-prefix\":[\"203.0.113.3/32\"],\"lifetime\":600,\"trigger-mitigation\":false"),
        SCOPE_JSON("\"target-fqdn\":[\"www.example.com\"],\"lifetime\":60"),
        SCOPE_JSON("\"target-prefix\":[\"203.0.113.1/32\"],\"attack-status\":\"under-attack\""),
        SCOPE_JSON("\"alias-name\":[\"x\"],\"lifetime\":60"),
        CONFIG_JSON("\"idle-config\":{\"heartbeat-interval\":{\"current-value\":0}}"),
        CONFIG_JSON("\"mitigating-config\":{\"heartbeat-interval\":{\"current-value\":20}}"),
        CONFIG_JSON("\"idle-config\":{\"heartbeat-interval\":{\"current-value\":1}}"),
        HEARTBEAT_JSON("true"),
        HEARTBEAT_JSON("false"),
    };

    return random_below(15) ? bodies[random_below(sizeof(bodies) / sizeof(bodies[0]))] : NULL;
}

static void some_request(void)
{
    static const enum dots_method methods[] = {DOTS_PUT, DOTS_PUT,    DOTS_PUT, DOTS_GET,
                                               DOTS_GET, DOTS_DELETE, DOTS_POST};
    static const char *const queries[] = {NULL, NULL, NULL, "c=n", "c=c", "c=x"};
    struct dots_session *session = some_session();
    enum dots_method method = methods[random_below(7)];
    struct asking with = {.token = 1 + random_below(9)};

    if (session->told_down)
        return;
    if (method == DOTS_PUT) {
        with.body = some_body();
        with.if_match = random_below(8) == 0;
        with.content_format = random_below(20) == 0 ? 60 : 0;
    } else {
        with.query = queries[random_below(6)];
        with.observe = (int32_t)random_below(3);
    }
    ask_with(session, method, some_path(), with);
}

static void step(void)
{
    static const enum wire_status statuses[] = {0, WIRE_STATUS_MITIGATED, WIRE_STATUS_STOPPED, WIRE_STATUS_EXCEEDED};
    struct dots_session *session = sessions[random_below(SESSIONS)];

    switch (random_below(14)) {
    case 0:
        if (session && !session->told_down)
            fake_down(session, random_below(2) ? DOTS_DOWN_CLOSED : DOTS_DOWN_LOST);
        break;
    case 1:
        world_advance(random_below(500) * 1000);
        break;
    case 2:
        world_advance(random_below(10000));
        break;
    case 3:
        if (world.job)
            report(statuses[random_below(4)], random_below(1000));
        break;
    case 4:
        world.hold_disk = random_below(4) == 0;
        fake_failing = random_below(10) == 0;
        break;
    case 5:
        if (fake_lookup_count)
            fake_resolved(fake_lookups[0].name, random_below(3) ? "203.0.113.80" : NULL);
        break;
    case 6:
        if (session && !session->told_down && fake_sent_count) {
            const struct fake_sent *sent = &fake_sent[random_below((uint32_t)fake_sent_count)];

            if (sent->notification)
                fake_endpoint.handlers->nack(fake_endpoint.arg, session, &sent->token, DOTS_NACK_RESET);
            else
                fake_answer(session, &sent->token, DOTS_CODE(2, 4));
        }
        break;
    default:
        some_request();
        break;
    }
}

/* Notifications of one session: never two within 3 s, but to a gateway whose round trip is known. */
static void check_pace(void)
{
    for (size_t i = 0; i < fake_sent_count; i++) {
        for (size_t j = i + 1; j < fake_sent_count; j++) {
            if (!fake_sent[i].notification || !fake_sent[j].notification ||
                fake_sent[i].session != fake_sent[j].session || strcmp(fake_sent[i].session->name, "gw.example") == 0)
                continue;
            if (fake_sent[j].at - fake_sent[i].at < 3000)
                fail_msg("two notifications within %d ms", (int)(fake_sent[j].at - fake_sent[i].at));
            break;
        }
    }
}

static void check_answers(void)
{
    for (struct dots_exchange *exchange = fake_exchanges; exchange; exchange = exchange->next) {
        assert_int_equal(exchange->answers + exchange->dropped, 1);
        if (exchange->answers && DOTS_CODE_CLASS(exchange->response.code) >= 4)
            assert_true(exchange->response.body_length > 0);
    }
}

static void run(uint64_t seed)
{
    random_start(seed);
    memset(sessions, 0, sizeof(sessions));
    world_setup(NULL);
    fragile = seed % 3 == 0;
    fake_on_send = maybe_down;
    for (int i = 0; i < STEPS; i++) {
        step();
        if (fake_sent_count > FAKE_SENT_MAX / 2) {
            check_pace();
            fake_forget_sent();
        }
    }
    check_pace();
    world.hold_disk = fake_failing = false;
    while (fake_lookup_count)
        fake_resolved(fake_lookups[0].name, NULL);
    world_advance(5000);
    check_answers();
    world_teardown(NULL);
}

static void test_random_clients(void **state)
{
    uint64_t seed;

    (void)state;
    if (random_seed_given(&seed)) {
        run(seed);
        return;
    }
    for (seed = 0; seed < SEEDS; seed++) {
        print_message("seed %llu\n", (unsigned long long)seed);
        run(seed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random_clients)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
