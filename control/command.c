/* command: what each word of the command line does. */

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/control.h"

struct command {
    const char *name, *arguments, *text;
    int least, most; /* arguments */
    enum control_exit (*run)(const struct control *control, int argc, char **argv);
};

void print_json(const json_t *value)
{
    json_dumpf(value, stdout, JSON_INDENT(2));
    putchar('\n');
}

/* A list as JSON or as a table. */
static enum control_exit show(const struct control *control, const char *path, const char *member,
                              const struct column *columns)
{
    json_t *answer;
    enum control_exit result = request(control, "GET", path, NULL, &answer);

    if (result != EXIT_GOOD)
        return result;
    if (control->json)
        print_json(answer);
    else if (member)
        table_print(json_object_get(answer, member), columns);
    else
        table_object(answer);
    json_decref(answer);
    return result;
}

static enum control_exit status(const struct control *control, int argc, char **argv)
{
    (void)argc, (void)argv;
    return show(control, "/status", NULL, NULL);
}

static enum control_exit config(const struct control *control, int argc, char **argv)
{
    (void)argc, (void)argv;
    return show(control, "/config", NULL, NULL);
}

static enum control_exit clients(const struct control *control, int argc, char **argv)
{
    static const struct column columns[] = {{"NAME", "name", false},          {"DOMAIN", "domain", false},
                                            {"MAX", "mitigations-max", true}, {"RATE", "requests-per-second", true},
                                            {"CDID", "supplies-cdid", false}, {"REDIRECTED", "redirected", false},
                                            {"PREFIXES", "prefixes", false},  {0}};

    (void)argc, (void)argv;
    return show(control, "/clients", "clients", columns);
}

/* [--client NAME] behind a path; a new text, NULL after a message. */
static char *with_client(const char *path, int argc, char **argv)
{
    char *escaped, *whole = NULL;

    if (argc == 1)
        return strdup(path);
    if (argc != 3 || strcmp(argv[1], "--client") != 0) {
        fprintf(stderr, "usage: dotsgwctl %s [--client NAME]\n", argv[0]);
        return NULL;
    }
    escaped = curl_easy_escape(NULL, argv[2], 0);
    if (!escaped || asprintf(&whole, "%s?client=%s", path, escaped) < 0) {
        fprintf(stderr, "dotsgwctl: out of memory\n");
        whole = NULL;
    }
    curl_free(escaped);
    return whole;
}

/* A name that was mistyped is not the same as a client of which there is nothing. The operators and the detectors are
 * clients without being in the configuration. */
static enum control_exit check_client(const struct control *control, const char *name)
{
    json_t *answer, *client;
    enum control_exit result = request(control, "GET", "/clients", NULL, &answer);
    bool known = strcmp(name, "the operators") == 0 || strcmp(name, "the detectors") == 0;
    size_t index;

    json_array_foreach(json_object_get(answer, "clients"), index, client)
    {
        const char *text = json_string_value(json_object_get(client, "name"));

        known = known || (text && strcmp(text, name) == 0);
    }
    json_decref(answer);
    if (result != EXIT_GOOD || known)
        return result;
    fprintf(stderr, "dotsgwctl: there is no client %s; `dotsgwctl clients` lists them\n", name);
    return EXIT_REFUSED;
}

/* A list, or what is in it of one client. */
static enum control_exit show_of_client(const struct control *control, int argc, char **argv, const char *path,
                                        const struct column *columns)
{
    char *whole = with_client(path, argc, argv);
    json_t *answer;
    enum control_exit result = whole ? request(control, "GET", whole, NULL, &answer) : EXIT_USAGE;

    free(whole);
    if (result != EXIT_GOOD)
        return result;
    if (argc == 3 && json_array_size(json_object_get(answer, path + 1)) == 0)
        result = check_client(control, argv[2]);
    if (result == EXIT_GOOD && control->json)
        print_json(answer);
    else if (result == EXIT_GOOD)
        table_print(json_object_get(answer, path + 1), columns);
    json_decref(answer);
    return result;
}

static enum control_exit sessions(const struct control *control, int argc, char **argv)
{
    static const struct column columns[] = {{"CLIENT", "client", false},     {"PEER", "peer", false},
                                            {"STATE", "state", false},       {"MITIGATING", "mitigating", false},
                                            {"UP-S", "up-seconds", true},    {"SILENT-S", "silent-seconds", true},
                                            {"RTT-MS", "rtt-ms", true},      {"OBSERVES", "observers", true},
                                            {"HEARS-US", "hears-us", false}, {0}};

    return show_of_client(control, argc, argv, "/sessions", columns);
}

static enum control_exit upstreams(const struct control *control, int argc, char **argv)
{
    static const struct column columns[] = {
        {"NAME", "name", false},        {"KIND", "kind", false},      {"STATE", "state", false},
        {"SESSIONS", "sessions", true}, {"OUTAGES", "outages", true}, {"ACTIVE", "active", true},
        {"RTT-MS", "rtt-ms", true},     {"SERVER", "server", false},  {0}};

