/* options: the command line. */

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "client/client.h"

static const char help[] =
    "usage: dots-client -s HOST[:PORT] [options] COMMAND [MID|SID] [FILE]\n"
    "\n"
    "commands\n"
    "  put MID [FILE]          ask for mitigation: RFC 7951 JSON from FILE (- is standard input), or from flags\n"
    "  efficacy MID [FILE]     efficacy update of it (the same parameters, and --under-attack or --mitigated)\n"
    "  get [MID]               one mitigation, or all\n"
    "  observe [MID]           the same, and its notifications until interrupted\n"
    "  delete MID              withdraw it\n"
    "  config get [SID] | config put SID FILE | config delete [SID]\n"
    "  hb                      one heartbeat\n"
    "  hold                    keep the session up with heartbeats until interrupted\n"
    "\n"
    "server and identity\n"
    "  -s, --server HOST[:PORT]   name in its certificate; port 4646 when not given\n"
    "  -a, --address ADDRESS      where it is, when HOST is not to be resolved; may be given again\n"
    "  -T, --transport udp|tcp    only this one; both, UDP first, when not given\n"
    "  -c, --cert FILE  -k, --key FILE  -C, --ca FILE      certificate, its key, trust anchors (PEM)\n"
    "  -u, --psk-identity ID  -K, --psk-key-file FILE      or a pre-shared key (hexadecimal, or text:KEY)\n"
    "  -i, --cuid CUID            derived from the certificate or PSK identity when not given (RFC 9132)\n"
    "      --cdid CDID            only trusted gateways may send one\n"
    "\n"
    "what to protect (instead of FILE)\n"
    "  -p, --prefix PREFIX  -f, --fqdn NAME  --uri URI  --alias NAME  --port N[-M]  --protocol N\n"
    "  -l, --lifetime SECONDS     3600 when not given; -1: indefinite\n"
    "      --preconfigured        only when the signal is lost (trigger-mitigation false)\n"
    "      --under-attack  --mitigated\n"
    "\n"
    "how\n"
    "      --content a|c|n        all, configuration, or what changes (get, observe)\n"
    "  -n, --count N              observe: end after N notifications\n"
    "  -t, --timeout SECONDS      wait this long for an answer; 10 when not given\n"
    "  -v, --verbose              show CoAP and CBOR\n"
    "  -h, --help\n"
    "\n"
    "The answer is JSON on standard output, its code and reason stand on standard error. Exit status: 0 for\n"
    "2.xx, 4 for 4.xx, 5 for 5.xx, 1 for a local fault, 2 for a wrong command line, 3 for no answer in time.\n";

enum {
    OPTION_CDID = 256,
    OPTION_URI,
    OPTION_ALIAS,
    OPTION_PORT,
    OPTION_PROTOCOL,
    OPTION_PRECONFIGURED,
    OPTION_UNDER_ATTACK,
    OPTION_MITIGATED,
    OPTION_CONTENT
};

