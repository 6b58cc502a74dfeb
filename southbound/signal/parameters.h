/*
 * parameters: session configuration as values: what is acceptable, what is asked for, what is in
 * force (RFC 9132 section 4.5). Pure.
 *
 * Words: a *set* is mitigating or idle; a value is *negotiated* when the client put it with the
 * current sid, else the default of the configuration file counts.
 */
#pragma once

#include "gateway/config/config.h"
#include "gateway/wire/wire.h"
#include "southbound/signal/path.h"

enum south_set { SOUTH_MITIGATING, SOUTH_IDLE, SOUTH_SETS };

/* What a peer negotiated: kept on disk, so small. */
struct south_negotiated {
    uint32_t sid;
    bool present[SOUTH_SETS][WIRE_CONFIG_PARAMETERS];
    uint32_t value[SOUTH_SETS][WIRE_CONFIG_PARAMETERS];
};

/*
 * Takes over a PUT (RFC 9132 section 4.5.2): values that are not in it fall back to the defaults.
 * 0, or 4.00 or 4.22 with a reason that names the parameter.
 */
uint8_t south_parameters_take(const struct config *config, const struct wire_config *asked, uint32_t sid,
                              struct south_negotiated *out, char reason[SOUTH_REASON_MAX]);

/* The value in force; negotiated may be NULL. */
uint32_t south_parameters_value(const struct config *config, const struct south_negotiated *negotiated,
                                enum south_set set, enum wire_config_parameter parameter);

/* Current, minimum and maximum of all: the body of a GET (figure 20). */
void south_parameters_describe(const struct config *config, const struct south_negotiated *negotiated,
                               struct wire_config *out);

/* The record in STORE_SESSION_CONFIG: version, sid, and the values as a CBOR body of figure 22. */
#define SOUTH_PARAMETERS_RECORD 512
size_t south_parameters_encode(const struct south_negotiated *negotiated, uint8_t record[SOUTH_PARAMETERS_RECORD]);
/* Values that are no longer acceptable are left out. 0, or -1 when it is not such a record. */
int south_parameters_decode(const struct config *config, const uint8_t *record, size_t length,
                            struct south_negotiated *out);