    (void)argc, (void)argv;
    return show(control, "/upstreams", "upstreams", columns);
}

static enum control_exit attacks(const struct control *control, int argc, char **argv)
{
    static const struct column columns[] = {{"DETECTOR", "detector", false},
                                            {"TARGET", "target", false},
                                            {"RULE", "rule", false},
                                            {"STATE", "state", false},
                                            {"SINCE-S", "state-seconds", true},
                                            {"HEARD-S", "heard-seconds", true},
                                            {"PPS", "pps", true},
                                            {"BPS", "bps", true},
                                            {"CONNECTIONS", "connections", true},
                                            {"SOURCES", "sources", true},
                                            {"MID", "mid", true},
                                            {"ACCEPTED", "accepted", false},
                                            {0}};

    json_t *answer, *list;
    enum control_exit result = request(control, "GET", "/attacks", NULL, &answer);
    json_int_t count;

    (void)argc, (void)argv;
    if (result != EXIT_GOOD)
        return result;
    list = json_object_get(answer, "attacks");
    count = json_integer_value(json_object_get(answer, "attack-count"));
    if (control->json)
        print_json(answer);
    else
        table_print(list, columns);
    if (count > (json_int_t)json_array_size(list))
        fprintf(stderr,
                "dotsgwctl: these are %zu of %" JSON_INTEGER_FORMAT "; those whose rules have fired come first\n",
                json_array_size(list), count);
    json_decref(answer);
    return result;
}

static enum control_exit mitigations(const struct control *control, int argc, char **argv)
{
    static const struct column columns[] = {{"CLIENT", "client", false},
                                            {"CDID", "?cdid", false},
                                            {"CUID", "cuid", false},
                                            {"MID", "mid", true},
                                            {"STATE", "state", false},
                                            {"STATUS", "status", false},
                                            {"ACTIVE", "active", false},
                                            {"LIFETIME", "lifetime", true},
                                            {"BYTES", "bytes-dropped", true},
                                            {"PREFIXES", "target-prefix", false},
                                            {"NAMES", "target-fqdn+target-uri+alias-name", false},
                                            {"PROTOCOLS", "?target-protocol", false},
                                            {"PORTS", "?target-port-range", false},
                                            {0}};

    return show_of_client(control, argc, argv, "/mitigations", columns);
}

static void print_member(const json_t *member)
{
    const json_t *cdid = json_object_get(member, "cdid");

    fputs("  - client ", stdout);
    text_print(stdout, json_string_value(json_object_get(member, "client")));
    fputs(", ", stdout);
    if (json_string_length(cdid) > 0) {
        text_print(stdout, json_string_value(cdid));
        putchar(' ');
    }
    text_print(stdout, json_string_value(json_object_get(member, "cuid")));
    printf("/%" JSON_INTEGER_FORMAT "\n", json_integer_value(json_object_get(member, "mid")));
}

static void print_bundle(const json_t *bundle)
{
    const json_t *member, *scope = json_object_get(bundle, "scope"), *refusal = json_object_get(bundle, "refusal");
    json_int_t mid = json_integer_value(json_object_get(bundle, "mid"));
    size_t index;

    printf("%s ", json_string_value(json_object_get(bundle, "kind")));
    text_print(stdout, json_string_value(json_object_get(bundle, "target")));
    printf(" %s %" JSON_INTEGER_FORMAT ": %s, %s\n  for", mid ? "mid" : "job",
           mid ? mid : json_integer_value(json_object_get(bundle, "id")),
           json_string_value(json_object_get(bundle, "state")), json_string_value(json_object_get(bundle, "status")));
    table_entries(scope, "target-prefix+target-fqdn+target-uri+alias-name");
    if (json_object_get(scope, "target-protocol"))
        fputs(", protocol", stdout);
    table_entries(scope, "target-protocol");
    if (json_object_get(scope, "target-port-range"))
        fputs(", port", stdout);
    table_entries(scope, "target-port-range");
    printf("\n  because %s\n", json_string_value(json_object_get(bundle, "why")));
    if (refusal) {
        printf("  refused: %" JSON_INTEGER_FORMAT " ", json_integer_value(json_object_get(refusal, "code")));
        text_print(stdout, json_string_value(json_object_get(refusal, "reason")));
        putchar('\n');
    }
    json_array_foreach(json_object_get(bundle, "members"), index, member) print_member(member);
}

static enum control_exit bundles(const struct control *control, int argc, char **argv)
{
    json_t *answer, *bundle;
    enum control_exit result = request(control, "GET", "/bundles", NULL, &answer);
    size_t index;

    (void)argc, (void)argv;
    if (result != EXIT_GOOD)
        return result;
    if (control->json)
        print_json(answer);
    else
        json_array_foreach(json_object_get(answer, "bundles"), index, bundle) print_bundle(bundle);
    json_decref(answer);
    return result;
}

