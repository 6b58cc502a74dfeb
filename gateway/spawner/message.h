/* message: what gateway and spawner say to each other, one message a datagram. Private to gateway/spawner. */
#pragma once

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

enum spawner_op { SPAWNER_START = 1, SPAWNER_SIGNAL };

/* To the spawner. A start carries three descriptors. */
struct spawner_request {
    uint32_t op, id;
    int32_t signal;
    char text[PATH_MAX + 128]; /* start: program and name, each ended by NUL */
};
#define SPAWNER_REQUEST_FIXED offsetof(struct spawner_request, text)

enum spawner_event { SPAWNER_STARTED = 1, SPAWNER_FAILED, SPAWNER_EXITED };

struct spawner_report {
    uint32_t event, id;
    int32_t value, signal; /* pid; errno; exit status, or signal when not 0 */
};

struct spawner_settings;

/* The spawner itself: serves until the other end closes. */
_Noreturn void spawner_serve(int socket, const struct spawner_settings *settings);
