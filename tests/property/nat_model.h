/*
 * nat_model: random mappings and prefixes, and what mappings make of single addresses, found by looking at each.
 * Few ports, and no IPv4 prefix shorter than 20 bits.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/world.h"
#include "tests/unit/seeded_random.h"

#define PREFIXES_MAX 3

/* Ports are bits: these numbers are all that occur. */
static const uint16_t numbers[] = {22, 53, 80, 443, 1000, 1001, 1002, 1003};
#define ANY_PORT 0x8000u

struct asked {
    bool used, refused; /* refused: as the model has it */
    struct wire_prefix prefixes[PREFIXES_MAX];
    struct wire_port_range ports[2];
    const char *name;
    struct wire_target target;
};

/* ---- One address at a time ---- */

static inline uint32_t first_of(const struct wire_prefix *prefix)
{
    return (uint32_t)prefix->addr[0] << 24 | (uint32_t)prefix->addr[1] << 16 | (uint32_t)prefix->addr[2] << 8 |
           prefix->addr[3];
}

static inline uint32_t size_of(const struct wire_prefix *prefix)
{
    assert_true(prefix->length >= 20); /* so that all addresses can be looked at */
    return 1u << (32 - prefix->length);
}

static inline bool in(const struct wire_prefix *prefix, uint32_t address)
{
    return prefix->family == 4 && address - first_of(prefix) < size_of(prefix);
}

static inline unsigned bit_of(uint16_t port)
{
    for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        if (numbers[i] == port)
            return 1u << i;
    fail_msg("port %u is none of ours", port);
    return 0;
}

static inline unsigned ports_of(const struct wire_target *target)
{
    unsigned ports = target->port_range_count ? 0 : ANY_PORT;

    for (size_t i = 0; i < target->port_range_count; i++)
        for (uint32_t port = target->port_ranges[i].lower; port <= target->port_ranges[i].upper; port++)
            ports |= bit_of((uint16_t)port);
    return ports;
}

/* Where an address is outside, and with which ports when it was asked for with these; 0: it is not there. */
static inline unsigned outside(const struct world *world, uint32_t address, unsigned asked, uint32_t *external)
{
    unsigned given = 0, mapped = 0;

    for (size_t i = 0; i < world->policy.nat_count; i++) {
        const struct nat_mapping *mapping = &world->nat[i];

        if (!in(&mapping->internal, address))
            continue;
        *external = first_of(&mapping->external) + (address - first_of(&mapping->internal));
        if (!mapping->internal_port)
            return asked;
        if (!(asked & (ANY_PORT | bit_of(mapping->internal_port))))
            continue;
        given |= asked & bit_of(mapping->internal_port);
        mapped |= bit_of(mapping->external_port);
    }
    if (mapped)
        return asked == ANY_PORT || given == asked ? mapped : 0;
    for (size_t i = 0; i < world->policy.nat_count; i++)
        if (in(&world->nat[i].internal, address))
            return 0;
    *external = address;
    for (size_t i = 0; i < world->policy.nat_count; i++)
        if (in(&world->nat[i].external, address))
            return asked;
    return 0;
}

static inline bool six_mapped(const struct world *world)
{
    for (size_t i = 0; i < world->policy.nat_count; i++)
        if (world->nat[i].internal.family == 6)
            return true;
    return false;
}

/* fd00:1::/48 may be mapped, other private prefixes never are; public ones pass where no IPv6 is mapped. */
static inline bool six_inside(const struct world *world, const struct wire_prefix *prefix)
{
    if (prefix->addr[0] == 0xfd)
        return world->policy.nat_count && !(six_mapped(world) && prefix->addr[3] == 1);
    return six_mapped(world) && prefix->addr[5] != 1;
}

