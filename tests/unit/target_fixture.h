/*
 * target_fixture: targets written as text, so that a table of cases can be read:
 * "192.0.2.0/24 2001:db8::/32 fqdn=www.example.com uri=https://example.com/ alias=web port=80-90 proto=6".
 * Words are parted by spaces. Nothing is checked but prefixes: bad names are cases too.
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/wire/wire.h"

#define FIXTURE_TARGETS 64

static struct wire_target *fixture_targets[FIXTURE_TARGETS];
static size_t fixture_target_count;

static inline void target_fixture_fail(const char *word)
{
    fprintf(stderr, "target_fixture: cannot use %s\n", word);
    abort();
}

static inline void *target_fixture_more(void *list, size_t count, size_t size)
{
    void *longer = realloc(list, (count + 1) * size);
    if (!longer)
        target_fixture_fail("so much memory");
    return longer;
}

static inline void target_add_prefix(struct wire_target *target, const struct wire_prefix *prefix)
{
    target->prefixes = target_fixture_more(target->prefixes, target->prefix_count, sizeof *prefix);
    target->prefixes[target->prefix_count++] = *prefix;
}

static inline void target_add_string(struct wire_strings *strings, const char *text)
{
    strings->at = target_fixture_more(strings->at, strings->count, sizeof *strings->at);
    char *copy = strdup(text);
    if (!copy)
        target_fixture_fail("so much memory");
    strings->at[strings->count++] = copy;
}

static inline void target_add_ports(struct wire_target *target, unsigned lower, unsigned upper)
{
    target->port_ranges =
        target_fixture_more(target->port_ranges, target->port_range_count, sizeof *target->port_ranges);
    target->port_ranges[target->port_range_count++] = (struct wire_port_range){(uint16_t)lower, (uint16_t)upper};
}

static inline void target_add_protocol(struct wire_target *target, unsigned protocol)
{
    target->protocols = target_fixture_more(target->protocols, target->protocol_count, 1);
    target->protocols[target->protocol_count++] = (uint8_t)protocol;
}

static inline void target_add(struct wire_target *target, const char *word)
{
    struct wire_prefix prefix;
    if (strncmp(word, "fqdn=", 5) == 0) {
        target_add_string(&target->fqdns, word + 5);
    } else if (strncmp(word, "uri=", 4) == 0) {
        target_add_string(&target->uris, word + 4);
    } else if (strncmp(word, "alias=", 6) == 0) {
        target_add_string(&target->aliases, word + 6);
    } else if (strncmp(word, "port=", 5) == 0) {
        char *end;
        unsigned lower = (unsigned)strtoul(word + 5, &end, 10);
        target_add_ports(target, lower, *end == '-' ? (unsigned)strtoul(end + 1, NULL, 10) : lower);
    } else if (strncmp(word, "proto=", 6) == 0) {
        target_add_protocol(target, (unsigned)strtoul(word + 6, NULL, 10));
    } else if (wire_prefix_parse(word, true, &prefix) == 0) {
        target_add_prefix(target, &prefix);
    } else {
        target_fixture_fail(word);
    }
}

/* Lives until targets_forget. */
static inline struct wire_target *target_of(const char *text)
{
    struct wire_target *target = calloc(1, sizeof *target);
    char *words = strdup(text), *rest = words;
    if (!target || !words || fixture_target_count == FIXTURE_TARGETS)
        target_fixture_fail("another target");
    for (const char *word; (word = strsep(&rest, " ")) != NULL;) {
        if (word[0] != '\0')
            target_add(target, word);
    }
    free(words);
    fixture_targets[fixture_target_count++] = target;
    return target;
}

static inline void target_strings_free(struct wire_strings *strings)
{
    for (size_t i = 0; i < strings->count; i++)
        free((char *)strings->at[i]);
    free(strings->at);
}

static inline void target_free(struct wire_target *target)
{
    free(target->prefixes);
    free(target->port_ranges);
    free(target->protocols);
    target_strings_free(&target->fqdns);
    target_strings_free(&target->uris);
    target_strings_free(&target->aliases);
    free(target);
}

static inline void targets_forget(void)
{
    while (fixture_target_count > 0)
        target_free(fixture_targets[--fixture_target_count]);
}

static inline void target_write_strings(FILE *out, const char *kind, const struct wire_strings *strings)
{
    for (size_t i = 0; i < strings->count; i++)
        fprintf(out, " %s=%s", kind, strings->at[i]);
}

/* The same text back, each word after a space, in the order prefixes, names, ports, protocols; freed by the caller. */
static inline char *target_text(const struct wire_target *target)
{
    char *text = NULL, prefix[WIRE_PREFIX_TEXT];
    size_t length;
    FILE *out = open_memstream(&text, &length);
    if (!out)
        target_fixture_fail("so much memory");
    for (size_t i = 0; i < target->prefix_count; i++)
        fprintf(out, " %s", wire_prefix_format(&target->prefixes[i], prefix));
    target_write_strings(out, "fqdn", &target->fqdns);
    target_write_strings(out, "uri", &target->uris);
    target_write_strings(out, "alias", &target->aliases);
    for (size_t i = 0; i < target->port_range_count; i++)
        fprintf(out, " port=%u-%u", target->port_ranges[i].lower, target->port_ranges[i].upper);
    for (size_t i = 0; i < target->protocol_count; i++)
        fprintf(out, " proto=%u", target->protocols[i]);
    fclose(out);
    return text;
}
