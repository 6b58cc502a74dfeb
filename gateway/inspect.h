/* inspect: what admin may know of the parts that it does not know, for assemble only. */
#pragma once

#include "gateway/admin/admin.h"
#include "gateway/store/store.h"
#include "northbound/signal/northbound.h"
#include "southbound/signal/southbound.h"

#define INSPECTION_SUBMITS 512u /* whose time of commit is not known yet; more are not measured */

#define INSPECTION_ALERTS 10u /* events of the relay, and others */
#define INSPECTION_CERTIFICATES 32u

struct inspection_certificate {
    const char *file; /* of the configuration */
    int64_t expires;  /* s since 1970 */
};

struct inspection {
    const struct config *config;
    struct relay *relay;
    struct store *store;
    struct southbound *southbound;
    struct northbound *northbound;
    uint64_t alerts[INSPECTION_ALERTS];
    struct inspection_certificate certificates[INSPECTION_CERTIFICATES];
    size_t certificate_count;
    struct metrics_histogram commits;
    uint64_t submitted_ns[INSPECTION_SUBMITS]; /* by sequence */
    uint64_t first, last;                      /* sequences that are measured: first < sequence <= last */
};

/* Opens admin when the configuration has it, else *admin is NULL. 0, or -1 with a sentence. */
int inspection_open(struct inspection *inspection, uv_loop_t *loop, int64_t (*now)(void), struct admin **admin,
                    char *error, size_t error_size);

void inspection_submitted(struct inspection *inspection, uint64_t sequence);
void inspection_alert(struct inspection *inspection, const char *event);
void inspection_committed(struct inspection *inspection, uint64_t sequence);
