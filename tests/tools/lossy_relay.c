/*
 * lossy_relay: a bad path for UDP datagrams, between those who send to it and one target.
 *
 * Words: a *mapping* is what a NAT keeps: one client's address and the socket that stands for it at
 * the target; *forward* is towards the target, *back* towards clients. Each mapping draws its own
 * random numbers from the seed, so what happens to the nth datagram of the mth client is the same in
 * every run. The target's ICMP errors are not passed on: a dead target is a silent one.
 *
 * links: uv
 */

#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#define DATAGRAM_MAX 65536
#define MAPPINGS_MAX 4096
#define COMMAND_MAX 256
#define REORDER_MS 20 /* a datagram that is overtaken waits for this long */

static const char help[] =
    "usage: lossy_relay -l ADDRESS:PORT -t ADDRESS:PORT [options]\n"
    "\n"
    "  -l, --listen ADDRESS:PORT   port 0: any; the first line of output says which\n"
    "  -t, --target ADDRESS:PORT\n"
    "      --loss P                probability of loss each way, 0 to 1\n"
    "      --loss-forward P        towards the target only\n"
    "      --loss-back P           towards clients only\n"
    "      --duplicate P           probability that a datagram arrives twice\n"
    "      --reorder P             probability that one is overtaken by those of the next 20 ms\n"
    "      --delay MS              each way\n"
    "      --jitter MS             and up to so much more\n"
    "      --seed N\n"
    "\n"
    "Standard input takes the same words while it runs: \"loss 1\", \"loss-back 0.4\", \"delay 50\", ...;\n"
    "\"rebind\" (every mapping gets a new socket, as when a NAT restarts) and \"counts\". Each line is\n"
    "answered with the counts as one JSON object. Its end, or SIGTERM, ends the relay.\n";

enum { FORWARD, BACK };

struct weather {
    double loss[2], duplicate, reorder;
    uint64_t delay_ms, jitter_ms, seed;
};

struct counts {
    uint64_t seen, dropped, duplicated;
};

struct mapping {
    struct mapping *next;
    struct relay *relay;
    struct sockaddr_storage client;
    uv_udp_t *socket;   /* connected to the target; NULL: could not be made */
    uint64_t random[2]; /* state, by direction */
};

struct relay {
    uv_loop_t loop;
    uv_udp_t front;
    struct sockaddr_storage target;
    uv_pipe_t input;
    uv_signal_t signals[3];
    struct weather weather;
    struct counts counts[2];
    struct mapping *mappings;
    unsigned mapping_count;
    char listens[64], command[COMMAND_MAX];
    size_t command_length;
    char datagram[DATAGRAM_MAX];
};

/* A datagram under way. */
struct parcel {
    uv_timer_t timer;
    struct mapping *mapping;
    int direction;
    size_t length;
    char bytes[];
};

/* ---- Addresses ---- */

static int parse_address(const char *text, struct sockaddr_storage *out)
{
    char host[64];
    const char *colon = strrchr(text, ':');
    char *end;
    long port = colon ? strtol(colon + 1, &end, 10) : -1;
    size_t length = colon ? (size_t)(colon - text) : 0;

    if (port < 0 || port > 65535 || end == colon + 1 || *end != '\0' || length == 0 || length >= sizeof(host))
        return -1;
    if (text[0] == '[' && text[length - 1] == ']') {
        text++;
        length -= 2;
    }
    memcpy(host, text, length);
    host[length] = '\0';
    if (uv_ip4_addr(host, (int)port, (struct sockaddr_in *)out) == 0)
        return 0;
    return uv_ip6_addr(host, (int)port, (struct sockaddr_in6 *)out);
}

static bool same_address(const struct sockaddr *a, const struct sockaddr *b)
{
    if (a->sa_family != b->sa_family)
        return false;
    if (a->sa_family == AF_INET) {
        const struct sockaddr_in *x = (const struct sockaddr_in *)a, *y = (const struct sockaddr_in *)b;

        return x->sin_port == y->sin_port && x->sin_addr.s_addr == y->sin_addr.s_addr;
    }
    const struct sockaddr_in6 *x = (const struct sockaddr_in6 *)a, *y = (const struct sockaddr_in6 *)b;

    return x->sin6_port == y->sin6_port && memcmp(&x->sin6_addr, &y->sin6_addr, sizeof(x->sin6_addr)) == 0;
}

