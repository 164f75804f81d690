/* milter [OPTION…] unix:PATH | inet:ADDRESS:PORT: messages straight to the socket of a milter, as Postfix 3.7 sends them.
 *
 * What goes over the wire, and in which writes, is what milter8.c of Postfix does, and what strace(1) shows of it: macros
 * before each event, also before one that the filter does not want, in the same write; no waiting for replies that the
 * filter does not send; what smtpd(8) has buffered goes out when it hands the connection to cleanup(8), before the
 * header; what cleanup(8) sends goes out when a reply is waited for. Unlike Postfix, one process does both, and waits in
 * read(2) instead of poll(2): that costs less, and the less it costs, the more is seen of the filter.
 */
#include "clients.h"

#include <arpa/inet.h>
#include <libmilter/mfdef.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "milter [--clients=N] [--messages=N] [--seconds=S] [--login=LOGIN] [--mail-from=ADDRESS] [--from=ADDRESS]\n"
    "       [--fields=N] [--body=OCTETS] [--refused | --sender=ADDRESS] [--hold] unix:PATH | inet:ADDRESS:PORT";

/* What Postfix 3.7 offers (milter8.c). */
enum {
    VERSION = 6,
    ACTIONS = 0x1ff,
    STEPS = 0x1fffff,
    UNANSWERED = SMFIP_NR_CONN | SMFIP_NR_HELO | SMFIP_NR_MAIL | SMFIP_NR_RCPT | SMFIP_NR_DATA | SMFIP_NR_UNKN |
                 SMFIP_NR_HDR | SMFIP_NR_EOH | SMFIP_NR_BODY,
    LARGEST_REPLY = 65536,
};

struct packet {
    char *octets;
    size_t length;
};

struct connection {
    struct stream stream;
    uint32_t steps;  /* that the filter has negotiated */
    char skipped;    /* the filter has seen enough of these events */
    char verdict;    /* the reply that ended the message; 0 before */
    int code;        /* of SMTP, of a refusal */
    int modifications;
    bool has_sender; /* one of them sets the Sender that is wanted */
    struct client *client;
};

/* An event: its command, how the filter says that it does not want it or does not answer it, its macros and its text. */
struct event {
    char command;
    uint32_t unwanted, unanswered;
    struct packet macros, text;
};

static struct event connect_event, helo, mail, recipient, data, end_of_header, end_of_message;
static struct event *header[2], *chunks; /* the header as it is sent without and with its leading space */
static int chunk_count;
static pthread_barrier_t held, released;

/* ---------------------------------------------------------------------------------------------------------- packets */

/* A packet: length and command (mfdef.h), and what follows. */
static struct packet packet(char command, const void *octets, size_t count)
{
    uint32_t length = htonl(count + 1);
    struct packet made = {malloc(count + 5), count + 5};

    if (!made.octets)
        fail("no memory");
    memcpy(made.octets, &length, 4);
    made.octets[4] = command;
    memcpy(made.octets + 5, octets, count);
    return made;
}

/* A packet with the octets before, and then the strings, each with its NUL; the last of them is a null pointer. */
static struct packet strings(char command, const char *before, size_t count, const char *const *texts)
{
    char octets[2048];

    memcpy(octets, before, count);
    for (; *texts; texts++) {
        size_t length = strlen(*texts) + 1;

        if (count + length > sizeof octets)
            fail("too long for a packet: %s", *texts);
        memcpy(octets + count, *texts, length);
        count += length;
    }
    return packet(command, octets, count);
}

#define TEXTS(...) (const char *const[]){__VA_ARGS__ __VA_OPT__(,) 0}

static struct event event(char command, uint32_t unwanted, uint32_t unanswered, const char *const *macros,
                          struct packet text)
{
    return (struct event){command, unwanted, unanswered, strings(SMFIC_MACRO, &command, 1, macros), text};
}

static const char *in_brackets(const char *address)
{
    char *path = malloc(strlen(address) + 3);

    if (!path)
        fail("no memory");
    sprintf(path, "<%s>", address);
    return path;
}

static const char *domain(const char *address)
{
    const char *at = strrchr(address, '@');

    return at ? at + 1 : "";
}

