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

#include "tests/support/words.h"
#include "tests/support/world.h"

#define WORDS_MAX 32
#define LIST_MAX WORDS_LIST_MAX

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

static void read_owns(struct relay_target *target, const char *list)
{
    struct wire_prefix *owns;
    char text[WORLD_LINE];
    char *save = NULL;

    if (!list)
        return;
    owns = calloc(LIST_MAX, sizeof(*owns));
    target->owns = owns;
    snprintf(text, sizeof(text), "%s", list);
    for (char *item = strtok_r(text, ",", &save); item; item = strtok_r(NULL, ",", &save)) {
        assert_true(target->owns_count < LIST_MAX);
        assert_int_equal(wire_prefix_parse(item, true, &owns[target->owns_count++]), 0);
    }
}

static void do_target(struct script *script, char **words)
{
    struct relay_target *target = &script->world.targets[script->world.policy.target_count++];

    target->name = strdup(words[1]);
    target->kind = strcmp(words[2], "mitigator") == 0 ? RELAY_MITIGATOR : RELAY_UPSTREAM;
    target->identity_client = word_there(words, "identity-client");
    target->per_client = word_there(words, "per-client");
    target->insert_cdid = word_there(words, "cdid");
    target->body_max = (size_t)word_number(words, "body", 0);
    read_owns(target, word_value(words, "owns"));
}

/* nat INTERNAL EXTERNAL [internal-port=N external-port=M]; nat none: no mapping any more */
static void do_nat(struct script *script, char **words)
{
    struct nat_mapping *mapping = &script->world.nat[script->world.policy.nat_count];

    if (word_there(words, "none")) {
        script->world.policy.nat_count = 0;
        return;
    }
    assert_true(words[2] && script->world.policy.nat_count < WORLD_MAPPINGS);
    assert_int_equal(wire_prefix_parse(words[1], true, &mapping->internal), 0);
    assert_int_equal(wire_prefix_parse(words[2], true, &mapping->external), 0);
    mapping->internal_port = (uint16_t)word_number(words, "internal-port", 0);
    mapping->external_port = (uint16_t)word_number(words, "external-port", 0);
    script->world.policy.nat_count++;
}

static void do_put(struct script *script, char **words)
{
    struct scope_words scope;
    struct relay_put put = {
        .limits = {.mitigations = (uint32_t)word_number(words, "limit", 64), .cuids = 16, .max_lifetime = 86400}};

    word_scope(words, &scope);
    put.requester = read_requester(words[1]);
    put.mid = (uint32_t)strtoul(words[2], NULL, 10);
    scope.scope.has_mid = false;
    put.scope = &scope.scope;
    put.if_match = word_there(words, "if-match");
    put.hop_limit = (uint8_t)word_number(words, "hops", 0);
    put.limits.indefinite_lifetime = word_there(words, "indefinite");
    put.exchange = strdup(word_value(words, "as") ? word_value(words, "as") : "x");
    relay_put(script->world.relay, script->world.now, &put);
}

static void do_answer(struct script *script, char **words)
{
    struct install *install = read_install(script, words[1]);
    struct scope_words scope;
    struct wire_message body = {.type = WIRE_MITIGATION, .scopes = &scope.scope, .scope_count = 1};
    struct relay_upstream_answer answer = {.code = (int)strtol(words[2], NULL, 10) * 100 +
                                                   (int)strtol(words[2] + 2, NULL, 10),
                                           .max_age = word_number(words, "max-age", -1),
                                           .repeated = word_there(words, "repeated"),
                                           .diagnostic = word_value(words, "text")};

    word_scope(words, &scope);
    if (scope.scope.has_lifetime || scope.scope.conflict)
        answer.body = &body;
    if (install)
        relay_install_answer(script->world.relay, script->world.now, install, &answer);
}

static void do_status(struct script *script, char **words)
{
    struct install *install = read_install(script, words[1]);
    struct scope_words scope;

    word_scope(words, &scope);
    if (install)
        relay_install_status(script->world.relay, script->world.now, install,
                             word_there(words, "unknown") ? NULL : &scope.scope);
}