static const struct option long_options[] = {
    {"server", required_argument, NULL, 's'},
    {"address", required_argument, NULL, 'a'},
    {"transport", required_argument, NULL, 'T'},
    {"cert", required_argument, NULL, 'c'},
    {"key", required_argument, NULL, 'k'},
    {"ca", required_argument, NULL, 'C'},
    {"psk-identity", required_argument, NULL, 'u'},
    {"psk-key-file", required_argument, NULL, 'K'},
    {"cuid", required_argument, NULL, 'i'},
    {"cdid", required_argument, NULL, OPTION_CDID},
    {"prefix", required_argument, NULL, 'p'},
    {"fqdn", required_argument, NULL, 'f'},
    {"uri", required_argument, NULL, OPTION_URI},
    {"alias", required_argument, NULL, OPTION_ALIAS},
    {"port", required_argument, NULL, OPTION_PORT},
    {"protocol", required_argument, NULL, OPTION_PROTOCOL},
    {"lifetime", required_argument, NULL, 'l'},
    {"preconfigured", no_argument, NULL, OPTION_PRECONFIGURED},
    {"under-attack", no_argument, NULL, OPTION_UNDER_ATTACK},
    {"mitigated", no_argument, NULL, OPTION_MITIGATED},
    {"content", required_argument, NULL, OPTION_CONTENT},
    {"count", required_argument, NULL, 'n'},
    {"timeout", required_argument, NULL, 't'},
    {"verbose", no_argument, NULL, 'v'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static int wrong(const char *what, const char *value)
{
    fprintf(stderr, "dots-client: %s: %s; see dots-client -h\n", value, what);
    return CLIENT_USAGE;
}

static bool number(const char *text, long long least, long long most, long long *out)
{
    char *end;

    errno = 0;
    *out = strtoll(text, &end, 10);
    return errno == 0 && end != text && *end == '\0' && *out >= least && *out <= most;
}

static int parse_server(const char *text, struct client_options *out)
{
    const char *colon = strrchr(text, ':');
    long long port = 4646;
    size_t length = strlen(text);

    if (colon && strchr(text, ':') == colon) {
        if (!number(colon + 1, 1, 65535, &port))
            return wrong("the port is a number from 1 to 65535", text);
        length = (size_t)(colon - text);
    }
    if (length == 0 || length >= sizeof(out->host))
        return wrong("a server is HOST or HOST:PORT", text);
    memcpy(out->host, text, length);
    out->host[length] = '\0';
    out->port = (uint16_t)port;
    return CLIENT_OK;
}

static int append(const char **list, size_t *count, size_t most, const char *value)
{
    if (*count == most)
        return wrong("too many of them", value);
    list[(*count)++] = value;
    return CLIENT_OK;
}

static int parse_port(const char *text, struct client_options *out)
{
    char *rest = NULL;
    unsigned long lower = strtoul(text, &rest, 10), upper = lower;
    bool good = rest != text && text[0] != '-';

    if (good && *rest == '-') {
        const char *second = rest + 1;

        upper = strtoul(second, &rest, 10);
        good = rest != second && *second != '-';
    }
    if (!good || *rest != '\0' || lower > upper || upper > 65535 || out->port_count == CLIENT_LIST_MAX)
        return wrong("a port is N or N-M, 0 to 65535", text);
    out->ports[out->port_count++] = (struct wire_port_range){(uint16_t)lower, (uint16_t)upper};
    return CLIENT_OK;
}

static int parse_number_option(int option, const char *text, struct client_options *out)
{
    long long value;

    switch (option) {
    case OPTION_PROTOCOL:
        if (!number(text, 0, 255, &value) || out->protocol_count == CLIENT_LIST_MAX)
            return wrong("a protocol is a number from 0 to 255", text);
        out->protocols[out->protocol_count++] = (uint8_t)value;
        return CLIENT_OK;
    case 'l':
        if (!number(text, -1, UINT32_MAX, &value))
            return wrong("a lifetime is a number of seconds, or -1", text);
        out->lifetime = value;
        out->has_lifetime = true;
        return CLIENT_OK;
    case 'n':
        if (!number(text, 1, 1000000, &value))
            return wrong("a count is a number from 1", text);
        out->count = (unsigned)value;
        return CLIENT_OK;
    default:
        if (!number(text, 1, 86400, &value))
            return wrong("a timeout is a number of seconds from 1", text);
        out->timeout = (double)value;
        return CLIENT_OK;
    }
}

static int parse_transport(const char *text, struct client_options *out)
{
    if (strcmp(text, "udp") == 0)
        out->transports = DOTS_UDP;
    else if (strcmp(text, "tcp") == 0)
        out->transports = DOTS_TCP;
    else
        return wrong("a transport is udp or tcp", text);
    return CLIENT_OK;
}

static int parse_option(int option, struct client_options *out)
{
    switch (option) {
    case 's':
        return parse_server(optarg, out);
    case 'a':
        return append(out->addresses, &out->address_count, CLIENT_ADDRESSES_MAX, optarg);
    case 'T':
        return parse_transport(optarg, out);
    case 'c':
        out->certificate = optarg;
        return CLIENT_OK;
    case 'k':
        out->private_key = optarg;
        return CLIENT_OK;
    case 'C':
        out->trust_anchors = optarg;
        return CLIENT_OK;
    case 'u':
        out->psk_identity = optarg;
        return CLIENT_OK;
    case 'K':
        out->psk_key_file = optarg;
        return CLIENT_OK;
    case 'i':
        out->cuid = optarg;
        return CLIENT_OK;
    case OPTION_CDID:
        out->cdid = optarg;
        return CLIENT_OK;
    case 'p':
        return append(out->prefixes, &out->prefix_count, CLIENT_LIST_MAX, optarg);
    case 'f':
        return append(out->fqdns, &out->fqdn_count, CLIENT_LIST_MAX, optarg);
    case OPTION_URI:
        return append(out->uris, &out->uri_count, CLIENT_LIST_MAX, optarg);
    case OPTION_ALIAS:
        return append(out->aliases, &out->alias_count, CLIENT_LIST_MAX, optarg);
    case OPTION_PORT:
        return parse_port(optarg, out);
    case OPTION_PRECONFIGURED:
        out->preconfigured = true;
        return CLIENT_OK;
    case OPTION_UNDER_ATTACK:
        out->still_under_attack = true;
        return CLIENT_OK;
    case OPTION_MITIGATED:
        out->mitigated = true;
        return CLIENT_OK;
    case OPTION_CONTENT:
        out->content = optarg;
        return CLIENT_OK;
    case 'v':
        out->verbose = true;
        return CLIENT_OK;
    case OPTION_PROTOCOL:
    case 'l':
    case 'n':
    case 't':
        return parse_number_option(option, optarg, out);
    default:
        return CLIENT_USAGE;
    }
}

static const struct {
    const char *first, *second;
    enum client_operation operation;
    bool id_required;
} commands[] = {
    {"put", NULL, CLIENT_PUT, true},
    {"efficacy", NULL, CLIENT_EFFICACY, true},
    {"get", NULL, CLIENT_GET, false},
    {"observe", NULL, CLIENT_OBSERVE, false},
    {"delete", NULL, CLIENT_DELETE, true},
    {"config", "get", CLIENT_CONFIG_GET, false},
    {"config", "put", CLIENT_CONFIG_PUT, true},
    {"config", "delete", CLIENT_CONFIG_DELETE, false},
    {"hb", NULL, CLIENT_HB, false},
    {"hold", NULL, CLIENT_HOLD, false},
};

static int parse_command(int count, char **words, struct client_options *out)
{
    size_t i = 0, most = sizeof(commands) / sizeof(commands[0]);
    int used = 1;
    long long id;

    if (count == 0)
        return wrong("a command is missing", "dots-client");
    while (i < most && (strcmp(commands[i].first, words[0]) != 0 ||
                        (commands[i].second && (count < 2 || strcmp(commands[i].second, words[1]) != 0))))
        i++;
    if (i == most)
        return wrong("no such command", words[0]);
    out->operation = commands[i].operation;
    used += commands[i].second != NULL;
    if (used < count && out->operation != CLIENT_HB && out->operation != CLIENT_HOLD) {
        if (!number(words[used], 0, UINT32_MAX, &id))
            return wrong("a mid or sid is a number from 0 to 4294967295", words[used]);
        out->has_id = true;
        out->id = (uint32_t)id;
        used++;
    }
    if (commands[i].id_required && !out->has_id)
        return wrong("it needs a mid (config: a sid)", words[0]);
    if (used < count &&
        (out->operation == CLIENT_PUT || out->operation == CLIENT_EFFICACY || out->operation == CLIENT_CONFIG_PUT))
        out->file = words[used++];
    if (used < count)
        return wrong("not expected here", words[used]);
    return CLIENT_OK;
}

static int check(const struct client_options *options)
{
    bool psk = options->psk_identity || options->psk_key_file;

    if (!options->host[0])
        return wrong("name the server", "--server");
    if (psk && (!options->psk_identity || !options->psk_key_file))
        return wrong("a pre-shared key needs both --psk-identity and --psk-key-file", "--psk-identity");
    if (!psk && (!options->certificate || !options->private_key || !options->trust_anchors))
        return wrong("give --cert, --key and --ca, or --psk-identity and --psk-key-file", "credentials");
    if (options->content && (strlen(options->content) != 1 || !strchr("acn", options->content[0])))
        return wrong("content is a, c or n", options->content);
    return CLIENT_OK;
}

int client_parse(int argc, char **argv, struct client_options *out)
{
    int option, status;

    memset(out, 0, sizeof(*out));
    out->transports = DOTS_UDP | DOTS_TCP;
    out->timeout = 10;
    out->lifetime = 3600;
    while ((option = getopt_long(argc, argv, "s:a:T:c:k:C:u:K:i:p:f:l:n:t:vh", long_options, NULL)) != -1) {
        if (option == 'h') {
            fputs(help, stdout);
            return -1;
        }
        status = parse_option(option, out);
        if (status != CLIENT_OK)
            return status;
    }
    status = parse_command(argc - optind, argv + optind, out);
    return status == CLIENT_OK ? check(out) : status;
}
