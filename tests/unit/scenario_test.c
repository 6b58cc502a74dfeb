/*
 * scenario: text scripts against the relay, with a faked clock, upstream and store.
 * links: test_support aggregation wire
 *
 * A script (tests/scenarios/NAME.txt) is read line by line; '#' begins a comment. Lines that begin
 * with '>' are what the relay must do next, whole and in order; anything it does that no such line
 * names fails the script. See tests/scenarios/README.md for the words.
 */

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/world.h"

#define WORDS_MAX 32
#define LIST_MAX 16

struct script {
    const char *file;
    int line;
    struct world world;
    int64_t origin;
    bool failed;
};

static void fail_line(struct script *script, const char *what, const char *detail)
{
    print_error("%s:%d: %s %s\n", script->file, script->line, what, detail);
    script->failed = true;
}

/* ---- Words ---- */

static const char *value_of(char **words, const char *key)
{
    size_t length = strlen(key);

    for (size_t i = 0; words[i]; i++)
        if (strncmp(words[i], key, length) == 0 && words[i][length] == '=')
            return words[i] + length + 1;
    return NULL;
}

static bool has_word(char **words, const char *word)
{
    for (size_t i = 0; words[i]; i++)
        if (strcmp(words[i], word) == 0)
            return true;
    return false;
}

static long long number_of(char **words, const char *key, long long otherwise)
{
    const char *value = value_of(words, key);

    return value ? atoll(value) : otherwise;
}

/* One scope from words: prefix=a,b fqdn=x lifetime=n status=n preconfigured ... */
struct scope_words {
    struct wire_scope scope;
    struct wire_prefix prefixes[LIST_MAX];
    struct wire_port_range ranges[LIST_MAX];
    uint8_t protocols[LIST_MAX];
    const char *fqdns[LIST_MAX];
    struct wire_conflict conflict;
    char text[1024];
};

static size_t split(char *text, const char **items)
{
    size_t count = 0;

    for (char *item = strtok(text, ","); item && count < LIST_MAX; item = strtok(NULL, ","))
        items[count++] = item;
    return count;
}

static void read_scope(char **words, struct scope_words *out)
{
    struct wire_target *target = &out->scope.target;
    const char *items[LIST_MAX], *value;

    memset(out, 0, sizeof(*out));
    out->scope.trigger = !has_word(words, "preconfigured");
    out->scope.has_trigger = !out->scope.trigger;
    target->prefixes = out->prefixes;
    target->port_ranges = out->ranges;
    target->protocols = out->protocols;
    target->fqdns.at = out->fqdns;
    if ((value = value_of(words, "prefix"))) {
        snprintf(out->text, sizeof(out->text), "%s", value);
        target->prefix_count = split(out->text, items);
        for (size_t i = 0; i < target->prefix_count; i++)
            assert_int_equal(wire_prefix_parse(items[i], true, &out->prefixes[i]), 0);
    }
    if ((value = value_of(words, "ports"))) {
        unsigned lower = 0, upper = 0;

        assert_int_equal(sscanf(value, "%u-%u", &lower, &upper), 2);
        out->ranges[0] = (struct wire_port_range){(uint16_t)lower, (uint16_t)upper};
        target->port_range_count = 1;
    }
    if ((value = value_of(words, "fqdn"))) {
        out->fqdns[0] = value;
        target->fqdns.count = 1;
    }
    out->scope.has_lifetime = value_of(words, "lifetime") != NULL;
    out->scope.lifetime = number_of(words, "lifetime", 0);
    out->scope.status = (enum wire_status)number_of(words, "status", 0);
    out->scope.attack_status = (enum wire_attack_status)number_of(words, "attack", 0);
    out->scope.has_mid = value_of(words, "mid") != NULL;
    out->scope.mid = (uint32_t)number_of(words, "mid", 0);
    out->scope.has_pkts = value_of(words, "pkts") != NULL;
    out->scope.pkts_dropped = (uint64_t)number_of(words, "pkts", 0);
    out->scope.has_bytes = value_of(words, "bytes") != NULL;
    out->scope.bytes_dropped = (uint64_t)number_of(words, "bytes", 0);
    if ((value = value_of(words, "conflict"))) {
        int status = 0, cause = 0;

        assert_int_equal(sscanf(value, "%d/%d", &status, &cause), 2);
        out->conflict.status = (enum wire_conflict_status)status;
        out->conflict.cause = (enum wire_conflict_cause)cause;
        out->conflict.has_retry_timer = value_of(words, "retry") != NULL;
        out->conflict.retry_timer = (uint32_t)number_of(words, "retry", 0);
        out->conflict.has_mid = value_of(words, "conflict-mid") != NULL;
        out->conflict.mid = (uint32_t)number_of(words, "conflict-mid", 0);
        out->scope.conflict = &out->conflict;
        out->conflict.target = *target;
        memset(target, 0, sizeof(*target));
    }
}

