/* scalar: numbers, durations and words from a list. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "gateway/config/schema.h"

static void store(const struct config_key *key, void *field, uint32_t value)
{
    switch (key->size) {
    case 1:
        *(uint8_t *)field = (uint8_t)value;
        break;
    case 2:
        *(uint16_t *)field = (uint16_t)value;
        break;
    default:
        *(uint32_t *)field = value;
        break;
    }
}

int config_digits(const char **text, uint64_t *value)
{
    const char *at = *text;

    *value = 0;
    while (*at >= '0' && *at <= '9' && at - *text < 11)
        *value = *value * 10 + (uint64_t)(*at++ - '0');
    if (at == *text || at - *text > 10 || (**text == '0' && at - *text > 1))
        return -1; /* "010" is eight to some readers of YAML and ten to others */
    *text = at;
    return 0;
}

static int integer_decode(struct loader *loader, const struct config_key *key, const struct node *node, void *field)
{
    const char *text = config_scalar(loader, key, node);
    uint64_t value;

    if (!text)
        return -1;
    if (node->quoted || config_digits(&text, &value) != 0 || *text || value < key->min || value > key->max)
        return config_expected(loader, key, node);
    store(key, field, (uint32_t)value);
    return 0;
}

static void integer_describe(const struct config_key *key, char *buffer, size_t size)
{
    snprintf(buffer, size, "integer from %" PRIu32 " to %" PRIu32, key->min, key->max);
}

const struct config_type config_type_integer = {.decode = integer_decode, .describe = integer_describe};

/* Hundredths: RFC 9132 has two fraction digits. */
static int decimal_decode(struct loader *loader, const struct config_key *key, const struct node *node, void *field)
{
    const char *text = config_scalar(loader, key, node);
    uint64_t value;
    unsigned scale = 100;

    if (!text)
        return -1;
    if (node->quoted || config_digits(&text, &value) != 0)
        return config_expected(loader, key, node);
    value *= 100;
    if (*text == '.')
        do {
            text++;
            scale /= 10;
            if (*text < '0' || *text > '9' || scale == 0)
                return config_expected(loader, key, node);
            value += (uint64_t)(*text - '0') * scale;
        } while (text[1]);
    if ((scale == 100 && *text) || value < key->min || value > key->max)
        return config_expected(loader, key, node);
    store(key, field, (uint32_t)value);
    return 0;
}

static void decimal_describe(const struct config_key *key, char *buffer, size_t size)
{
    snprintf(buffer, size, "number from %" PRIu32 ".%02" PRIu32 " to %" PRIu32 ".%02" PRIu32 ", two decimals",
             key->min / 100, key->min % 100, key->max / 100, key->max % 100);
}

const struct config_type config_type_decimal = {.decode = decimal_decode, .describe = decimal_describe};

static int boolean_decode(struct loader *loader, const struct config_key *key, const struct node *node, void *field)
{
    const char *text = config_scalar(loader, key, node);

    if (!text)
        return -1;
    if (node->quoted || (strcmp(text, "true") != 0 && strcmp(text, "false") != 0))
        return config_expected(loader, key, node);
    *(bool *)field = text[0] == 't';
    return 0;
}

static void boolean_describe(const struct config_key *key, char *buffer, size_t size)
{
    (void)key;
    snprintf(buffer, size, "true or false");
}

const struct config_type config_type_boolean = {.decode = boolean_decode, .describe = boolean_describe};

static const struct {
    const char *name;
    uint32_t milliseconds;
} units[] = {{"h", 3600000}, {"m", 60000}, {"s", 1000}, {"", 1000}, {"ms", 1}};

static int milliseconds(const char *text, uint64_t *value)
{
    if (config_digits(&text, value) != 0)
        return -1;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (strcmp(text, units[i].name) == 0) {
            *value *= units[i].milliseconds;
            return 0;
        }
    return -1;
}

