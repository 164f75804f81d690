"""messages.py STAGE MILTER: sends the messages of the demonstration, and prints what became of each.

Also the words in which server.py tells what is special about a server: cases, how they are played and compared.

What is printed was observed: the reply is Postfix's, Sender and envelope sender stand in the Maildir (Return-Path is
what virtual(8) writes of the envelope), the verdict is the one that the milter logged for this message. Each is
compared with what must be, and From and body with what was sent, but for SENT-BY in a calendar; the exit status is 1 if
anything differs.
"""

import base64
import email
import itertools
import json
import os
import re
import smtplib
import sys
import textwrap
import time
from dataclasses import dataclass, field
from pathlib import Path

NOT_ALLOWED = "550 5.7.1 <{}>: you may not send as or on behalf of this address"
QUEUED = "250 2.0.0 Ok: queued"
ANNA = "anna@example.org"
CARL = "carl@example.org"
CARL_NAMED = '"Carl Clausen" <carl@example.org>'
LENA = "lena@example.org"


@dataclass
class Case:
    """A message, and what must become of it."""

    shows: str
    login: str | None
    mail_from: str
    authors: list[str]  # the From fields
    verdict: str
    sender: str | None = None  # Sender as delivered
    envelope: str | None = None  # the envelope sender as delivered; None: nothing is delivered
    reply: str = QUEUED
    forged: list[str] = field(default_factory=list)  # the Sender fields that the client writes
    invitation: bool = False  # it invites, with the first author as organizer
    sent_by: str | None = None  # SENT-BY of the organizer as delivered
    warning: str | None = None  # what the milter says of the directory meanwhile; None: it has no reason to

    def fields(self):
        return [f"From: {author}" for author in self.authors] + [f"Sender: {sender}" for sender in self.forged]


CASES = [
    Case("Her own address.", "anna", ANNA, [ANNA], "own", envelope=ANNA),
    Case("An alias of hers.", "anna", ANNA, ["Anna Adams <a.adams@example.org>"], "own", envelope=ANNA),
    Case("Her address with an extension.", "anna", ANNA, ["anna+list@example.org"], "own", envelope=ANNA),
    Case("Bea lets Carl write on her behalf: readers see both.",
         "carl", CARL, ["Bea Brandt <bea@example.org>"], "on behalf", CARL_NAMED, CARL),
    Case("An administrator lets Carl write as Dora: readers see Dora alone, and bounces go to her.",
         "carl", CARL, ["Dora Dahl <dora@example.org>"], "send as", envelope="dora@example.org"),
    Case("Both rights: on behalf wins.",
         "carl", CARL, ["Frida Falk <frida@example.org>"], "on behalf", CARL_NAMED, CARL),
    Case("Two authors, himself and Bea: one Sender, who it was.",
         "carl", CARL, ["carl@example.org, bea@example.org"], "own, on behalf", CARL_NAMED, CARL),
    Case("A right that a group has; Lena is a member.",
         "lena", LENA, ["office@example.org"], "on behalf", '"Lena Lund" <lena@example.org>', LENA),
    Case("A right that a group has, with a group in it, with Lena's group in that.",
         "lena", LENA, ["info@example.org"], "send as", envelope="info@example.org"),
    Case("A right that a distribution list was given counts for nobody: anybody may be put on a list.",
         "olga", "olga@example.org", ["press@example.org"], "refused", reply=NOT_ALLOWED.format("press@example.org")),
    Case("A grant works in one direction: Carl may write for Bea, she not for him.",
         "bea", "bea@example.org", [CARL], "refused", reply=NOT_ALLOWED.format(CARL)),
    Case("Spoofed From.",
         "anna", ANNA, ["boss@example.org"], "refused", reply=NOT_ALLOWED.format("boss@example.org")),
    Case("An address that nobody has: the same words, so that nobody learns which addresses exist.",
         "anna", ANNA, ["nobody@example.org"], "refused", reply=NOT_ALLOWED.format("nobody@example.org")),
    Case("Spoofed envelope sender.", "anna", "boss@example.org", [ANNA], "refused",
         reply=NOT_ALLOWED.format("boss@example.org") + " (in MAIL FROM)"),
    Case("Two From fields: mail programs differ in which they show.",
         "anna", ANNA, [ANNA, "boss@example.org"], "refused",
         reply="554 5.6.0 there are 2 From fields; there must be one"),
    Case("A display name that shows the boss's address.",
         "anna", ANNA, ['"boss@example.org" <anna@example.org>'], "refused",
         reply="550 5.7.1 the display name shows boss@example.org, an address that you may not use; take it out"),
    Case("Forged Sender under her own address: removed.",
         "anna", ANNA, [ANNA], "own", envelope=ANNA, forged=["Bruno Boss <boss@example.org>"]),
    Case("Forged Senders on Bea's behalf: replaced by the real one.",
         "carl", CARL, ["bea@example.org"], "on behalf", CARL_NAMED, CARL,
         forged=["Bea Brandt <bea@example.org>", "boss@example.org"]),
    Case("A Sender of her own is no excuse.",
         "anna", ANNA, ["boss@example.org"], "refused", reply=NOT_ALLOWED.format("boss@example.org"), forged=[ANNA]),
    Case("An invitation on Bea's behalf: the calendars of those invited show both, too, by SENT-BY.",
         "carl", CARL, ["bea@example.org"], "on behalf", CARL_NAMED, CARL, invitation=True, sent_by=CARL),
    Case("Hana lets Carl keep her calendar, which takes invitations.",
         "carl", CARL, ["hana@example.org"], "schedule", CARL_NAMED, CARL, invitation=True, sent_by=CARL),
    Case("Other mail it does not take.",
         "carl", CARL, ["hana@example.org"], "refused", reply=NOT_ALLOWED.format("hana@example.org")),
    Case("Mail from the Internet, where nobody logs in: passes unchanged, the Sender too.",
         None, "list@example.com", ["bob@example.com"], "not asked", "list@example.com", "list@example.com",
         forged=["list@example.com"]),
]


