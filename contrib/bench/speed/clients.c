#include "clients.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE = 30, /* s, for a reply */ STACK = 256 * 1024, VSTREAM_BUFSIZE = 4096 /* Postfix's vstream.h */ };

struct options options = {
    .clients = 1, .seconds = 1, .fields = 12, .body = 4096,
    .mail_from = "carl@example.org", .from = "carl@example.org", .recipient = "you@example.net",
};

static double end_time;
static pthread_barrier_t ready, started;

_Noreturn void fail(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    _exit(1);
}

static void *allocate(void *old, size_t octets)
{
    void *new = realloc(old, octets);

    if (!new)
        fail("no memory");
    return new;
}

/* ---------------------------------------------------------------------------------------------------------- options */

void read_options(int count, char **arguments, const char *usage)
{
    static const struct option known[] = {
        {"clients", required_argument, 0, 'c'}, {"messages", required_argument, 0, 'm'},
        {"seconds", required_argument, 0, 's'}, {"login", required_argument, 0, 'l'},
        {"mail-from", required_argument, 0, 'M'}, {"from", required_argument, 0, 'F'},
        {"fields", required_argument, 0, 'f'}, {"body", required_argument, 0, 'b'},
        {"source", required_argument, 0, 'S'}, {"refused", no_argument, 0, 'r'},
        {"sender", required_argument, 0, 'a'}, {"hold", no_argument, 0, 'h'}, {0, 0, 0, 0},
    };
    int letter;

    while ((letter = getopt_long(count, arguments, "", known, 0)) != -1)
        switch (letter) {
        case 'c': options.clients = atoi(optarg); break;
        case 'm': options.messages = atol(optarg); break;
        case 's': options.seconds = atof(optarg); break;
        case 'l': options.login = optarg; break;
        case 'M': options.mail_from = optarg; break;
        case 'F': options.from = optarg; break;
        case 'f': options.fields = atoi(optarg); break;
        case 'b': options.body = atoi(optarg); break;
        case 'S': options.source = optarg; break;
        case 'r': options.refused = true; break;
        case 'a': options.sender = optarg; break;
        case 'h': options.hold = true; break;
        default: fail("%s", usage);
        }
    if (optind != count - 1 || options.clients < 1 || options.fields < 2 || options.body < 0)
        fail("%s", usage);
    options.target = arguments[optind];
}

/* ---------------------------------------------------------------------------------------------------------- message */

void field(int number, const char **name, const char **value)
{
    static const char *const usual[][2] = {
        {"Received", "from client.example.org by relay.example.org; Sat, 21 Nov 2026 20:59:58 +0000"},
        {"From", 0}, {"To", "you@example.net"}, {"Subject", "A message of usual length"},
        {"Date", "Sat, 21 Nov 2026 21:00:00 +0000"}, {"Message-ID", "<1@example.org>"}, {"MIME-Version", "1.0"},
        {"Content-Type", "text/plain; charset=utf-8"}, {"Content-Transfer-Encoding", "7bit"},
        {"User-Agent", "a load generator"}, {"Content-Language", "en"}, {"X-Priority", "3"},
    };

    if (number < (int)(sizeof usual / sizeof *usual)) {
        *name = usual[number][0];
        *value = usual[number][1] ? usual[number][1] : options.from;
    } else {
        *name = "X-Further";
        *value = "a value of usual length, about sixty octets, as many fields have";
    }
}

const char *body(void)
{
    static const char line[] = "A line of text, as people write it, and about as long as that.\r\n";
    char *octets = allocate(0, options.body + 1);

    for (int i = 0; i < options.body; i++)
        octets[i] = line[i % (sizeof line - 1)];
    if (options.body >= 2)
        memcpy(octets + options.body - 2, "\r\n", 2);
    octets[options.body] = 0;
    return octets;
}

/* ---------------------------------------------------------------------------------------------------------- clients */

double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1e6 + time.tv_nsec / 1e3;
}

void start_together(void)
{
    pthread_barrier_wait(&ready);
    pthread_barrier_wait(&started);
}

bool time_left(void)
{
    return now() < end_time;
}

void record(struct client *client, double begun)
{
    if (client->messages == client->room) {
        client->room = client->room ? 2 * client->room : 1024;
        client->taken = allocate(client->taken, client->room * sizeof *client->taken);
    }
    client->taken[client->messages++] = now() - begun;
}

static int compare(const void *left, const void *right)
{
    float a = *(const float *)left, b = *(const float *)right;

    return (a > b) - (a < b);
}

/* All clients' messages, from the quickest to the slowest; adds them up in the first client. */
static float *sort(struct client *clients)
{
    struct client *all = &clients[0];
    float *taken;
    long messages = 0;

    for (int i = 0; i < options.clients; i++)
        messages += clients[i].messages;
    taken = allocate(0, (messages + 1) * sizeof *taken);
    messages = 0;
    for (int i = 0; i < options.clients; i++) {
        memcpy(taken + messages, clients[i].taken, clients[i].messages * sizeof *taken);
        messages += clients[i].messages;
        if (i > 0) {
            all->connections += clients[i].connections;
            all->replies += clients[i].replies;
            all->modifications += clients[i].modifications;
        }
    }
    all->messages = messages;
    qsort(taken, messages, sizeof *taken, compare);
    return taken;
}

static void report(struct client *clients, double seconds)
{
    float *taken = sort(clients);
    long messages = clients->messages;

    if (messages == 0)
        fail("no message was sent");
    printf("{\"messages\": %ld, \"seconds\": %.6f, \"rate\": %.2f, \"p50\": %.2f, \"p99\": %.2f, \"max\": %.2f, "
           "\"connections\": %ld, \"replies\": %ld, \"modifications\": %ld}\n",
           messages, seconds, messages / seconds, taken[messages / 2], taken[messages * 99 / 100], taken[messages - 1],
           clients->connections, clients->replies, clients->modifications);
}

