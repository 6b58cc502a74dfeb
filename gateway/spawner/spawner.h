/*
 * spawner: a small process that starts the programs of mitigators, so that the gateway itself never may.
 *
 * Words: the *spawner* is forked by main before there are threads, sessions or a seccomp filter; a
 * *program* is one of the operator's that it runs for us. The gateway asks for a start and for
 * signals, and hears of starts and ends, over a socket pair; the loop never waits for it. What may be
 * run is decided in the spawner, by its owner's configuration and not by what the gateway says: who
 * takes over the gateway gets no other program started. It ends when the gateway's end of the socket
 * closes, whatever the reason; programs then see the end of their standard input.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <uv.h>

#define SPAWNER_PROGRAMS_MAX 256u /* that run at once */

struct spawner;

struct spawner_settings {
    int (*settle)(void *arg);                       /* in the spawner, once: gives up privileges; 0, or it ends */
    bool (*allows)(void *arg, const char *program); /* in the spawner: may this one be run? */
    void *arg;
};

/* Forks. Nothing but main may have run before. NULL: the reason is in errno. */
struct spawner *spawner_fork(const struct spawner_settings *settings);

/* From now on reports are read by the loop. It holds the loop only while programs run. 0, or a
 * negative libuv error. */
int spawner_open(struct spawner *spawner, uv_loop_t *loop);

/* When no program is wanted any more. spawner is freed by the loop, or at once when it was not opened. */
void spawner_close(struct spawner *spawner);

/* One run of a program, in the memory of who asked for it. Callbacks come from the loop. */
struct spawned {
    void (*started)(struct spawned *spawned, int error); /* 0, or a negative libuv error: it does not run */
    void (*exited)(struct spawned *spawned, int64_t status, int signal);
    long pid; /* once it has started */
    uint32_t id;
    LIST_ENTRY(spawned) all;
};

/*
 * Asks for a program (absolute path, no arguments) with DOTSGW_MITIGATOR=name, in a session of its own,
 * in /, with PATH and LANG, and ends as descriptors 0, 1, 2 and no others. ends stay the caller's to
 * close. 0: started will be called, and exited after it when it ran; until then spawned stays where it
 * is. Or a negative libuv error.
 */
int spawner_start(struct spawner *spawner, struct spawned *spawned, const char *program, const char *name,
                  const int ends[3]);

/* To the program and to what it has started, as long as it lives. */
void spawner_signal(struct spawner *spawner, const struct spawned *spawned, int signal);
