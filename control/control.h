/*
 * control: dotsgwctl, the operators' tool over the control socket (docs/admin-api.yaml, docs/control.md).
 *
 * Words: a *command* is one word of the command line and what it does; a *table* is how a list is shown to people.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define SOCKET_DEFAULT "/run/dotsgw/admin.sock"

/* Exit codes: docs/control.md lists them. */
enum control_exit {
    EXIT_GOOD = 0,
    EXIT_REFUSED = 1,     /* the gateway said no */
    EXIT_USAGE = 2,       /* the command line is wrong */
    EXIT_UNREACHABLE = 3, /* no gateway there, or no permission */
    EXIT_DECLINED = 4,    /* the operator said no */
    EXIT_OUTPUT = 5,      /* what there was to say could not be written */
};

struct control {
    const char *socket;
    bool json;
    bool yes; /* do not ask */
};

/* ---- request.c ---- */

/* One request; body (NULL: none) is borrowed. EXIT_GOOD with *answer (to be decref'd), else the error is printed. */
enum control_exit request(const struct control *control, const char *method, const char *path, const json_t *body,
                          json_t **answer);
/* A stream: each line as it comes, until the gateway ends it, or standard output takes no more. */
enum control_exit request_stream(const struct control *control, const char *path,
                                 void (*line)(const struct control *control, const char *text, size_t length));
/* What standard output has not taken, for example because a disk is full. */
enum control_exit output_check(void);

/* ---- table.c ---- */

struct column {
    const char *title;
    /* Of each object: text, number, boolean, list of texts, numbers or ranges of ports, or missing. "A+B" is what is in
     * the lists of both; "?A" is left out when nobody has it. */
    const char *member;
    bool right; /* numbers */
};
/* What a terminal would obey instead of show becomes dots: names and reasons come from elsewhere. */
void text_print(FILE *file, const char *text);
/* All entries of the lists of a member, as above, apart by a blank. */
void table_entries(const json_t *object, const char *member);
void table_print(const json_t *list, const struct column *columns);
/* An object, one member a line. */
void table_object(const json_t *object);

/* ---- command.c ---- */

enum control_exit command_run(const struct control *control, int argc, char **argv);
void command_usage(void);
void print_json(const json_t *value);

/* ---- act.c ---- */

/* True when the operator, or -y, says yes. */
bool ask(const struct control *control, const char *question);
/* One request that changes something, and done to say so. Takes body. */
enum control_exit act(const struct control *control, const char *method, const char *path, json_t *body,
                      const char *done);
enum control_exit withdraw(const struct control *control, int argc, char **argv);
enum control_exit activate(const struct control *control, int argc, char **argv);
enum control_exit recurse(const struct control *control, int argc, char **argv); /* unrecurse, too */
enum control_exit mitigator_status(const struct control *control, int argc, char **argv);
enum control_exit reload(const struct control *control, int argc, char **argv);
enum control_exit drain(const struct control *control, int argc, char **argv);    /* undrain, too */
enum control_exit redirect(const struct control *control, int argc, char **argv); /* unredirect, too */

/* ---- mitigate.c ---- */

enum control_exit mitigate(const struct control *control, int argc, char **argv);
