/*
 * words: KEY=VALUE words of a scenario line, and the scope that they describe.
 */
#pragma once

#include <stdbool.h>

#include "aggregation/relay.h"
#include "gateway/wire/wire.h"

#define WORDS_LIST_MAX 16

/* words: ended by NULL. */
const char *word_value(char **words, const char *key); /* NULL: not there */
bool word_there(char **words, const char *word);
long long word_number(char **words, const char *key, long long otherwise);
/* "1/2"; false when it is anything else. */
bool word_pair(const char *word, char between, unsigned long *first, unsigned long *second);

/* One scope from words: prefix=a,b fqdn=x lifetime=n status=n preconfigured ... */
struct scope_words {
    struct wire_scope scope;
    struct wire_prefix prefixes[WORDS_LIST_MAX];
    struct wire_port_range ranges[WORDS_LIST_MAX];
    uint8_t protocols[WORDS_LIST_MAX];
    const char *fqdns[WORDS_LIST_MAX], *uris[1];
    struct wire_conflict conflict;
    char text[1024];
};

/* Ends the process with a message when a word cannot be understood. */
void word_scope(char **words, struct scope_words *out);

/* wait= reject fan-out= recursion= failover= mitigations=; the same. */
void word_policy(char **words, struct relay_policy *out);
