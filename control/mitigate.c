/* mitigate: an operator's own request, from the command line. */

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/control.h"

static int number(const char *text, long most, json_int_t *value)
{
    char *end;
    long long parsed = strtoll(text, &end, 10);

    if (end == text || *end || parsed < -1 || parsed > most)
        return -1;
    *value = parsed;
    return 0;
}

/* 80, 8000-8080 */
static int add_port(json_t *body, const char *text)
{
    const char *dash = strchr(text, '-');
    char first[8];
    json_int_t lower, upper;
    json_t *ranges;

    snprintf(first, sizeof(first), "%.*s", (int)(dash ? dash - text : (long)strlen(text)), text);
    if (number(first, 65535, &lower) != 0 || number(dash ? dash + 1 : first, 65535, &upper) != 0 || lower < 0 ||
        upper < lower)
        return -1;
    ranges = json_object_get(body, "target-port-range");
    if (!ranges) {
        ranges = json_array();
        json_object_set_new(body, "target-port-range", ranges);
    }
    return json_array_append_new(ranges, json_pack("{s:I, s:I}", "lower-port", lower, "upper-port", upper));
}

static int add(json_t *body, const char *name, json_t *value)
{
    json_t *list = json_object_get(body, name);

    if (!list) {
        list = json_array();
        json_object_set_new(body, name, list);
    }
    return json_array_append_new(list, value);
}

static int add_target(json_t *body, const char *text)
{
    char prefix[80];

    if (strstr(text, "://"))
        return add(body, "target-uri", json_string(text));
    if (!strchr(text, '/') && !strchr(text, ':') && strspn(text, "0123456789.") != strlen(text))
        return add(body, "target-fqdn", json_string(text));
    /* A bare address is a whole one. */
    snprintf(prefix, sizeof(prefix), "%.64s%s", text, strchr(text, '/') ? "" : strchr(text, ':') ? "/128" : "/32");
    return add(body, "target-prefix", json_string(prefix));
}

static int take_option(json_t *body, int option, const char *value)
{
    json_int_t parsed;

    switch (option) {
    case 'p':
        return add_port(body, value);
    case 'P':
        if (strcmp(value, "tcp") == 0 || strcmp(value, "udp") == 0)
            return add(body, "target-protocol", json_integer(*value == 't' ? 6 : 17));
        return number(value, 255, &parsed) == 0 && parsed >= 0 ? add(body, "target-protocol", json_integer(parsed))
                                                               : -1;
    case 'l':
        return number(value, 2147483647, &parsed) == 0 ? json_object_set_new(body, "lifetime", json_integer(parsed))
                                                       : -1;
    default:
        return json_object_set_new(body, "trigger-mitigation", json_false());
    }
}

static void complain(int option, const char *value)
{
    static const struct {
        int option;
        const char *name, *expected;
    } known[] = {{'p', "port", "a port from 0 to 65535, or two as in 8000-8080"},
                 {'P', "protocol", "tcp, udp or a number from 0 to 255"},
                 {'l', "lifetime", "a number of seconds; -1 is no end"}};

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (known[i].option == option)
            fprintf(stderr, "dotsgwctl: --%s %s: expected %s\n", known[i].name, value, known[i].expected);
    }
}

static void tell(const json_t *answer)
{
    const json_t *replaced = json_object_get(answer, "replaced"), *mid;
    json_int_t accepted = json_integer_value(json_object_get(answer, "mid"));
    size_t index;

    printf("accepted as mid %" JSON_INTEGER_FORMAT "; dotsgwctl withdraw %" JSON_INTEGER_FORMAT " ends it\n", accepted,
           accepted);
    json_array_foreach(replaced, index, mid)
    {
        printf("mid %" JSON_INTEGER_FORMAT " has ended: this one overlaps it, and takes its place\n",
               json_integer_value(mid));
    }
}

enum control_exit mitigate(const struct control *control, int argc, char **argv)
{
    static const struct option options[] = {{"port", required_argument, NULL, 'p'},
                                            {"protocol", required_argument, NULL, 'P'},
                                            {"lifetime", required_argument, NULL, 'l'},
                                            {"preconfigured", no_argument, NULL, 'c'},
                                            {0}};
    json_t *body = json_object(), *answer = NULL;
    enum control_exit result = EXIT_USAGE;
    int option, bad = 0;

    optind = 0;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == '?') {
            bad = 1;
        } else if (take_option(body, option, optarg) != 0) {
            complain(option, optarg ? optarg : "");
            bad = 1;
        }
    }
    for (int i = optind; i < argc; i++)
        bad |= add_target(body, argv[i]) != 0;
    if (bad || optind == argc)
        fputs("usage: dotsgwctl mitigate TARGET... [--port N[-M]]... [--protocol tcp|udp|N]... [--lifetime S] "
              "[--preconfigured]\n"
              "TARGET is an address, a prefix, a name or a URI\n",
              stderr);
    else
        result = request(control, "POST", "/mitigations", body, &answer);
    json_decref(body);
    if (result == EXIT_GOOD && control->json)
        json_dumpf(answer, stdout, JSON_INDENT(2)), putchar('\n');
    else if (result == EXIT_GOOD)
        tell(answer);
    json_decref(answer);
    return result;
}