static void format_listening(struct relay *relay)
{
    struct sockaddr_storage address;
    int length = sizeof(address);
    char host[48] = "";
    unsigned port;

    uv_udp_getsockname(&relay->front, (struct sockaddr *)&address, &length);
    uv_ip_name((struct sockaddr *)&address, host, sizeof(host));
    if (address.ss_family == AF_INET)
        port = ntohs(((struct sockaddr_in *)&address)->sin_port);
    else
        port = ntohs(((struct sockaddr_in6 *)&address)->sin6_port);
    snprintf(relay->listens, sizeof(relay->listens), address.ss_family == AF_INET ? "%s:%u" : "[%s]:%u", host, port);
}

static void print_counts(const struct relay *relay)
{
    static const char *const names[] = {"forward", "back"};

    printf("{\"listen\": \"%s\", \"mappings\": %u", relay->listens, relay->mapping_count);
    for (int i = FORWARD; i <= BACK; i++)
        printf(", \"%s\": {\"seen\": %" PRIu64 ", \"dropped\": %" PRIu64 ", \"duplicated\": %" PRIu64 "}", names[i],
               relay->counts[i].seen, relay->counts[i].dropped, relay->counts[i].duplicated);
    puts("}");
    fflush(stdout);
}

/* ---- Weather ---- */

/* splitmix64 */
static uint64_t draw(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static double chance(uint64_t *state)
{
    return (double)(draw(state) >> 11) / 9007199254740992.0;
}

static void send_now(struct mapping *mapping, int direction, char *bytes, size_t length)
{
    uv_buf_t buffer = uv_buf_init(bytes, (unsigned)length);

    /* What the kernel does not take is lost: that is what a network does. */
    if (direction == BACK)
        uv_udp_try_send(&mapping->relay->front, &buffer, 1, (struct sockaddr *)&mapping->client);
    else if (mapping->socket)
        uv_udp_try_send(mapping->socket, &buffer, 1, NULL);
}

static void parcel_free(uv_handle_t *handle)
{
    free(handle->data);
}

static void arrive(uv_timer_t *timer)
{
    struct parcel *parcel = timer->data;

    send_now(parcel->mapping, parcel->direction, parcel->bytes, parcel->length);
    uv_close((uv_handle_t *)timer, parcel_free);
}

static void send_later(struct mapping *mapping, int direction, const char *bytes, size_t length, uint64_t delay_ms)
{
    struct parcel *parcel = malloc(sizeof(*parcel) + length);

    if (!parcel)
        return;
    parcel->mapping = mapping;
    parcel->direction = direction;
    parcel->length = length;
    memcpy(parcel->bytes, bytes, length);
    uv_timer_init(&mapping->relay->loop, &parcel->timer);
    parcel->timer.data = parcel;
    uv_timer_start(&parcel->timer, arrive, delay_ms, 0);
}

static void pass(struct mapping *mapping, int direction, char *bytes, size_t length)
{
    struct relay *relay = mapping->relay;
    const struct weather *weather = &relay->weather;
    struct counts *counts = &relay->counts[direction];
    uint64_t *random = &mapping->random[direction];
    /* Always as many draws: other probabilities do not change what the rest of the numbers are used for. */
    double lost = chance(random), twice = chance(random), overtaken = chance(random);
    double jitter[2] = {chance(random), chance(random)};

    counts->seen++;
    if (lost < weather->loss[direction]) {
        counts->dropped++;
        return;
    }
    int copies = twice < weather->duplicate ? 2 : 1;
    counts->duplicated += copies == 2;
    for (int i = 0; i < copies; i++) {
        uint64_t delay_ms = weather->delay_ms + (uint64_t)(jitter[i] * (double)weather->jitter_ms) +
                            (overtaken < weather->reorder ? REORDER_MS : 0);

        if (delay_ms == 0)
            send_now(mapping, direction, bytes, length);
        else
            send_later(mapping, direction, bytes, length, delay_ms);
    }
}

/* ---- Sockets ---- */

static void allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    struct relay *relay = handle->loop->data;

    (void)suggested;
    *buffer = uv_buf_init(relay->datagram, sizeof(relay->datagram));
}