struct cuid_search {
    const char *name; /* NULL: any */
    struct upstream_cuid *found;
};

static int take_cuid(void *arg, struct upstream_cuid *cuid)
{
    struct cuid_search *search = arg;

    if (!search->name || strcmp(search->name, cuid->cuid) == 0)
        search->found = cuid;
    return search->found != NULL;
}

/* listed TARGET MID:STATUS ...; TARGET/CUID with several cuids */
static void do_listed(struct script *script, char **words)
{
    struct wire_scope scopes[LIST_MAX] = {0};
    const char *name = strtok(words[1], "/");
    struct cuid_search search = {.name = strtok(NULL, "/")};
    size_t target, count = 0;

    assert_true(world_find_target(&script->world, name, &target));
    relay_upstream_cuid_each(script->world.relay, target, NULL, take_cuid, &search);
    for (size_t i = 2; words[i] && count < LIST_MAX; i++) {
        unsigned long mid, status;

        assert_true(word_pair(words[i], ':', &mid, &status));
        scopes[count++] =
            (struct wire_scope){.has_mid = true, .mid = (uint32_t)mid, .status = (enum wire_status)status};
    }
    if (search.found)
        relay_upstream_listed(script->world.relay, script->world.now, search.found, scopes, count);
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

    word_scope(words, &scope);
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
    char *exchange = strdup(word_value(words, "as") ? word_value(words, "as") : "x");
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

/* recurse CLIENT/CUID MID on|off: by an operator */
static void do_recurse(struct script *script, char **words)
{
    struct relay_requester requester = read_requester(words[1]);

    if (relay_recurse(script->world.relay, script->world.now, &requester, (uint32_t)strtoul(words[2], NULL, 10),
                      strcmp(words[3], "on") == 0) != 0)
        world_note(&script->world, "not-possible");
}

static void do_policy(struct script *script, char **words)
{
    word_policy(words, &script->world.policy);
}

static void do_at(struct script *script, char **words)
{
    world_advance(&script->world, script->origin + (int64_t)(strtod(words[1], NULL) * 1000));
}

/* Whose session it is, with per-client ones; NULL: everybody's. */
static struct requester *read_owner(struct script *script, char *word)
{
    struct relay_requester from;
    struct requester *owner;

    if (!word)
        return NULL;
    from = read_requester(word);
    owner = relay_requester_find(script->world.relay, from.cdid, from.cuid);
    if (!owner)
        fail_line(script, "no such requester:", from.cuid);
    return owner;
}

static void do_session(struct script *script, char **words)
{
    struct requester *owner = read_owner(script, words[2]);
    size_t target;

    assert_true(world_find_target(&script->world, words[1], &target));
    if (strcmp(words[0], "up") == 0)
        relay_upstream_up(script->world.relay, script->world.now, target, owner);
    else
        relay_upstream_down(script->world.relay, script->world.now, target, owner);
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

static void do_dies_after(struct script *script, char **words)
{
    script->world.dies_after = (unsigned)strtoul(words[1], NULL, 10);
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
    {"target", 3, do_target}, {"policy", 1, do_policy}, {"start", 1, do_start},
    {"at", 2, do_at},         {"put", 3, do_put},       {"delete", 3, do_delete},
    {"answer", 3, do_answer}, {"status", 2, do_status}, {"listed", 2, do_listed},
    {"report", 2, do_report}, {"lost", 2, do_lost},     {"show", 3, do_show},
    {"mids", 3, do_mids},     {"up", 2, do_session},    {"crash", 1, do_crash},
    {"hold", 1, do_hold},     {"commit", 1, do_commit}, {"recurse", 4, do_recurse},
    {"nat", 2, do_nat},       {"down", 2, do_session},  {"dies-after", 2, do_dies_after},
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
    if (count == 0 || script->failed)
        return;
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
    for (size_t i = 0; i < script.world.policy.target_count; i++) {
        free((char *)script.world.targets[i].name);
        free((void *)script.world.targets[i].owns);
    }
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
