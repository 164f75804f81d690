/* yardstick SOCKET [last | sender]: a libmilter filter that negotiates away what can be negotiated away, and does nothing.
 *
 * SOCKET is written as libmilter has it: unix:PATH or inet:PORT@ADDRESS. Header fields are sent and not answered; MAIL and
 * the end of the message are answered; over TCP, DATA is too: without that answer, Nagle's algorithm and delayed
 * acknowledgements hold each message up for 40 ms.
 *
 * Two variants show what Postfix itself takes: with "last", MAIL is not answered either, and only the end of the message
 * is; with "sender", besides, each message gets a field.
 */
#include <libmilter/mfapi.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static unsigned long skipped;
static bool adds_sender;

static sfsistat negotiate(SMFICTX *context, unsigned long actions, unsigned long steps, unsigned long unused2,
                          unsigned long unused3, unsigned long *wanted_actions, unsigned long *wanted_steps,
                          unsigned long *wanted2, unsigned long *wanted3)
{
    (void)context, (void)unused2, (void)unused3;
    *wanted_actions = actions & (SMFIF_ADDHDRS | SMFIF_CHGHDRS);
    *wanted_steps = steps & skipped;
    *wanted2 = *wanted3 = 0;
    return SMFIS_CONTINUE;
}

static sfsistat connected(SMFICTX *context, char *host, _SOCK_ADDR *address)
{
    (void)context, (void)host, (void)address;
    return SMFIS_CONTINUE;
}

static sfsistat text(SMFICTX *context, char *argument)
{
    (void)context, (void)argument;
    return SMFIS_CONTINUE;
}

static sfsistat unknown(SMFICTX *context, const char *command)
{
    (void)context, (void)command;
    return SMFIS_CONTINUE;
}

static sfsistat mail(SMFICTX *context, char **arguments)
{
    (void)arguments;
    (void)smfi_getsymval(context, "{auth_authen}");
    return SMFIS_CONTINUE;
}

static sfsistat recipient(SMFICTX *context, char **arguments)
{
    (void)context, (void)arguments;
    return SMFIS_CONTINUE;
}

static sfsistat header(SMFICTX *context, char *name, char *value)
{
    (void)context, (void)name, (void)value;
    return SMFIS_CONTINUE;
}

static sfsistat body(SMFICTX *context, unsigned char *octets, size_t count)
{
    (void)context, (void)octets, (void)count;
    return SMFIS_CONTINUE;
}

static sfsistat nothing(SMFICTX *context)
{
    (void)context;
    return SMFIS_CONTINUE;
}

static sfsistat end_of_message(SMFICTX *context)
{
    if (adds_sender && smfi_addheader(context, "Sender", "Carl Clausen <carl@example.org>") != MI_SUCCESS)
        return SMFIS_TEMPFAIL;
    return SMFIS_CONTINUE;
}

int main(int count, char **arguments)
{
    struct smfiDesc filter = {
        .xxfi_name = "yardstick", .xxfi_version = SMFI_VERSION, .xxfi_flags = SMFIF_ADDHDRS | SMFIF_CHGHDRS,
        .xxfi_negotiate = negotiate, .xxfi_connect = connected, .xxfi_helo = text, .xxfi_envfrom = mail,
        .xxfi_envrcpt = recipient, .xxfi_data = nothing, .xxfi_unknown = unknown, .xxfi_header = header,
        .xxfi_eoh = nothing, .xxfi_body = body, .xxfi_eom = end_of_message, .xxfi_abort = nothing,
        .xxfi_close = nothing,
    };

    const char *variant = count == 3 ? arguments[2] : "";

    adds_sender = strcmp(variant, "sender") == 0;
    if (count < 2 || count > 3 || (count == 3 && !adds_sender && strcmp(variant, "last") != 0)) {
        fprintf(stderr, "yardstick SOCKET [last | sender]\n");
        return 2;
    }
    skipped = SMFIP_NOCONNECT | SMFIP_NOHELO | SMFIP_NORCPT | SMFIP_NOUNKNOWN | SMFIP_NOBODY | SMFIP_NOEOH |
              SMFIP_NR_HDR;
    if (strncmp(arguments[1], "unix:", 5) == 0)
        skipped |= SMFIP_NODATA;
    if (*variant)
        skipped |= SMFIP_NR_MAIL;
    if (smfi_setconn(arguments[1]) == MI_FAILURE || smfi_register(filter) == MI_FAILURE) {
        fprintf(stderr, "yardstick: cannot listen on %s\n", arguments[1]);
        return 1;
    }
    return smfi_main();
}