static void (*run)(struct client *);

static void *run_one(void *client)
{
    run(client);
    return 0;
}

void run_clients(void (*client)(struct client *))
{
    struct client *clients = allocate(0, options.clients * sizeof *clients);
    pthread_t *threads = allocate(0, options.clients * sizeof *threads);
    pthread_attr_t attributes;
    double begun;

    run = client;
    memset(clients, 0, options.clients * sizeof *clients);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK);
    pthread_barrier_init(&ready, 0, options.clients + 1);
    pthread_barrier_init(&started, 0, options.clients + 1);
    for (int i = 0; i < options.clients; i++)
        if (pthread_create(&threads[i], &attributes, run_one, &clients[i]))
            fail("no thread for client %d", i);
    pthread_barrier_wait(&ready);
    begun = now();
    end_time = begun + options.seconds * 1e6;
    pthread_barrier_wait(&started);
    for (int i = 0; i < options.clients; i++)
        pthread_join(threads[i], 0);
    report(clients, (now() - begun) / 1e6);
}

/* ------------------------------------------------------------------------------------------------------ connections */

static int dial_unix(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int descriptor = socket(AF_UNIX, SOCK_STREAM, 0);

    if (strlen(path) >= sizeof address.sun_path)
        fail("%s is too long for a socket", path);
    strcpy(address.sun_path, path);
    if (descriptor < 0 || connect(descriptor, (struct sockaddr *)&address, sizeof address))
        fail("%s: %s", path, strerror(errno));
    return descriptor;
}

static void bind_source(int descriptor)
{
    struct sockaddr_in source = {.sin_family = AF_INET};
    int late = 1; /* the port is chosen when the destination is known: more than one may use it */

    if (inet_pton(AF_INET, options.source, &source.sin_addr) != 1)
        fail("%s is no address", options.source);
    setsockopt(descriptor, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &late, sizeof late);
    if (bind(descriptor, (struct sockaddr *)&source, sizeof source))
        fail("%s: %s", options.source, strerror(errno));
}

static int dial_inet(const char *target)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    char host[INET_ADDRSTRLEN];
    int port, descriptor = socket(AF_INET, SOCK_STREAM, 0);

    if (sscanf(target, "%15[0-9.]:%d", host, &port) != 2 || inet_pton(AF_INET, host, &address.sin_addr) != 1)
        fail("%s is not ADDRESS:PORT", target);
    address.sin_port = htons(port);
    if (options.source)
        bind_source(descriptor);
    if (descriptor < 0 || connect(descriptor, (struct sockaddr *)&address, sizeof address))
        fail("%s: %s", target, strerror(errno));
    return descriptor;
}

/* Postfix takes a buffer of twice the MSS over TCP (vstream_tweak_tcp), for it leaves Nagle's algorithm on. */
static size_t buffer_size(int descriptor)
{
    int segment = 0;
    socklen_t length = sizeof segment;

    if (getsockopt(descriptor, IPPROTO_TCP, TCP_MAXSEG, &segment, &length) || 2 * segment < VSTREAM_BUFSIZE)
        return VSTREAM_BUFSIZE;
    return 2 * segment;
}

void open_stream(struct stream *stream, const char *target)
{
    struct timeval patience = {.tv_sec = PATIENCE};

    if (strncmp(target, "unix:", 5) == 0)
        stream->descriptor = dial_unix(target + 5);
    else if (strncmp(target, "inet:", 5) == 0)
        stream->descriptor = dial_inet(target + 5);
    else
        fail("%s is neither unix:PATH nor inet:ADDRESS:PORT", target);
    setsockopt(stream->descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    stream->size = buffer_size(stream->descriptor);
    stream->output = allocate(stream->output, stream->size);
    stream->input = allocate(stream->input, stream->size);
    stream->written = stream->begin = stream->end = 0;
}

void close_stream(struct stream *stream)
{
    flush_stream(stream);
    close(stream->descriptor);
}

void flush_stream(struct stream *stream)
{
    for (size_t sent = 0; sent < stream->written;) {
        ssize_t count = send(stream->descriptor, stream->output + sent, stream->written - sent, MSG_NOSIGNAL);

        if (count < 0)
            fail("cannot send: %s", strerror(errno));
        sent += count;
    }
    stream->written = 0;
}

void write_stream(struct stream *stream, const void *octets, size_t count)
{
    while (count > 0) {
        size_t room = stream->size - stream->written, part = count < room ? count : room;

        memcpy(stream->output + stream->written, octets, part);
        stream->written += part;
        octets = (const char *)octets + part;
        count -= part;
        if (count > 0)
            flush_stream(stream);
    }
}

static void fill(struct stream *stream)
{
    ssize_t count;

    flush_stream(stream);
    count = recv(stream->descriptor, stream->input, stream->size, 0);
    if (count < 0)
        fail("no reply within %d s: %s", PATIENCE, strerror(errno));
    if (count == 0)
        fail("the other side hung up");
    stream->begin = 0;
    stream->end = count;
}

void read_stream(struct stream *stream, void *octets, size_t count)
{
    while (count > 0) {
        size_t part;

        if (stream->begin == stream->end)
            fill(stream);
        part = stream->end - stream->begin < count ? stream->end - stream->begin : count;
        memcpy(octets, stream->input + stream->begin, part);
        stream->begin += part;
        octets = (char *)octets + part;
        count -= part;
    }
}