/* Can it be said outside, as one target? Each external address must have the same ports in the end. */
static inline bool can_be_said(const struct world *world, const struct asked *asked)
{
    static unsigned ports[1 << 13];
    static uint32_t externals[1 << 13];
    unsigned own = ports_of(&asked->target), all = asked->name ? own : 0;
    size_t count = 0;

    if (asked->name && strncmp(asked->name, "https://1", 9) == 0)
        return false;
    for (size_t i = 0; i < asked->target.prefix_count; i++) {
        const struct wire_prefix *prefix = &asked->prefixes[i];

        if (prefix->family == 6 && six_inside(world, prefix))
            return false;
        if (prefix->family == 6)
            all = own;
        for (uint32_t k = 0; prefix->family == 4 && k < size_of(prefix); k++) {
            uint32_t external = 0;
            unsigned here = outside(world, first_of(prefix) + k, own, &external);
            size_t at = 0;

            if (!here)
                return false;
            while (at < count && externals[at] != external)
                at++;
            if (at == count) {
                assert_true(count < sizeof(ports) / sizeof(ports[0]));
                externals[count] = external;
                ports[count++] = 0;
            }
            ports[at] |= here;
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (ports[i] & ANY_PORT)
            ports[i] = ANY_PORT;
        all = all ? all : ports[i];
        if (ports[i] != all)
            return false;
    }
    return true;
}

static inline bool is_external(const struct world *world, uint32_t address)
{
    for (size_t i = 0; i < world->policy.nat_count; i++)
        if (in(&world->nat[i].external, address))
            return true;
    return world->policy.nat_count == 0;
}

/* ---- Random ones ---- */

static inline void random_prefix(struct wire_prefix *prefix)
{
    static const char *const sixes[] = {"fd00:1:0", "fd00:2:0", "2001:db8:2"};
    char text[48];
    uint32_t what = random_below(20);

    if (what < 10)
        snprintf(text, sizeof(text), "10.1.%u.%u/%u", random_below(3), random_below(256), 23 + random_below(10));
    else if (what < 14)
        snprintf(text, sizeof(text), "10.9.0.%u/%u", random_below(4), 31 + random_below(2));
    else if (what < 16)
        snprintf(text, sizeof(text), "203.0.%u.%u/%u", random_below(3), random_below(256), 26 + random_below(7));
    else if (what < 17)
        snprintf(text, sizeof(text), "192.0.2.%u/%u", random_below(256), 24 + random_below(9));
    else if (what < 18)
        snprintf(text, sizeof(text), "198.51.100.1/32");
    else
        snprintf(text, sizeof(text), "%s:%x::/64", sixes[random_below(3)], random_below(4));
    assert_int_equal(wire_prefix_parse(text, false, prefix), 0);
}

static inline void map(struct world *world, const char *internal, const char *external, unsigned inside, unsigned out)
{
    struct nat_mapping *mapping = &world->nat[world->policy.nat_count++];

    assert_true(world->policy.nat_count <= WORLD_MAPPINGS);
    assert_int_equal(wire_prefix_parse(internal, true, &mapping->internal), 0);
    assert_int_equal(wire_prefix_parse(external, true, &mapping->external), 0);
    mapping->internal_port = (uint16_t)inside;
    mapping->external_port = (uint16_t)out;
}

static inline void random_mappings(struct world *world, bool ports)
{
    char internal[32], external[32];

    world->policy.nat_count = 0;
    /* Halves and wholes, so that some wide prefixes are covered by several and some in part. */
    for (unsigned i = 0; i < 2; i++) {
        unsigned length = 24 + random_below(3), parts = random_below(2) ? 2 : 1;

        for (unsigned part = 0; part < (length == 24 ? 1 : parts); part++) {
            unsigned at = part << (32 - length);

            snprintf(internal, sizeof(internal), "10.1.%u.%u/%u", i, at, length);
            snprintf(external, sizeof(external), "203.0.%u.%u/%u", (i + part) % 2 + (part ? 2 : 0),
                     256u - (1u << (32 - length)), length);
            map(world, internal, external, 0, 0);
        }
    }
    if (random_below(2))
        map(world, "fd00:1::/48", "2001:db8:1::/48", 0, 0);
    if (random_below(2))
        map(world, "192.0.2.0/24", "192.0.2.0/24", 0, 0);
    for (unsigned i = 0; ports && world->policy.nat_count < WORLD_MAPPINGS && i < 4; i++) {
        snprintf(internal, sizeof(internal), "10.9.0.%u", i / 2);
        map(world, internal, "198.51.100.1", i % 2 ? 443 : 80, i == 0 ? 80 : 999 + i);
    }
}