static int duration_decode(struct loader *loader, const struct config_key *key, const struct node *node, void *field,
                           uint32_t unit)
{
    const char *text = config_scalar(loader, key, node);
    uint64_t value;

    if (!text)
        return -1;
    if (milliseconds(text, &value) != 0 || value % unit || value / unit < key->min || value / unit > key->max)
        return config_expected(loader, key, node);
    store(key, field, (uint32_t)(value / unit));
    return 0;
}

static int seconds_decode(struct loader *loader, const struct config_key *key, const struct node *node, void *field)
{
    return duration_decode(loader, key, node, field, 1000);
}

static int milliseconds_decode(struct loader *loader, const struct config_key *key, const struct node *node,
                               void *field)
{
    return duration_decode(loader, key, node, field, 1);
}

/* In the largest unit that divides it. */
static const char *duration_text(uint64_t value, char buffer[24])
{
    size_t i = 0;

    while (value % units[i].milliseconds || (value == 0 && units[i].milliseconds > 1000))
        i++;
    snprintf(buffer, 24, "%" PRIu64 "%s", value / units[i].milliseconds, units[i].name);
    return buffer;
}

static void seconds_describe(const struct config_key *key, char *buffer, size_t size)
{
    char low[24], high[24];

    snprintf(buffer, size, "duration in whole seconds from %s to %s", duration_text(key->min * UINT64_C(1000), low),
             duration_text(key->max * UINT64_C(1000), high));
}

static void milliseconds_describe(const struct config_key *key, char *buffer, size_t size)
{
    char low[24], high[24];

    snprintf(buffer, size, "duration from %s to %s", duration_text(key->min, low), duration_text(key->max, high));
}

const struct config_type config_type_seconds = {.decode = seconds_decode, .describe = seconds_describe};
const struct config_type config_type_milliseconds = {.decode = milliseconds_decode, .describe = milliseconds_describe};

/* The index of a word, or -1. */
static int choice(const char *const *choices, const char *text)
{
    for (int i = 0; choices[i]; i++)
        if (strcmp(choices[i], text) == 0)
            return i;
    return -1;
}

/* "all, by-prefix or serial" */
static void choice_describe(const struct config_key *key, char *buffer, size_t size)
{
    const char *const *choices = key->choices;
    size_t used = 0;

    for (size_t i = 0; choices[i] && used < size; i++)
        used += (size_t)snprintf(buffer + used, size - used, "%s%s",
                                 i == 0           ? ""
                                 : choices[i + 1] ? ", "
                                                  : " or ",
                                 choices[i]);
}

static int choice_decode(struct loader *loader, const struct config_key *key, const struct node *node, void *field)
{
    const char *text = config_scalar(loader, key, node);
    int index;

    if (!text)
        return -1;
    index = choice(key->choices, text);
    if (index < 0)
        return config_expected(loader, key, node);
    store(key, field, (uint32_t)index);
    return 0;
}

const struct config_type config_type_choice = {.decode = choice_decode, .describe = choice_describe};

static const char *const transports[] = {"udp", "tcp", NULL};
_Static_assert(CONFIG_UDP == 1 << 0 && CONFIG_TCP == 1 << 1, "a transport's bit is its place in the list");

static int transports_decode(struct loader *loader, const struct config_key *key, const struct node *node, void *field)
{
    unsigned bits = 0;

    if (node->kind != NODE_LIST || node->count == 0)
        return config_expected(loader, key, node);
    for (const struct node *child = node->first; child; child = child->next) {
        int index = child->kind == NODE_SCALAR ? choice(transports, child->text) : -1;

        if (index < 0)
            return config_expected(loader, key, child);
        if (bits & 1u << index)
            return config_fault(loader, child, "%s: %s is given twice: remove one", key->name, child->text);
        bits |= 1u << index;
    }
    store(key, field, bits);
    return 0;
}

static void transports_describe(const struct config_key *key, char *buffer, size_t size)
{
    (void)key;
    snprintf(buffer, size, "list of one or both of udp, tcp");
}

const struct config_type config_type_transports = {.decode = transports_decode, .describe = transports_describe};