/* CLIENT/CUID or CLIENT/CDID/CUID */
static struct relay_requester read_requester(char *word)
{
    struct relay_requester requester = {.client = strtok(word, "/"), .cdid = "", .identity_hash = "hash"};
    const char *second = strtok(NULL, "/");
    const char *third = strtok(NULL, "/");

    requester.cuid = third ? third : second;
    if (third)
        requester.cdid = second;
    assert_non_null(requester.cuid);
    return requester;
}

/* TARGET/MID or TARGET/CUID/MID */
static struct install *read_install(struct script *script, char *word)
{
    const char *name = strtok(word, "/"), *second = strtok(NULL, "/"), *third = strtok(NULL, "/");
    struct install *install = NULL;
    size_t target;

    if (name && second && world_find_target(&script->world, name, &target))
        install = world_install(&script->world, target, third ? second : NULL,
                                (uint32_t)strtoul(third ? third : second, NULL, 10));
    if (!install)
        fail_line(script, "no such install:", second ? second : "");
    return install;
}

/* ---- Commands ---- */

static void do_target(struct script *script, char **words)
{
    struct relay_target *target = &script->world.targets[script->world.policy.target_count++];

    target->name = strdup(words[1]);
    target->kind = strcmp(words[2], "mitigator") == 0 ? RELAY_MITIGATOR : RELAY_UPSTREAM;
    target->identity_client = has_word(words, "identity-client");
    target->per_client = has_word(words, "per-client");
    target->insert_cdid = has_word(words, "cdid");
    target->body_max = (size_t)number_of(words, "body", 0);
}

static void do_put(struct script *script, char **words)
{
    struct scope_words scope;
    struct relay_put put = {
        .limits = {.mitigations = (uint32_t)number_of(words, "limit", 64), .cuids = 16, .max_lifetime = 86400}};

    read_scope(words, &scope);
    put.requester = read_requester(words[1]);
    put.mid = (uint32_t)strtoul(words[2], NULL, 10);
    scope.scope.has_mid = false;
    put.scope = &scope.scope;
    put.if_match = has_word(words, "if-match");
    put.hop_limit = (uint8_t)number_of(words, "hops", 0);
    put.limits.indefinite_lifetime = has_word(words, "indefinite");
    put.exchange = strdup(value_of(words, "as") ? value_of(words, "as") : "x");
    relay_put(script->world.relay, script->world.now, &put);
}

static void do_answer(struct script *script, char **words)
{
    struct install *install = read_install(script, words[1]);
    struct scope_words scope;
    struct wire_message body = {.type = WIRE_MITIGATION, .scopes = &scope.scope, .scope_count = 1};
    struct relay_upstream_answer answer = {.code = (int)strtol(words[2], NULL, 10) * 100 +
                                                   (int)strtol(words[2] + 2, NULL, 10),
                                           .max_age = number_of(words, "max-age", -1),
                                           .diagnostic = value_of(words, "text")};

    read_scope(words, &scope);
    if (scope.scope.has_lifetime || scope.scope.conflict)
        answer.body = &body;
    if (install)
        relay_install_answer(script->world.relay, script->world.now, install, &answer);
}

static void do_status(struct script *script, char **words)
{
    struct install *install = read_install(script, words[1]);
    struct scope_words scope;

    read_scope(words, &scope);
    if (install)
        relay_install_status(script->world.relay, script->world.now, install,
                             has_word(words, "unknown") ? NULL : &scope.scope);
}

static int take_cuid(void *arg, struct upstream_cuid *cuid)
{
    *(struct upstream_cuid **)arg = cuid;
    return 1;
}

/* listed TARGET MID:STATUS ... */
static void do_listed(struct script *script, char **words)
{
    struct wire_scope scopes[LIST_MAX] = {0};
    struct upstream_cuid *cuid = NULL;
    size_t target, count = 0;

    assert_true(world_find_target(&script->world, words[1], &target));
    relay_upstream_cuid_each(script->world.relay, target, NULL, take_cuid, &cuid);
    for (size_t i = 2; words[i] && count < LIST_MAX; i++) {
        unsigned mid = 0, status = 0;

        assert_int_equal(sscanf(words[i], "%u:%u", &mid, &status), 2);
        scopes[count++] = (struct wire_scope){.has_mid = true, .mid = mid, .status = (enum wire_status)status};
    }
    if (cuid)
        relay_upstream_listed(script->world.relay, script->world.now, cuid, scopes, count);
}