static void socket_free(uv_handle_t *handle)
{
    free(handle);
}

static void from_target(uv_udp_t *socket, ssize_t length, const uv_buf_t *buffer, const struct sockaddr *source,
                        unsigned flags)
{
    (void)flags;
    if (length > 0 && source)
        pass(socket->data, BACK, buffer->base, (size_t)length);
}

static void mapping_bind(struct mapping *mapping)
{
    struct relay *relay = mapping->relay;
    uv_udp_t *socket = malloc(sizeof(*socket));

    if (mapping->socket)
        uv_close((uv_handle_t *)mapping->socket, socket_free);
    mapping->socket = NULL;
    if (!socket)
        return;
    uv_udp_init(&relay->loop, socket);
    socket->data = mapping;
    if (uv_udp_connect(socket, (struct sockaddr *)&relay->target) != 0 ||
        uv_udp_recv_start(socket, allocate, from_target) != 0) {
        uv_close((uv_handle_t *)socket, socket_free);
        return;
    }
    mapping->socket = socket;
}

static struct mapping *mapping_of(struct relay *relay, const struct sockaddr *client)
{
    struct mapping *mapping = relay->mappings;

    while (mapping && !same_address((struct sockaddr *)&mapping->client, client))
        mapping = mapping->next;
    if (mapping || relay->mapping_count == MAPPINGS_MAX)
        return mapping;
    mapping = calloc(1, sizeof(*mapping));
    if (!mapping)
        return NULL;
    mapping->relay = relay;
    memcpy(&mapping->client, client,
           client->sa_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6));
    for (int i = FORWARD; i <= BACK; i++) {
        uint64_t seed = relay->weather.seed;

        mapping->random[i] = draw(&seed) + 2 * relay->mapping_count + (uint64_t)i;
        mapping->random[i] = draw(&mapping->random[i]);
    }
    mapping_bind(mapping);
    mapping->next = relay->mappings;
    relay->mappings = mapping;
    relay->mapping_count++;
    return mapping;
}

static void from_client(uv_udp_t *front, ssize_t length, const uv_buf_t *buffer, const struct sockaddr *source,
                        unsigned flags)
{
    struct mapping *mapping;

    (void)flags;
    if (length <= 0 || !source)
        return;
    mapping = mapping_of(front->loop->data, source);
    if (mapping)
        pass(mapping, FORWARD, buffer->base, (size_t)length);
}

/* ---- Settings, from the command line and from standard input ---- */

static int set(struct weather *weather, const char *name, const char *value)
{
    char *end;
    double number = strtod(value, &end);

    if (end == value || *end != '\0' || !(number >= 0))
        return -1;
    if (strcmp(name, "loss") == 0)
        weather->loss[FORWARD] = weather->loss[BACK] = number;
    else if (strcmp(name, "loss-forward") == 0)
        weather->loss[FORWARD] = number;
    else if (strcmp(name, "loss-back") == 0)
        weather->loss[BACK] = number;
    else if (strcmp(name, "duplicate") == 0)
        weather->duplicate = number;
    else if (strcmp(name, "reorder") == 0)
        weather->reorder = number;
    else if (strcmp(name, "delay") == 0 && number <= 60000)
        weather->delay_ms = (uint64_t)number;
    else if (strcmp(name, "jitter") == 0 && number <= 60000)
        weather->jitter_ms = (uint64_t)number;
    else if (strcmp(name, "seed") == 0 && number <= 4294967295.0)
        weather->seed = (uint64_t)number;
    else
        return -1;
    return 0;
}

