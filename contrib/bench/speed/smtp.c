/* smtp [OPTION…] inet:ADDRESS:PORT: messages through Postfix, with a login from XCLIENT. How long a message took is from
 * MAIL FROM to the reply after the final dot. */
#include "clients.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static const char usage[] = "smtp [--clients=N] [--seconds=S] [--login=LOGIN] [--mail-from=ADDRESS]\n"
                            "     [--from=ADDRESS] [--fields=N] [--body=OCTETS] [--source=ADDRESS] inet:ADDRESS:PORT";

static char *content;
static size_t content_length;

static void prepare_content(void)
{
    size_t room = options.fields * 1024 + options.body + 16;

    content = malloc(room);
    for (int i = 0; i < options.fields; i++) {
        const char *name, *value;

        field(i, &name, &value);
        content_length += snprintf(content + content_length, 1024, "%s: %s\r\n", name, value);
    }
    content_length += sprintf(content + content_length, "\r\n%s.\r\n", body());
}

/* A reply may have several lines; the last has no hyphen after its code. */
static void expect(struct stream *stream, const char *code)
{
    char line[1024];
    size_t length;

    do {
        length = 0;
        do {
            if (length == sizeof line - 1)
                fail("an endless line from Postfix");
            read_stream(stream, &line[length++], 1);
        } while (line[length - 1] != '\n');
        line[length] = 0;
        if (strncmp(line, code, 3) != 0)
            fail("Postfix answers %s instead of %s", line, code);
    } while (line[3] == '-');
}

static void command(struct stream *stream, const char *code, const char *verb, const char *argument, const char *end)
{
    write_stream(stream, verb, strlen(verb));
    write_stream(stream, argument, strlen(argument));
    write_stream(stream, end, strlen(end));
    expect(stream, code);
}

static void open_session(struct stream *stream)
{
    int at_once = 1;

    open_stream(stream, options.target);
    setsockopt(stream->descriptor, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once);
    expect(stream, "220");
    command(stream, "250", "EHLO ", "client.example.org", "\r\n");
    if (options.login) {
        command(stream, "220", "XCLIENT LOGIN=", options.login, "\r\n");
        command(stream, "250", "EHLO ", "client.example.org", "\r\n");
    }
}

static void send_message(struct stream *stream)
{
    command(stream, "250", "MAIL FROM:<", options.mail_from, ">\r\n");
    command(stream, "250", "RCPT TO:<", options.recipient, ">\r\n");
    command(stream, "354", "DATA", "", "\r\n");
    write_stream(stream, content, content_length);
    expect(stream, "250");
}

static void run_client(struct client *client)
{
    struct stream stream = {0};

    open_session(&stream);
    client->connections++;
    start_together();
    do {
        double begun = now();

        send_message(&stream);
        record(client, begun);
    } while (time_left());
    command(&stream, "221", "QUIT", "", "\r\n");
    close_stream(&stream);
}

int main(int count, char **arguments)
{
    read_options(count, arguments, usage);
    prepare_content();
    run_clients(run_client);
}
