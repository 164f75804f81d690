/* clients.h: what the two load generators share: clients that send one message after the other, each in a thread of its
 * own, until the time is up; a buffered connection; and what is reported. Any error ends the program with status 1: a run
 * in which something went wrong has no speed. */
#ifndef CLIENTS_H
#define CLIENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct client {
    long messages, connections, replies, modifications;
    float *taken; /* of each message, in microseconds */
    long room;
};

/* What to send, and what must come of it. */
struct options {
    int clients;
    long messages;     /* in a connection; 0: as many as fit into the time */
    double seconds;
    const char *login; /* none: nobody logs in */
    const char *mail_from, *from, *recipient;
    int fields;        /* of the header */
    int body;          /* octets */
    const char *source;
    const char *target;
    bool refused;       /* every message must be refused */
    const char *sender; /* every message must get this Sender, and no other modification; none: must not be modified */
    bool hold;          /* every client stops once after a header, until the input ends */
};

extern struct options options;

/* The options of the command line, or usage and the end. */
void read_options(int count, char **arguments, const char *usage);

/* Runs the clients and prints what they report, as JSON. */
void run_clients(void (*client)(struct client *));

/* To be called by each client once: returns when all have called it, and the time begins. */
void start_together(void);

/* Whether another message may be begun. */
bool time_left(void);

/* Microseconds of a clock that only goes forward. */
double now(void);

/* A message is done that was begun then. */
void record(struct client *client, double begun);

/* Ends the program with an error. */
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The field of the header with this number, and its value. */
void field(int number, const char **name, const char **value);

/* The body, in lines. */
const char *body(void);

/* ------------------------------------------------------------------------------------------------------ connections */

/* Both directions are buffered as vstream(3) of Postfix does it: what is written goes out when the buffer is full, or when
 * it is asked for more than has been read; one read takes what there is. */
struct stream {
    int descriptor;
    size_t size;
    unsigned char *output, *input;
    size_t written, begin, end;
};

/* Connects to unix:PATH or inet:ADDRESS:PORT. A stream that was closed keeps its buffers for the next time; the first time,
 * it must be all zero. */
void open_stream(struct stream *stream, const char *target);
void close_stream(struct stream *stream);
void write_stream(struct stream *stream, const void *octets, size_t count);
void flush_stream(struct stream *stream);
void read_stream(struct stream *stream, void *octets, size_t count);

#endif