static int first_install(void *arg, struct install *install)
{
    *(struct install **)arg = install;
    return 1;
}

static int first_job(void *arg, struct upstream_cuid *cuid)
{
    return upstream_cuid_install_each(cuid, first_install, arg);
}

/* report TARGET status=n pkts=n: of its oldest job */
static void do_report(struct script *script, char **words)
{
    struct scope_words scope;
    struct install *install = NULL;
    struct install_request request;
    struct wire_scope scratch;
    struct relay_report report = {0};
    size_t target;

    read_scope(words, &scope);
    assert_true(world_find_target(&script->world, words[1], &target));
    relay_upstream_cuid_each(script->world.relay, target, NULL, first_job, &install);
    if (!install) {
        fail_line(script, "no job at", words[1]);
        return;
    }
    relay_install_request(install, script->world.now, &request, &scratch);
    report.status = scope.scope.status;
    report.counters.has_pkts = scope.scope.has_pkts;
    report.counters.pkts = scope.scope.pkts_dropped;
    report.counters.has_bytes = scope.scope.has_bytes;
    report.counters.bytes = scope.scope.bytes_dropped;
    relay_job_report(script->world.relay, script->world.now, target, request.id, &report);
}

static void do_delete(struct script *script, char **words)
{
    char *exchange = strdup(value_of(words, "as") ? value_of(words, "as") : "x");
    struct relay_requester requester = read_requester(words[1]);

    relay_delete(script->world.relay, script->world.now, &requester, (uint32_t)strtoul(words[2], NULL, 10), exchange);
}

static void do_lost(struct script *script, char **words)
{
    struct relay_requester from = read_requester(words[1]);
    struct requester *requester = relay_requester_find(script->world.relay, from.cdid, from.cuid);

    if (requester)
        relay_signal_lost(script->world.relay, script->world.now, requester);
    else
        fail_line(script, "no such requester:", from.cuid);
}

static void do_show(struct script *script, char **words)
{
    struct relay_requester from = read_requester(words[1]);
    struct requester *requester = relay_requester_find(script->world.relay, from.cdid, from.cuid);
    const struct mitigation *mitigation =
        requester ? relay_mitigation_find(requester, (uint32_t)strtoul(words[2], NULL, 10)) : NULL;
    struct wire_scope scope;

    if (!mitigation) {
        world_note(&script->world, "none");
        return;
    }
    mitigation_represent(mitigation, script->world.now, MITIGATION_ALL, &scope);
    world_note(&script->world, "status=%d lifetime=%lld%s", scope.status, (long long)scope.lifetime,
               scope.has_start ? " started" : "");
}

static void do_policy(struct script *script, char **words)
{
    script->world.policy.response_wait_ms = (uint32_t)number_of(words, "wait", 1000);
    script->world.policy.reject_conflicts = has_word(words, "reject");
    script->world.policy.mitigations_max = (size_t)number_of(words, "mitigations", 100000);
}

static void do_at(struct script *script, char **words)
{
    world_advance(&script->world, script->origin + (int64_t)(strtod(words[1], NULL) * 1000));
}

static void do_up(struct script *script, char **words)
{
    size_t target;

    assert_true(world_find_target(&script->world, words[1], &target));
    relay_upstream_up(script->world.relay, script->world.now, target, NULL);
}

/* mids TARGET N: the next mid of ours there, before start */
static void do_mids(struct script *script, char **words)
{
    unsigned long mid = strtoul(words[2], NULL, 10);
    uint8_t value[] = {0x83,         0x01, 0x1a, (uint8_t)(mid >> 24), (uint8_t)(mid >> 16), (uint8_t)(mid >> 8),
                       (uint8_t)mid, 0x00};
    char key[128];

    snprintf(key, sizeof(key), "mid/%s/", words[1]);
    world_preload(&script->world, 5, key, value, sizeof(value));
}

static void do_start(struct script *script, char **words)
{
    (void)words;
    world_start(&script->world);
}

static void do_crash(struct script *script, char **words)
{
    (void)words;
    world_crash(&script->world);
}

static void do_hold(struct script *script, char **words)
{
    (void)words;
    script->world.hold = true;
}

