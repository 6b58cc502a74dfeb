/* quantity: a whole number with a unit behind it: 500, 200k, 2G. */
#include <inttypes.h>
#include <string.h>
#include <stdio.h>

#include "gateway/config/schema.h"

static const struct {
    const char *name;
    uint64_t factor;
} units[] = {{"", 1}, {"k", 1000}, {"M", 1000000}, {"G", 1000000000}, {"T", 1000000000000}};

static int quantity_decode(struct loader *loader, const struct config_key *key, const struct node *node, void *field)
{
    const char *text = config_scalar(loader, key, node);
    uint64_t value;

    if (!text)
        return -1;
    if (config_digits(&text, &value) != 0 || value == 0)
        return config_expected(loader, key, node);
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcmp(text, units[i].name) != 0 || value > UINT64_C(1000000000000000) / units[i].factor)
            continue;
        *(uint64_t *)field = value * units[i].factor;
        return 0;
    }
    return config_expected(loader, key, node);
}

static void quantity_describe(const struct config_key *key, char *buffer, size_t size)
{
    (void)key;
    snprintf(buffer, size, "number from 1 to 1000T, such as 500, 200k, 30M or 2G");
}

const struct config_type config_type_quantity = {.decode = quantity_decode, .describe = quantity_describe};
