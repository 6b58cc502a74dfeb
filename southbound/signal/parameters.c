/* parameters: ranges, negotiated values and their record. */

#include <stdio.h>
#include <string.h>

#include "southbound/signal/parameters.h"

#define RECORD_VERSION 1
#define RECORD_HEADER 5 /* version, sid */

static const struct config_range *range_of(const struct config *config, enum south_set set,
                                           enum wire_config_parameter parameter)
{
    const struct config_session *session = set == SOUTH_MITIGATING ? &config->mitigating : &config->idle;

    switch (parameter) {
    case WIRE_HEARTBEAT_INTERVAL:
        return &session->heartbeat_interval;
    case WIRE_MISSING_HB_ALLOWED:
        return &session->missing_hb_allowed;
    case WIRE_PROBING_RATE:
        return &session->probing_rate;
    case WIRE_MAX_RETRANSMIT:
        return &session->max_retransmit;
    case WIRE_ACK_TIMEOUT:
        return &session->ack_timeout;
    default:
        return &session->ack_random_factor;
    }
}

static bool acceptable(const struct config *config, enum south_set set, enum wire_config_parameter parameter,
                       uint32_t value)
{
    const struct config_range *range = range_of(config, set, parameter);

    if (parameter == WIRE_HEARTBEAT_INTERVAL && value == 0)
        return true; /* turns heartbeats off, RFC 9132 section 4.5.1 */
    return value >= range->min && value <= range->max;
}

static void describe_range(const struct config *config, enum south_set set, enum wire_config_parameter parameter,
                           char reason[SOUTH_REASON_MAX])
{
    const struct config_range *range = range_of(config, set, parameter);
    const char *name = wire_config_parameter_name(parameter);
    const char *where = set == SOUTH_MITIGATING ? "mitigating-config" : "idle-config";

    if (parameter == WIRE_ACK_TIMEOUT || parameter == WIRE_ACK_RANDOM_FACTOR)
        snprintf(reason, SOUTH_REASON_MAX, "%s of %s: acceptable is %u.%02u to %u.%02u", name, where, range->min / 100,
                 range->min % 100, range->max / 100, range->max % 100);
    else
        snprintf(reason, SOUTH_REASON_MAX, "%s of %s: acceptable is %u to %u%s", name, where, range->min, range->max,
                 parameter == WIRE_HEARTBEAT_INTERVAL ? ", or 0 for none" : "");
}

uint8_t south_parameters_take(const struct config *config, const struct wire_config *asked, uint32_t sid,
                              struct south_negotiated *out, char reason[SOUTH_REASON_MAX])
{
    const struct wire_config_value *sets[SOUTH_SETS] = {
        [SOUTH_MITIGATING] = asked->has_mitigating ? asked->mitigating : NULL,
        [SOUTH_IDLE] = asked->has_idle ? asked->idle : NULL,
    };
    bool any = false;

    memset(out, 0, sizeof(*out));
    out->sid = sid;
    for (int set = 0; set < SOUTH_SETS; set++) {
        for (int i = 0; sets[set] && i < WIRE_CONFIG_PARAMETERS; i++) {
            if (!sets[set][i].has_current)
                continue;
            if (!acceptable(config, (enum south_set)set, (enum wire_config_parameter)i, sets[set][i].current)) {
                describe_range(config, (enum south_set)set, (enum wire_config_parameter)i, reason);
                return DOTS_CODE(4, 22);
            }
            out->present[set][i] = true;
            out->value[set][i] = sets[set][i].current;
            any = true;
        }
    }
    if (any)
        return 0;
    snprintf(reason, SOUTH_REASON_MAX,
             "signal-config: expected a current value of at least one parameter (RFC 9132 section 4.5.2)");
    return DOTS_CODE(4, 0);
}

uint32_t south_parameters_value(const struct config *config, const struct south_negotiated *negotiated,
                                enum south_set set, enum wire_config_parameter parameter)
{
    if (negotiated && negotiated->present[set][parameter])
        return negotiated->value[set][parameter];
    return range_of(config, set, parameter)->current;
}

void south_parameters_describe(const struct config *config, const struct south_negotiated *negotiated,
                               struct wire_config *out)
{
    memset(out, 0, sizeof(*out));
    out->has_mitigating = out->has_idle = true;
    for (int set = 0; set < SOUTH_SETS; set++) {
        struct wire_config_value *values = set == SOUTH_MITIGATING ? out->mitigating : out->idle;

        for (int i = 0; i < WIRE_CONFIG_PARAMETERS; i++) {
            const struct config_range *range = range_of(config, (enum south_set)set, (enum wire_config_parameter)i);

            values[i] = (struct wire_config_value){
                .has_max = true,
                .has_min = true,
                .has_current = true,
                .max = range->max,
                .min = range->min,
                .current =
                    south_parameters_value(config, negotiated, (enum south_set)set, (enum wire_config_parameter)i),
            };
        }
    }
}

size_t south_parameters_encode(const struct south_negotiated *negotiated, uint8_t record[SOUTH_PARAMETERS_RECORD])
{
    struct wire_message message = {.type = WIRE_SIGNAL_CONFIG};
    size_t length;

    for (int set = 0; set < SOUTH_SETS; set++) {
        struct wire_config_value *values = set == SOUTH_MITIGATING ? message.config.mitigating : message.config.idle;

        for (int i = 0; i < WIRE_CONFIG_PARAMETERS; i++) {
            if (!negotiated->present[set][i])
                continue;
            values[i].has_current = true;
            values[i].current = negotiated->value[set][i];
            if (set == SOUTH_MITIGATING)
                message.config.has_mitigating = true;
            else
                message.config.has_idle = true;
        }
    }
    record[0] = RECORD_VERSION;
    for (int i = 0; i < 4; i++)
        record[1 + i] = (uint8_t)(negotiated->sid >> (24 - 8 * i));
    length = wire_encode_cbor(&message, record + RECORD_HEADER, SOUTH_PARAMETERS_RECORD - RECORD_HEADER);
    return length ? length + RECORD_HEADER : 0;
}

int south_parameters_decode(const struct config *config, const uint8_t *record, size_t length,
                            struct south_negotiated *out)
{
    struct wire_message *message;
    struct wire_error error;

    if (length <= RECORD_HEADER || record[0] != RECORD_VERSION)
        return -1;
    if (wire_decode_cbor(record + RECORD_HEADER, length - RECORD_HEADER, WIRE_TO_SERVER, &message, &error) != 0)
        return -1;
    memset(out, 0, sizeof(*out));
    out->sid = (uint32_t)record[1] << 24 | (uint32_t)record[2] << 16 | (uint32_t)record[3] << 8 | record[4];
    for (int set = 0; set < SOUTH_SETS; set++) {
        const struct wire_config_value *values =
            set == SOUTH_MITIGATING ? message->config.mitigating : message->config.idle;
        bool has = set == SOUTH_MITIGATING ? message->config.has_mitigating : message->config.has_idle;

        for (int i = 0; has && i < WIRE_CONFIG_PARAMETERS; i++) {
            out->value[set][i] = values[i].current;
            out->present[set][i] =
                values[i].has_current &&
                acceptable(config, (enum south_set)set, (enum wire_config_parameter)i, values[i].current);
        }
    }
    wire_free(message);
    return 0;
}