@dataclass
class Seen:
    """What became of a message."""

    reply: str
    logged: list[dict]  # the milter's log lines about messages
    warnings: list[str]  # what else it warns of
    delivered: list[email.message.Message]

    @property
    def verdict(self):
        if not self.logged:
            return "not asked"
        line = self.logged[-1]
        if line["verdict"] == "accept":
            return line["rule"].replace("-", " ")
        return {"refuse": "refused", "defer": "deferred"}.get(line["verdict"], line["verdict"])

    @property
    def sender(self):
        return self.all_of("Sender")

    @property
    def envelope(self):
        path = self.all_of("Return-Path")
        return path and path.strip("<>")

    @property
    def sent_by(self):
        """SENT-BY of the organizer, where there is a calendar."""
        found = [SENT_BY.search(content(message)) for message in self.delivered]
        return "; ".join(match[1] for match in found if match) or None

    def warning(self, awaited):
        """All that it warned of; only what was awaited, if it is in that."""
        words = "; ".join(self.warnings) or None
        return awaited if awaited and words and awaited in words else words

    def all_of(self, name):
        """The bodies of all fields with this name; None if there are none."""
        bodies = [body for message in self.delivered for body in message.get_all(name, [])]
        return "; ".join(bodies) or None


class Stage:
    """A running milter, by the name of its directory on the stage, and Postfix."""

    def __init__(self, directory, milter):
        self.directory = Path(directory)
        lines = (self.directory / "ports").read_text().split()
        self.ports = {service: int(port) for service, port in (line.split("=") for line in lines)}
        self.log = (self.directory / milter / "log").open()
        self.new_log_lines()

    def new_log_lines(self):
        return [json.loads(line) for line in self.log]

    def play(self, label, case):
        """Sends a message, which the label tells from all others, and waits until it is delivered."""
        service = "submission" if case.login else "mx"
        with smtplib.SMTP("127.0.0.1", self.ports[service], "client.example.org", timeout=60) as client:
            if case.login:
                log_in(client, case.login)
            reply = transmit(client, case, text(label, case))
        self.wait_until_delivered()
        lines = self.new_log_lines()
        return Seen(reply, [line for line in lines if "verdict" in line], warnings(lines), self.delivered(label))

    def wait_until_delivered(self):
        queues = [self.directory / "queue" / name for name in ("maildrop", "incoming", "active")]
        deadline = time.monotonic() + 60
        while any(any(queue.iterdir()) for queue in queues):
            if time.monotonic() > deadline:
                sys.exit("messages.py: Postfix does not deliver what it has accepted")
            time.sleep(0.02)

    def delivered(self, label):
        found = (email.message_from_bytes(path.read_bytes()) for path in (self.directory / "mail/new").iterdir())
        return [message for message in found if message["X-Demonstration"] == label]