static void run_command(struct relay *relay, char *line)
{
    char *name = strtok(line, " \r"), *value = strtok(NULL, " \r");

    if (name && strcmp(name, "rebind") == 0) {
        for (struct mapping *mapping = relay->mappings; mapping; mapping = mapping->next)
            mapping_bind(mapping);
    } else if (name && strcmp(name, "counts") != 0 && (!value || set(&relay->weather, name, value) != 0)) {
        fprintf(stderr, "lossy_relay: %s: not understood\n", name);
    }
    print_counts(relay);
}

static void end(struct relay *relay)
{
    print_counts(relay);
    uv_stop(&relay->loop);
}

static void input(uv_stream_t *stream, ssize_t length, const uv_buf_t *buffer)
{
    struct relay *relay = stream->data;

    if (length < 0) {
        end(relay);
        return;
    }
    for (ssize_t i = 0; i < length; i++) {
        if (buffer->base[i] == '\n') {
            relay->command[relay->command_length] = '\0';
            relay->command_length = 0;
            run_command(relay, relay->command);
        } else if (relay->command_length < COMMAND_MAX - 1) {
            relay->command[relay->command_length++] = buffer->base[i];
        }
    }
}

static void signalled(uv_signal_t *handle, int number)
{
    if (number == SIGUSR1)
        print_counts(handle->data);
    else
        end(handle->data);
}

static int parse(int argc, char **argv, struct relay *relay, struct sockaddr_storage *listen)
{
    static const struct option options[] = {
        {"listen", required_argument, NULL, 'l'},
        {"target", required_argument, NULL, 't'},
        {"loss", required_argument, NULL, 'o'},
        {"loss-forward", required_argument, NULL, 'o'},
        {"loss-back", required_argument, NULL, 'o'},
        {"duplicate", required_argument, NULL, 'o'},
        {"reorder", required_argument, NULL, 'o'},
        {"delay", required_argument, NULL, 'o'},
        {"jitter", required_argument, NULL, 'o'},
        {"seed", required_argument, NULL, 'o'},
        {NULL, 0, NULL, 0},
    };
    int option, index = 0;

    while ((option = getopt_long(argc, argv, "l:t:", options, &index)) != -1) {
        int status = option == 'l'   ? parse_address(optarg, listen)
                     : option == 't' ? parse_address(optarg, &relay->target)
                     : option == 'o' ? set(&relay->weather, options[index].name, optarg)
                                     : -1;

        if (status != 0)
            return -1;
    }
    return optind == argc && listen->ss_family && relay->target.ss_family ? 0 : -1;
}

int main(int argc, char **argv)
{
    static const int numbers[] = {SIGUSR1, SIGTERM, SIGINT};
    static struct relay relay;
    struct sockaddr_storage listen = {0};
    int status;

    if (parse(argc, argv, &relay, &listen) != 0) {
        fputs(help, stderr);
        return 2;
    }
    uv_loop_init(&relay.loop);
    relay.loop.data = &relay;
    uv_udp_init(&relay.loop, &relay.front);
    status = uv_udp_bind(&relay.front, (struct sockaddr *)&listen, 0);
    if (status != 0 || uv_udp_recv_start(&relay.front, allocate, from_client) != 0) {
        fprintf(stderr, "lossy_relay: cannot listen: %s\n", uv_strerror(status));
        return 1;
    }
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        uv_signal_init(&relay.loop, &relay.signals[i]);
        relay.signals[i].data = &relay;
        uv_signal_start(&relay.signals[i], signalled, numbers[i]);
    }
    uv_pipe_init(&relay.loop, &relay.input, 0);
    relay.input.data = &relay;
    if (uv_pipe_open(&relay.input, STDIN_FILENO) != 0 ||
        uv_read_start((uv_stream_t *)&relay.input, allocate, input) != 0) {
        fputs("lossy_relay: standard input must be a pipe\n", stderr);
        return 1;
    }
    format_listening(&relay);
    print_counts(&relay);
    uv_run(&relay.loop, UV_RUN_DEFAULT);
    return 0; /* the system takes back sockets and memory */
}