#define QUEUE_ID TEXTS("i", "4jX51g51BMz1V0gX")

static void prepare_envelope(void)
{
    /* A name, then the family, the port and the address. */
    static const char client[] = "client.example.org\0" "4\x9c\x40" "192.0.2.55";
    const char *const *sender =
        TEXTS("{auth_type}", "PLAIN", "{auth_authen}", options.login, "{mail_addr}", options.mail_from, "{mail_host}",
              domain(options.mail_from), "{mail_mailer}", "discard");

    connect_event = event(SMFIC_CONNECT, SMFIP_NOCONNECT, SMFIP_NR_CONN,
                          TEXTS("j", "mail.example.org", "{daemon_name}", "mail.example.org", "{daemon_addr}",
                                "127.0.0.1", "v", "Postfix 3.7.11", "_", "client.example.org [192.0.2.55]"),
                          packet(SMFIC_CONNECT, client, sizeof client));
    helo = event(SMFIC_HELO, SMFIP_NOHELO, SMFIP_NR_HELO, TEXTS(),
                 strings(SMFIC_HELO, "", 0, TEXTS("client.example.org")));
    /* Without a login, the macros of the login are not sent. */
    mail = event(SMFIC_MAIL, SMFIP_NOMAIL, SMFIP_NR_MAIL, options.login ? sender : sender + 4,
                 strings(SMFIC_MAIL, "", 0, TEXTS(in_brackets(options.mail_from))));
    recipient = event(SMFIC_RCPT, SMFIP_NORCPT, SMFIP_NR_RCPT,
                      TEXTS("{rcpt_addr}", options.recipient, "{rcpt_host}", domain(options.recipient),
                            "{rcpt_mailer}", "discard"),
                      strings(SMFIC_RCPT, "", 0, TEXTS(in_brackets(options.recipient))));
    data = event(SMFIC_DATA, SMFIP_NODATA, SMFIP_NR_DATA, QUEUE_ID, packet(SMFIC_DATA, "", 0));
}

static void prepare_header(void)
{
    for (int spaced = 0; spaced < 2; spaced++) {
        header[spaced] = calloc(options.fields, sizeof *header[spaced]);
        for (int i = 0; i < options.fields; i++) {
            const char *name, *value;
            char with_space[1024];

            field(i, &name, &value);
            snprintf(with_space, sizeof with_space, " %s", value);
            header[spaced][i] = event(SMFIC_HEADER, SMFIP_NOHDRS, SMFIP_NR_HDR, QUEUE_ID,
                                      strings(SMFIC_HEADER, "", 0, TEXTS(name, spaced ? with_space : value)));
        }
    }
    end_of_header = event(SMFIC_EOH, SMFIP_NOEOH, SMFIP_NR_EOH, QUEUE_ID, packet(SMFIC_EOH, "", 0));
}

static void prepare_body(void)
{
    const char *octets = body();

    chunk_count = (options.body + MILTER_CHUNK_SIZE - 1) / MILTER_CHUNK_SIZE;
    chunks = calloc(chunk_count + 1, sizeof *chunks);
    for (int i = 0; i < chunk_count; i++) {
        int begin = i * MILTER_CHUNK_SIZE, rest = options.body - begin;

        chunks[i] = event(SMFIC_BODY, SMFIP_NOBODY, SMFIP_NR_BODY, QUEUE_ID,
                          packet(SMFIC_BODY, octets + begin, rest < MILTER_CHUNK_SIZE ? rest : MILTER_CHUNK_SIZE));
    }
    end_of_message = event(SMFIC_BODYEOB, 0, 0, QUEUE_ID, packet(SMFIC_BODYEOB, "", 0));
}

/* ---------------------------------------------------------------------------------------------------------- replies */

static void write_packet(struct connection *connection, struct packet packet)
{
    write_stream(&connection->stream, packet.octets, packet.length);
}

static void write_command(struct connection *connection, char command)
{
    char octets[5] = {0, 0, 0, 1, command};

    write_stream(&connection->stream, octets, sizeof octets);
}