def warnings(lines):
    """What the log says besides messages, but for attempts to connect: they take place when they take place."""
    others = [line["message"] for line in lines if "verdict" not in line and line["level"] != "INFO"]
    return [message for message in others if not message.endswith("trying again")]


def log_in(client, login):
    client.ehlo()
    code, answer = client.docmd("XCLIENT", f"LOGIN={login}")
    if code != 220:
        sys.exit(f"messages.py: Postfix refuses XCLIENT: {code} {answer.decode()}")
    # XCLIENT begins the session anew.
    client.ehlo()


def text(label, case):
    fields = [*case.fields(), "To: you@example.net", "Subject: Demonstration", f"X-Demonstration: {label}"]
    if case.invitation:
        fields += ["MIME-Version: 1.0", "Content-Type: text/calendar; method=REQUEST; charset=utf-8",
                   "Content-Transfer-Encoding: base64"]
        return "\r\n".join([*fields, "", base64.encodebytes(body(label, case).encode()).decode()])
    return "\r\n".join([*fields, "", body(label, case)])


def body(label, case):
    if not case.invitation:
        return f"This is message {label}.\r\n"
    return "\r\n".join([
        "BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//delegation-milter//Demonstration//EN", "METHOD:REQUEST",
        "BEGIN:VEVENT", f"UID:{label}@example.org", "DTSTAMP:20261120T100000Z", "DTSTART:20261201T100000Z",
        f"ORGANIZER:mailto:{case.authors[0]}", "ATTENDEE:mailto:you@example.net", "SUMMARY:Lunch",
        "END:VEVENT", "END:VCALENDAR", ""])


SENT_BY = re.compile(r'^ORGANIZER;SENT-BY="mailto:([^"]*)"', re.MULTILINE)


def content(message):
    """The body, decoded; a calendar without folds (RFC 5545 section 3.1)."""
    return re.sub(r"\r?\n[ \t]", "", message.get_payload(decode=True).decode())


def transmit(client, case, content):
    """The reply that decides: the first that is no success, else the one after the final dot."""
    for step in (lambda: client.mail(case.mail_from), lambda: client.rcpt("you@example.net"),
                 lambda: client.data(content)):
        try:
            code, answer = step()
        except smtplib.SMTPDataError as error:
            code, answer = error.smtp_code, error.smtp_error
        if code >= 400:
            break
    return f"{code} {answer.decode()}"


def differences(label, case, seen):
    """What is not as it must be, in words."""
    queued, _, queue_id = seen.reply.partition(" as ") if seen.reply.startswith(QUEUED) else (seen.reply, "", "")
    copies = 1 if case.envelope else 0
    compared = [
        ("the verdict", seen.verdict, case.verdict),
        ("the reply", queued, case.reply),
        ("the number of messages delivered", len(seen.delivered), copies),
        ("Sender", seen.sender, case.sender),
        ("the envelope sender", seen.envelope, case.envelope),
        ("SENT-BY", seen.sent_by, case.sent_by),
        ("the number of log lines", len(seen.logged), 1 if case.login else 0),
        ("the milter's warning", seen.warning(case.warning), case.warning),
    ]
    for line in seen.logged:
        compared.append(("the login in the log", line["login"], case.login))
        if queue_id:
            compared.append(("the queue id in the log", line["queue_id"], queue_id))
        elif line["verdict"] == "defer":
            compared.append(("whether the log has a reason", bool(line.get("reason")), True))
        else:
            compared.append(("the reply in the log", line.get("reply"), seen.reply))
    for message in seen.delivered:
        compared.append(("From", message.get_all("From"), case.authors))
        without = SENT_BY.sub("ORGANIZER", content(message))
        compared.append(("the body", without.splitlines(), body(label, case).splitlines()))
    return [f"{what} is {shown(found)}, and should be {shown(wanted)}"
            for what, found, wanted in compared if found != wanted]