static enum control_exit log_level(const struct control *control, int argc, char **argv)
{
    if (argc == 1)
        return show(control, "/log-level", NULL, NULL);
    return act(control, "PUT", "/log-level", json_pack("{s:s}", "level", argv[1]), "set, until the next start");
}

/* ---- Events ---- */

static void print_event(const struct control *control, const char *text, size_t length)
{
    json_t *event = control->json ? NULL : json_loadb(text, length, 0, NULL), *value;
    const char *name;

    if (!event) {
        printf("%.*s\n", (int)length, text);
    } else if (json_object_get(event, "message")) {
        printf("%-8s %s: ", json_string_value(json_object_get(event, "level")),
               json_string_value(json_object_get(event, "event")));
        text_print(stdout, json_string_value(json_object_get(event, "message")));
        putchar('\n');
    } else {
        printf("%s", json_string_value(json_object_get(event, "event")));
        json_object_foreach(event, name, value)
        {
            if (strcmp(name, "event") != 0 && json_is_string(value)) {
                printf(" %s=", name);
                text_print(stdout, json_string_value(value));
            } else if (json_is_integer(value))
                printf(" %s=%" JSON_INTEGER_FORMAT, name, json_integer_value(value));
        }
        putchar('\n');
    }
    fflush(stdout);
    json_decref(event);
}

static enum control_exit watch(const struct control *control, int argc, char **argv)
{
    (void)argc, (void)argv;
    return request_stream(control, "/events", print_event);
}

static enum control_exit metrics(const struct control *control, int argc, char **argv)
{
    (void)argc, (void)argv;
    return request_stream(control, "/metrics", print_event);
}

static const struct command commands[] = {
    {"status", "", "the gateway as a whole", 0, 0, status},
    {"clients", "", "configured clients", 0, 0, clients},
    {"sessions", "[--client NAME]", "sessions of clients", 0, 2, sessions},
    {"upstreams", "", "upstreams and mitigators, and how they are", 0, 0, upstreams},
    {"mitigations", "[--client NAME]", "requests of clients, and their status", 0, 2, mitigations},
    {"bundles", "", "which requests make up what is asked upstream, and why", 0, 0, bundles},
    {"mitigate", "TARGET... [OPTIONS]", "a request of the operators' own", 0, 1000, mitigate},
    {"withdraw", "MID", "end one of those", 1, 1, withdraw},
    {"activate", "[CDID] ID", "activate a preconfigured request", 1, 2, activate},
    {"recurse", "[CDID] ID", "ask upstreams to help (recursion: manual)", 1, 2, recurse},
    {"unrecurse", "[CDID] ID", "let them go", 1, 2, recurse},
    {"mitigator-status", "JOB STATUS", "say how a mitigation by hand is going", 2, 2, mitigator_status},
    {"attacks", "", "what detectors report, and which rules have fired", 0, 0, attacks},
    {"redirect", "CLIENT|--all", "send a client, or all, to the server of redirect", 1, 1, redirect},
    {"unredirect", "CLIENT|--all", "serve it, or them, again", 1, 1, redirect},
    {"drain", "", "send all clients elsewhere, then end", 0, 0, drain},
    {"undrain", "", "take that back", 0, 0, drain},
    {"reload", "", "put a changed configuration in force", 0, 0, reload},
    {"config", "", "what is in force", 0, 0, config},
    {"watch", "", "events as they happen", 0, 0, watch},
    {"metrics", "", "counters, in Prometheus' text format", 0, 0, metrics},
    {"log-level", "[LEVEL]", "show or set it, until the next start", 0, 1, log_level},
    {0},
};

void command_usage(void)
{
    puts("usage: dotsgwctl [-s SOCKET] [-j] [-y] COMMAND [ARGUMENT...]\n\n"
         "  -s SOCKET  control socket (" SOCKET_DEFAULT ")\n"
         "  -j         JSON, for programs\n"
         "  -y         do not ask before what hurts\n");
    for (const struct command *command = commands; command->name; command++)
        printf("  %-16s %-20s %s\n", command->name, command->arguments, command->text);
    puts("\nID is CUID/MID, as mitigations shows them. Exit codes: 0 done; 1 refused by the gateway; 2 wrong command\n"
         "line; 3 no gateway there; 4 declined; 5 the output cannot be written.");
}

enum control_exit command_run(const struct control *control, int argc, char **argv)
{
    for (const struct command *command = commands; command->name; command++) {
        if (strcmp(command->name, argv[0]) != 0)
            continue;
        if (argc - 1 >= command->least && argc - 1 <= command->most)
            return command->run(control, argc, argv);
        fprintf(stderr, "usage: dotsgwctl %s %s\n", command->name, command->arguments);
        return EXIT_USAGE;
    }
    fprintf(stderr, "dotsgwctl: there is no command %s; dotsgwctl -h lists them\n", argv[0]);
    return EXIT_USAGE;
}