/* A reply, with a NUL behind it. Returns its command. */
static char read_reply(struct connection *connection, char *octets, size_t *count)
{
    uint32_t length;
    char command;

    read_stream(&connection->stream, &length, 4);
    length = ntohl(length);
    if (length < 1 || length >= LARGEST_REPLY)
        fail("a reply of %u octets", length);
    read_stream(&connection->stream, &command, 1);
    read_stream(&connection->stream, octets, length - 1);
    octets[length - 1] = 0;
    *count = length - 1;
    return command;
}

/* A field that is added, changed or inserted: the latter two have a number before the name. */
static bool sets_wanted_sender(char command, const char *octets, size_t count)
{
    static const char changes[] = {SMFIR_ADDHEADER, SMFIR_CHGHEADER, SMFIR_INSHEADER, 0};
    size_t number = command == SMFIR_ADDHEADER ? 0 : 4;
    const char *name = octets + number, *end = octets + count, *value;

    if (!options.sender || !strchr(changes, command) || name >= end)
        return false;
    value = name + strlen(name) + 1;
    return strcmp(name, "Sender") == 0 && value < end && strstr(value, options.sender);
}

static void take_modification(struct connection *connection, char command, const char *octets, size_t count)
{
    static const char known[] = {SMFIR_ADDHEADER, SMFIR_CHGHEADER, SMFIR_INSHEADER, SMFIR_REPLBODY, SMFIR_ADDRCPT,
                                 SMFIR_ADDRCPT_PAR, SMFIR_DELRCPT, SMFIR_CHGFROM, SMFIR_QUARANTINE, 0};

    if (!strchr(known, command))
        fail("reply '%c' (%d) is no modification", command, command);
    connection->modifications++;
    connection->has_sender = connection->has_sender || sets_wanted_sender(command, octets, count);
}

static void take_replies(struct connection *connection, char event)
{
    char octets[LARGEST_REPLY], command;
    size_t count;

    for (;;) {
        command = read_reply(connection, octets, &count);
        switch (command) {
        case SMFIR_PROGRESS:
            continue;
        case SMFIR_CONTINUE:
            connection->client->replies++;
            if (event == SMFIC_BODYEOB)
                connection->verdict = command;
            return;
        case SMFIR_SKIP:
            connection->client->replies++;
            connection->skipped = event;
            return;
        case SMFIR_REPLYCODE:
            connection->code = atoi(octets);
            /* fall through */
        case SMFIR_ACCEPT:
        case SMFIR_REJECT:
        case SMFIR_TEMPFAIL:
        case SMFIR_DISCARD:
            connection->client->replies++;
            connection->verdict = command;
            return;
        default:
            if (event != SMFIC_BODYEOB)
                fail("reply '%c' (%d) to '%c'", command, command, event);
            take_modification(connection, command, octets, count);
        }
    }
}

/* --------------------------------------------------------------------------------------------------------- messages */

/* As milter8_event() of Postfix. */
static void tell(struct connection *connection, const struct event *event)
{
    if (connection->verdict || connection->skipped == event->command)
        return;
    connection->skipped = 0;
    write_packet(connection, event->macros);
    if (connection->steps & event->unwanted)
        return;
    write_packet(connection, event->text);
    if (!(connection->steps & event->unanswered))
        take_replies(connection, event->command);
}

static void negotiate(struct connection *connection)
{
    uint32_t offer[3] = {htonl(VERSION), htonl(ACTIONS), htonl(options.hold ? STEPS & ~UNANSWERED : STEPS)};
    char octets[LARGEST_REPLY], command;
    struct packet asked = packet(SMFIC_OPTNEG, offer, sizeof offer);
    size_t count;

    write_packet(connection, asked);
    free(asked.octets);
    command = read_reply(connection, octets, &count);
    if (command != SMFIC_OPTNEG || count < sizeof offer)
        fail("reply '%c' to the negotiation", command);
    memcpy(&connection->steps, octets + 8, 4);
    connection->steps = ntohl(connection->steps);
    if (connection->steps & ~ntohl(offer[2]))
        fail("the filter negotiates steps that were not offered: %#x", connection->steps);
}