static void do_commit(struct script *script, char **words)
{
    (void)words;
    script->world.hold = false;
    world_commit(&script->world);
}

static const struct {
    const char *word;
    size_t words; /* at least */
    void (*run)(struct script *script, char **words);
} commands[] = {
    {"target", 3, do_target}, {"policy", 1, do_policy}, {"start", 1, do_start},   {"at", 2, do_at},
    {"put", 3, do_put},       {"delete", 3, do_delete}, {"answer", 3, do_answer}, {"status", 2, do_status},
    {"listed", 2, do_listed}, {"report", 2, do_report}, {"lost", 2, do_lost},     {"show", 3, do_show},
    {"mids", 3, do_mids},     {"up", 2, do_up},         {"crash", 1, do_crash},   {"hold", 1, do_hold},
    {"commit", 1, do_commit},
};

static void expect(struct script *script, const char *wanted)
{
    char *line = world_take(&script->world);

    while (*wanted == ' ')
        wanted++;
    if (!line) {
        fail_line(script, "nothing happened, expected:", wanted);
    } else if (strcmp(line, wanted) != 0) {
        print_error("%s:%d: expected: %s\n%*s but happened: %s\n", script->file, script->line, wanted, 4, "", line);
        script->failed = true;
    }
    free(line);
}

static void nothing_left(struct script *script)
{
    char *line;

    while ((line = world_take(&script->world))) {
        fail_line(script, "before this line, nobody expected:", line);
        free(line);
    }
}

static void run_line(struct script *script, char *text)
{
    char *words[WORDS_MAX + 1] = {NULL};
    char *save = NULL;
    size_t count = 0;

    for (char *word = strtok_r(text, " \t", &save); word && count < WORDS_MAX; word = strtok_r(NULL, " \t", &save))
        words[count++] = word;
    nothing_left(script);
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(commands[i].word, words[0]) == 0 && count >= commands[i].words) {
            commands[i].run(script, words);
            if (script->world.relay)
                world_advance(&script->world, script->world.now);
            return;
        }
    }
    fail_line(script, "no such command:", words[0]);
}

static void run_script(void **state)
{
    struct script script = {.file = *state};
    char line[1024];
    FILE *file = fopen(script.file, "r");

    assert_non_null(file);
    world_init(&script.world);
    script.origin = script.world.now;
    while (!script.failed && fgets(line, sizeof(line), file)) {
        char *text = line + strspn(line, " \t");

        script.line++;
        text[strcspn(text, "#\n")] = '\0';
        for (size_t end = strlen(text); end > 0 && text[end - 1] == ' '; end--)
            text[end - 1] = '\0';
        if (*text == '>')
            expect(&script, text + 1);
        else if (*text)
            run_line(&script, text);
    }
    fclose(file);
    nothing_left(&script);
    world_free(&script.world);
    for (size_t i = 0; i < script.world.policy.target_count; i++)
        free((char *)script.world.targets[i].name);
    assert_false(script.failed);
}

static int is_script(const struct dirent *entry)
{
    const char *end = strrchr(entry->d_name, '.');

    return end && strcmp(end, ".txt") == 0;
}

int main(int argc, char **argv)
{
    struct dirent **entries = NULL;
    int count, status;
    struct CMUnitTest *tests;

    if (argc > 1) { /* one script by hand */
        struct CMUnitTest one = {argv[1], run_script, NULL, NULL, argv[1]};

        return _cmocka_run_group_tests("scenario", &one, 1, NULL, NULL);
    }
    count = scandir(DOTSGW_SCENARIOS, &entries, is_script, alphasort);
    if (count <= 0) {
        fprintf(stderr, "%s: no scripts\n", DOTSGW_SCENARIOS);
        return 1;
    }
    tests = calloc((size_t)count, sizeof(*tests));
    for (int i = 0; i < count; i++) {
        char *path = malloc(strlen(DOTSGW_SCENARIOS) + strlen(entries[i]->d_name) + 2);

        sprintf(path, "%s/%s", DOTSGW_SCENARIOS, entries[i]->d_name);
        tests[i] = (struct CMUnitTest){strdup(entries[i]->d_name), run_script, NULL, NULL, path};
        free(entries[i]);
    }
    free(entries);
    status = _cmocka_run_group_tests("scenarios", tests, (size_t)count, NULL, NULL);
    for (int i = 0; i < count; i++) {
        free((char *)tests[i].name);
        free(tests[i].initial_state);
    }
    free(tests);
    return status;
}
