/*
 * negotiate: the parameters of one session, asked for and agreed with the server (RFC 9132 section 4.5).
 *
 * GET config tells what the server accepts, PUT config with a rising 'sid' says what we use; before
 * Max-Age is over it is read again, unless an attack is on. A server that does not know config, or
 * does not answer, leaves the recommended values of section 4.5.2 in force.
 */
#pragma once

#include "northbound/signal/link.h"

struct channel;

enum negotiation_state {
    NEGOTIATION_ASKING,  /* GET is under way */
    NEGOTIATION_SID,     /* waits for link_set_sid */
    NEGOTIATION_TELLING, /* PUT is under way */
    NEGOTIATION_DONE,    /* agreed, or given up */
};

struct negotiation {
    enum negotiation_state state;
    struct exchange *watch; /* the GET that observes config */
    struct exchange *put, *refresh;
    bool agreed; /* a PUT with this sid was accepted */
    bool strict; /* after 4.22: nothing outside of what was offered */
    uint32_t sid;
    struct wire_config offered;
    struct link_parameters chosen, asked;
    uint64_t refresh_at; /* LINK_NEVER: not */
};

/* RFC 9132 section 4.5.2, in the units of enum wire_config_parameter. */
extern const uint32_t negotiate_recommended[WIRE_CONFIG_PARAMETERS];

/*
 * One set: wanted, brought into the range that the server offers; a parameter that it does not offer
 * keeps the recommended value and is not asked for. Over TCP only the heartbeat interval is negotiated
 * (section 4.5). A heartbeat interval of 0 (off) is asked for outside of the range, unless strict.
 * Returns whether anything is asked for.
 */
bool negotiate_choose(const uint32_t *wanted, const struct wire_config_value *offered, bool tcp, bool strict,
                      struct wire_config_value *asked, uint32_t *chosen);
/* When to read it again (ms from now): before max_age (s) is over; UINT64_MAX: never. -1: absent (section 4.5.3). */
uint64_t negotiate_refresh(int64_t max_age);

void negotiation_start(struct channel *channel);
void negotiation_sid(struct channel *channel, uint32_t sid);
void negotiation_run(struct channel *channel, uint64_t now);
uint64_t negotiation_due(const struct channel *channel);