def shown(value):
    return "none" if value is None else str(value)


# Together with the gaps 110 columns wide.
COLUMNS = [("who", 4), ("From", 24), ("verdict", 9), ("Sender", 18), ("envelope sender", 16), ("reply", 29)]
COLOURED = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") != "dumb"
BOLD, DIM, RED, GREEN = "1", "2", "31", "32"


def coloured(colour, words):
    return f"\033[{colour}m{words}\033[0m" if COLOURED and words.strip() else words


def print_cells(cells, colours):
    """Prints cells side by side; what does not fit is continued on the next line."""
    columns = [[part for line in cell.splitlines() for part in wrapped(line, width)]
               for cell, (_, width) in zip(cells, COLUMNS)]
    for parts in itertools.zip_longest(*columns, fillvalue=""):
        padded = [part.ljust(width) for part, (_, width) in zip(parts, COLUMNS)]
        padded[-1] = padded[-1].rstrip()
        print("  ".join(coloured(colour, part) for part, colour in zip(padded, colours)).rstrip())


def wrapped(line, width):
    return textwrap.wrap(line, width, break_on_hyphens=False)


def print_head():
    print("Sender and envelope sender are those of the message as delivered, \"-\" is none. From is never changed.\n")
    print_cells([name for name, _ in COLUMNS], [BOLD] * len(COLUMNS))


def print_row(number, case, seen):
    print("\n" + coloured(BOLD, f"{number}. {case.shows}"))
    reply = QUEUED if seen.reply.startswith(QUEUED) else seen.reply
    verdict = {"refused": RED, "deferred": RED, "not asked": DIM}.get(seen.verdict, GREEN)
    sender = (seen.sender or "-") + (f"\nSENT-BY: {seen.sent_by}" if seen.sent_by else "")
    cells = [case.login or "-", as_sent(case), seen.verdict, sender, seen.envelope or "-", reply]
    print_cells(cells, ["0", "0", verdict, "0", "0", DIM if reply == QUEUED else RED])


def as_sent(case):
    """From, and what else is remarkable about the message as the client sent it."""
    lines = case.fields() if len(case.authors) > 1 or case.forged else list(case.authors)
    if case.invitation:
        lines.append("(an invitation)")
    if case.login and case.mail_from.partition("@")[0] != case.login:
        lines.append(f"MAIL FROM: {case.mail_from}")
    return "\n".join(lines)


def show(number, case, label, seen):
    """Prints the row and what is wrong with it; whether it is right."""
    print_row(number, case, seen)
    return tell(number, differences(label, case, seen))


def tell(number, differs):
    for difference in differs:
        print(coloured(RED, f"ROW {number} IS WRONG: {difference}"))
    return not differs


def main(directory, milter):
    stage = Stage(directory, milter)
    wrong = []
    print_head()
    for number, case in enumerate(CASES, 1):
        label = str(number)
        if not show(number, case, label, stage.play(label, case)):
            wrong.append(label)
    if wrong:
        print(coloured(RED, f"\nOf {len(CASES)} messages, these were not treated as they must be: {', '.join(wrong)}."))
        return 1
    print(coloured(GREEN, f"\nAll {len(CASES)} messages were treated as they must be."))
    return 0


def run(program):
    """Runs a program of the demonstration with the words of its command line, to the end of this process."""
    try:
        sys.exit(program(*sys.argv[1:]))
    except (smtplib.SMTPException, OSError) as error:
        sys.exit(f"{Path(sys.argv[0]).name}: the dialogue broke off: {error!r}")


if __name__ == "__main__":
    run(main)