static void open_connection(struct connection *connection)
{
    open_stream(&connection->stream, options.target);
    connection->client->connections++;
    connection->verdict = connection->skipped = 0;
    negotiate(connection);
    tell(connection, &connect_event);
    tell(connection, &helo);
    if (connection->verdict)
        fail("reply '%c' before the first message", connection->verdict);
}

/* SMTP's end of a message and of a session each bring an abort (smtpd.c). */
static void close_connection(struct connection *connection)
{
    write_command(connection, SMFIC_ABORT);
    write_command(connection, SMFIC_QUIT);
    close_stream(&connection->stream);
}

static void send_header(struct connection *connection)
{
    const struct event *fields = header[(connection->steps & SMFIP_HDR_LEADSPC) != 0];

    for (int i = 0; i < options.fields; i++)
        tell(connection, &fields[i]);
}

/* cleanup(8) knows of no end of the header and of no body where the filter does not want them, and sends no macros. */
static void send_content(struct connection *connection)
{
    if (!(connection->steps & SMFIP_NOEOH))
        tell(connection, &end_of_header);
    if (!(connection->steps & SMFIP_NOBODY))
        for (int i = 0; i < chunk_count; i++)
            tell(connection, &chunks[i]);
    tell(connection, &end_of_message);
}

static void check_verdict(const struct connection *connection)
{
    bool accepted = connection->verdict == SMFIR_CONTINUE || connection->verdict == SMFIR_ACCEPT;
    bool refused = connection->verdict == SMFIR_REPLYCODE && connection->code / 100 == 5;
    int modifications = options.sender ? 1 : 0;

    if (options.refused ? !refused : !accepted)
        fail("the verdict is '%c' (%d): this message should be %s", connection->verdict, connection->code,
             options.refused ? "refused" : "accepted");
    if (connection->modifications != modifications || connection->has_sender != !!options.sender)
        fail("%d modifications, %s the right Sender; there should be %d", connection->modifications,
             connection->has_sender ? "with" : "without", modifications);
}

static void send_message(struct connection *connection)
{
    connection->verdict = connection->skipped = 0;
    connection->code = connection->modifications = 0;
    connection->has_sender = false;
    tell(connection, &mail);
    tell(connection, &recipient);
    tell(connection, &data);
    /* A filter that has decided is not handed over. */
    if (!connection->verdict)
        flush_stream(&connection->stream);
    if (!(connection->steps & SMFIP_NOHDRS))
        send_header(connection);
    if (options.hold) {
        flush_stream(&connection->stream);
        pthread_barrier_wait(&held);
        pthread_barrier_wait(&released);
    }
    send_content(connection);
    check_verdict(connection);
    connection->client->modifications += connection->modifications;
    write_command(connection, SMFIC_ABORT);
}

static void send_messages(struct connection *connection, double begun)
{
    long sent = 0;

    do {
        send_message(connection);
        record(connection->client, begun);
        begun = now();
    } while (!options.hold && ++sent != options.messages && time_left());
    close_connection(connection);
}

/* One connection, which is open when the time begins; or one after the other, and each takes its part of the time: its
 * first message begins when it is opened. */
static void run_client(struct client *client)
{
    struct connection connection = {.client = client};
    double begun;

    if (options.messages == 0) {
        open_connection(&connection);
        start_together();
        send_messages(&connection, now());
        return;
    }
    start_together();
    do {
        begun = now();
        open_connection(&connection);
        send_messages(&connection, begun);
    } while (time_left());
}

/* Says when all clients are held, and releases them when the input ends. */
static void *hold(void *unused)
{
    (void)unused;
    pthread_barrier_wait(&held);
    puts("held");
    fflush(stdout);
    while (getchar() != EOF)
        ;
    pthread_barrier_wait(&released);
    return 0;
}

int main(int count, char **arguments)
{
    pthread_t holder;

    read_options(count, arguments, usage);
    prepare_envelope();
    prepare_header();
    prepare_body();
    if (options.hold) {
        pthread_barrier_init(&held, 0, options.clients + 1);
        pthread_barrier_init(&released, 0, options.clients + 1);
        pthread_create(&holder, 0, hold, 0);
    }
    run_clients(run_client);
}
