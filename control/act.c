/* act: the commands that change something; what hurts is asked about first. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/control.h"

bool ask(const struct control *control, const char *question)
{
    char line[16];

    if (control->yes)
        return true;
    if (!isatty(STDIN_FILENO)) {
        fprintf(stderr, "dotsgwctl: %s There is nobody to ask: give -y to do it\n", question);
        return false;
    }
    fprintf(stderr, "%s [y/N] ", question);
    return fgets(line, sizeof(line), stdin) && (line[0] == 'y' || line[0] == 'Y');
}

/* Takes body. */
enum control_exit act(const struct control *control, const char *method, const char *path, json_t *body,
                      const char *done)
{
    json_t *answer;
    enum control_exit result = request(control, method, path, body, &answer);

    json_decref(body);
    if (result == EXIT_GOOD && control->json)
        print_json(answer);
    else if (result == EXIT_GOOD)
        puts(done);
    json_decref(answer);
    return result;
}

enum control_exit withdraw(const struct control *control, int argc, char **argv)
{
    char path[64], question[96];

    (void)argc;
    if (strspn(argv[1], "0123456789") != strlen(argv[1]) || strlen(argv[1]) > 10) {
        fputs("dotsgwctl: MID is the number that mitigate gave\n", stderr);
        return EXIT_USAGE;
    }
    snprintf(question, sizeof(question), "withdraw the operators' mitigation %s?", argv[1]);
    if (!ask(control, question))
        return EXIT_DECLINED;
    snprintf(path, sizeof(path), "/mitigations/%s", argv[1]);
    return act(control, "DELETE", path, NULL, "withdrawn");
}

/* CUID/MID, or CDID CUID/MID: the mid is behind the last slash. NULL after a message. */
static json_t *id_of(int argc, char **argv)
{
    const char *text = argv[argc - 1], *slash = strrchr(text, '/');
    json_t *body = NULL;
    char *end;
    long long mid = slash ? strtoll(slash + 1, &end, 10) : -1;

    if (mid >= 0 && slash[1] && !*end)
        body = json_pack("{s:s%, s:I}", "cuid", text, (size_t)(slash - text), "mid", (json_int_t)mid);
    if (body && argc == 3)
        json_object_set_new(body, "cdid", json_string(argv[1]));
    if (!body)
        fputs("dotsgwctl: ID is CUID/MID, as `dotsgwctl mitigations` shows them; with a cdid, write CDID CUID/MID\n",
              stderr);
    return body;
}

enum control_exit activate(const struct control *control, int argc, char **argv)
{
    json_t *body = id_of(argc, argv);

    if (!body)
        return EXIT_USAGE;
    if (!ask(control, "activate this preconfigured mitigation, and end others of its client that overlap it?")) {
        json_decref(body);
        return EXIT_DECLINED;
    }
    return act(control, "POST", "/activation", body, "activated");
}

enum control_exit recurse(const struct control *control, int argc, char **argv)
{
    json_t *body = id_of(argc, argv);
    bool on = strcmp(argv[0], "recurse") == 0;

    if (!body)
        return EXIT_USAGE;
    if (!on && !ask(control, "end what upstreams do for this mitigation?")) {
        json_decref(body);
        return EXIT_DECLINED;
    }
    json_object_set_new(body, "on", json_boolean(on));
    return act(control, "POST", "/recursion", body, on ? "upstreams are asked to help" : "upstreams are let go");
}

enum control_exit mitigator_status(const struct control *control, int argc, char **argv)
{
    char *end;
    long long job = strtoll(argv[1], &end, 10), code = 0;
    json_t *body;

    (void)argc;
    if (end == argv[1] || *end || job < 0) {
        fputs("dotsgwctl: JOB is the number of a job, as the log and `dotsgwctl bundles` show it\n", stderr);
        return EXIT_USAGE;
    }
    code = strtoll(argv[2], &end, 10);
    body = json_pack("{s:I}", "job", (json_int_t)job);
    json_object_set_new(body, "status", end != argv[2] && !*end ? json_integer(code) : json_string(argv[2]));
    return act(control, "POST", "/mitigator-status", body, "noted");
}

enum control_exit reload(const struct control *control, int argc, char **argv)
{
    json_t *answer;
    enum control_exit result = request(control, "POST", "/reload", NULL, &answer);

    (void)argc, (void)argv;
    if (result == EXIT_GOOD && control->json)
        print_json(answer);
    else if (result == EXIT_GOOD)
        puts(json_string_value(json_object_get(answer, "result")));
    json_decref(answer);
    return result;
}

enum control_exit drain(const struct control *control, int argc, char **argv)
{
    bool on = strcmp(argv[0], "drain") == 0;

    (void)argc;
    if (on && !ask(control, "send all clients elsewhere and end this gateway?"))
        return EXIT_DECLINED;
    return act(control, "POST", "/drain", json_pack("{s:b}", "on", on),
               on ? "draining: watch it with `dotsgwctl sessions`, take it back with `dotsgwctl undrain`"
                  : "clients are served again");
}

enum control_exit redirect(const struct control *control, int argc, char **argv)
{
    bool on = strcmp(argv[0], "redirect") == 0;
    char question[256];
    json_t *body;

    (void)argc;
    snprintf(question, sizeof(question), "send %.128s to the server of redirect?",
             strcmp(argv[1], "--all") == 0 ? "all clients" : argv[1]);
    if (on && !ask(control, question))
        return EXIT_DECLINED;
    body = json_pack("{s:b}", "on", on);
    if (strcmp(argv[1], "--all") != 0)
        json_object_set_new(body, "client", json_string(argv[1]));
    return act(control, "POST", "/redirection", body,
               on ? "redirected, until the next start or `dotsgwctl unredirect`" : "served here again");
}
