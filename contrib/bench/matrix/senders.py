"""senders.py: what the matrix sends with: messages of kinds whose right verdict is known, clients that try again what was
deferred, and the count of what became of each message."""

import collections
import itertools
import re
import socket
import threading
import time
from dataclasses import dataclass, field

RECIPIENT = "you@example.net"
REPLY = 120  # s that a reply may take: a client waits longer than Postfix waits for anything
KEPT = 5  # messages in a session that is kept
GREETING = 10  # s: a server that nobody hears from is tried again
PAUSE = 0.05  # s between two messages of a client: the fault is what counts, not the load
PEOPLE = 2000  # who have not sent before
AGAIN = 0.3  # s until a client tries again what was deferred
NO_REPLY = "none"

# The rules for a revoked right (README.md, "With LDAP"): gone when the directory tells of it, or after cache.ttl
# (one second here); while the directory is away, older answers serve; and a failure is the answer for one second more. The
# rest of this is for the machine.
REVOKED_WITHIN = 6.0  # s


# ---------------------------------------------------------------------------------------------------------- kinds

@dataclass(frozen=True)
class Kind:
    """Who sends as whom, and what must become of it."""

    login: str | None
    author: str
    right: str  # accept, refuse or revoked: accept until then, then refuse
    sender: str | None = None  # the Sender that it must have
    envelope: str | None = None  # the envelope sender that it must have, where that is another one
    known: bool = True  # the directory was asked for it before
    invitation: bool = False


# {} is the number of somebody who has not sent before; {row} is what every row has of its own.
KINDS = {
    "own": Kind("anna", "anna@example.org", "accept"),
    "on behalf": Kind("carl", "bea@example.org", "accept", sender="carl@example.org"),
    "invitation": Kind("carl", "bea@example.org", "accept", sender="carl@example.org", invitation=True),
    "send-as": Kind("carl", "dora@example.org", "accept", envelope="dora@example.org"),
    "spoof": Kind("anna", "boss@example.org", "refuse"),
    "revoked": Kind("carl", "revoked{row}@example.org", "revoked", sender="carl@example.org"),
    "no login": Kind(None, "somebody@elsewhere.example", "accept"),
    "new": Kind("new{}", "new{}@example.org", "accept", known=False),
    "new spoof": Kind("new{}", "boss@example.org", "refuse", known=False),
}

CALENDAR = "\r\n".join([
    "BEGIN:VCALENDAR", "METHOD:REQUEST", "PRODID:-//Example Corp.//faults//EN", "VERSION:2.0", "BEGIN:VEVENT",
    "UID:1@example.org", "DTSTAMP:20261120T100000Z", "DTSTART:20261201T100000Z", "SUMMARY:A meeting",
    "ORGANIZER;CN=Bea Brandt:mailto:bea@example.org", "ATTENDEE;RSVP=TRUE:mailto:you@example.net",
    "END:VEVENT", "END:VCALENDAR", ""])
SENT_BY = 'SENT-BY="mailto:carl@example.org"'
LINE = "A line of text, as people write it, and about as long as that.\r\n"


def content(author, mark, invitation, octets):
    """A message; its last line says that it is whole."""
    text = LINE * (octets // len(LINE))
    kind, body = "text/plain; charset=utf-8", text
    if invitation:
        kind = "multipart/mixed; boundary=limit"
        calendar = f"Content-Type: text/calendar; method=REQUEST; charset=utf-8\r\n\r\n{CALENDAR}"
        body = f"--limit\r\n\r\n{text}--limit\r\n{calendar}--limit--\r\n"
    header = [f"From: {author}", f"To: {RECIPIENT}", f"Subject: Message {mark}", "Date: Sat, 21 Nov 2026 21:00:00 +0000",
              f"Message-ID: <{mark}@client.example>", f"X-Mark: {mark}", "MIME-Version: 1.0", f"Content-Type: {kind}"]
    return "\r\n".join(header) + f"\r\n\r\n{body}End of {mark}\r\n"


def damage(kind, envelope, text):
    """What is wrong with a delivered message of this kind; None if nothing is."""
    header, _, body = text.partition("\n\n")
    mark = re.search(r"^X-Mark: (\S+)$", header, re.M)[1]
    senders = re.findall(r"^Sender:.*$", re.sub(r"\n\s+", " ", header), re.M | re.I)
    returned = re.search(r"^Return-Path: <(.*)>$", header, re.M)[1]
    checks = {
        f"Sender is {senders}": len(senders) == bool(kind.sender) and all(kind.sender in line for line in senders),
        f"it would bounce to {returned}": returned == (kind.envelope or envelope),
        "the calendar does not say who sent it": not kind.invitation or SENT_BY in body.replace("\n ", ""),
        "its end is missing": body.endswith(f"End of {mark}\n"),
    }
    return next((what for what, holds in checks.items() if not holds), None)


# ------------------------------------------------------------------------------------------------------- attempts

@dataclass
class Attempt:
    """One try at a message, with a mark of its own: a copy can be told from another try."""

    mark: str
    begun: float
    ended: float = 0.0
    reply: str = ""
    after_data: bool = False  # the whole message was sent: without a reply, nobody knows

    @property
    def code(self):
        return self.reply[:3] if self.reply[:1].isdigit() else NO_REPLY


@dataclass
class Message:
    """A message, and all tries at it."""

    name: str
    number: int
    row: int
    via: str = "127.0.0.1"
    octets: int = 4096
    attempts: list = field(default_factory=list)
    due: float = 0.0

    @property
    def kind(self):
        return KINDS[self.name]

    @property
    def login(self):
        return self.kind.login and self.kind.login.format(self.number % PEOPLE)

    @property
    def author(self):
        return self.kind.author.format(self.number % PEOPLE, row=self.row)

    @property
    def envelope(self):
        return f"{self.login}@example.org" if self.login else self.author

    @property
    def code(self):
        return self.attempts[-1].code if self.attempts else ""

    @property
    def settled(self):
        return self.code[:1] in ("2", "5")

    @property
    def deferred(self):
        """The first try that was."""
        return next((attempt for attempt in self.attempts if attempt.code[:1] not in ("2", "5")), None)

    def told_later(self, since):
        """The first try since then that was told to come again."""
        return next((attempt for attempt in self.attempts if attempt.begun >= since and attempt.code[:1] == "4"), None)

    def attempt(self):
        attempt = Attempt(f"{self.row}.{self.name.replace(' ', '-')}.{self.number}.{len(self.attempts)}", time.time())
        self.attempts.append(attempt)
        return attempt


class Session:
    """An SMTP session. A reply that is not as hoped for is given back, not raised."""

    def __init__(self, port, login, source):
        self.slowest, self.sent = 0.0, 0
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=GREETING, source_address=(source, 0))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.replies = self.socket.makefile("rb")
        self.refused = self.open(login)

    def open(self, login):
        """Says who we are; the reply that is not as hoped for."""
        steps = [("", "220"), ("EHLO client.example.org\r\n", "250")]
        if login:
            steps += [(f"XCLIENT LOGIN={login}\r\n", "220"), ("EHLO client.example.org\r\n", "250")]
        for line, code in steps:
            reply = self.say(line.encode())
            self.socket.settimeout(REPLY)
            if not reply.startswith(code):
                return reply
        return None

    def command(self, line):
        return self.say(line.encode() + b"\r\n")

    def say(self, octets):
        begun = time.monotonic()
        self.socket.sendall(octets)
        reply = self.reply()
        self.slowest = max(self.slowest, time.monotonic() - begun)
        return reply

    def reply(self):
        lines = []
        while True:
            line = self.replies.readline().decode(errors="replace")
            if not line:
                raise ConnectionError("the server hung up")
            lines.append(line.strip())
            if line[3:4] != "-":
                return " ".join(lines)

    def send(self, message, attempt, between):
        """The reply to the first step that is not as hoped for, or the last one. `between` hears of every step."""
        self.sent += 1
        if self.refused:
            return self.refused
        for step, line in (("MAIL", f"MAIL FROM:<{message.envelope}>"), ("RCPT", f"RCPT TO:<{RECIPIENT}>"), ("DATA", "DATA")):
            reply = self.command(line)
            if reply[0] not in "23":
                return reply
            between(step)
        attempt.after_data = True
        return self.say(content(message.author, attempt.mark, message.kind.invitation, message.octets).encode() + b".\r\n")

    def close(self):
        self.replies.close()
        self.socket.close()


# -------------------------------------------------------------------------------------------------------- clients

class Clients:
    """Several clients that send all the time, each message again until it is accepted or refused."""

    def __init__(self, ports, row, numbers):
        self.ports = ports
        self.row = row
        self.numbers = numbers
        self.lock = threading.Lock()
        self.messages = []
        self.slowest = 0.0
        self.halted = threading.Event()
        self.stopped = threading.Event()
        self.threads = []
        self.odd = []  # what went wrong with the clients themselves

    def start(self, count):
        for place in range(count):
            thread = threading.Thread(target=self.run, args=[place], daemon=True)
            self.threads.append(thread)
            thread.start()

    def halt(self):
        """No new messages; what was deferred goes on."""
        self.halted.set()

    def stop(self):
        self.stopped.set()
        for thread in self.threads:
            thread.join(2 * REPLY)

    def run(self, place):
        try:
            self.send_all(place)
        except Exception as error:  # a client that ends in silence would be a check that cannot fail
            self.odd.append(f"client {place}: {error!r}")

    def send_all(self, place):
        # Every other one keeps its sessions, as relays do.
        sessions = {} if place % 2 else None
        names = itertools.cycle([*list(KINDS)[place % len(KINDS):], *list(KINDS)[:place % len(KINDS)]])
        waiting = collections.deque()
        while not self.stopped.is_set():
            message = self.next(waiting, names)
            if message:
                self.once(message, sessions=sessions)
                if not message.settled:
                    message.due = time.time() + AGAIN
                    waiting.append(message)
            if self.halted.is_set():
                close(sessions)
            self.stopped.wait(PAUSE)
        close(sessions)

    def next(self, waiting, names):
        if waiting and waiting[0].due <= time.time():
            return waiting.popleft()
        # Somebody who is not heard does not write ever more.
        if self.halted.is_set() or len(waiting) > 20:
            return None
        return self.message(next(names))

    def message(self, name, **settings):
        with self.lock:
            message = Message(name, next(self.numbers), self.row, **settings)
            self.messages.append(message)
        return message

    def once(self, message, sessions=None, between=lambda step: None):
        """One try; what became of it."""
        attempt = message.attempt()
        key = message.login
        session = sessions.pop(key, None) if sessions is not None else None
        try:
            if session is None:
                port = self.ports["submission" if message.login else "mx"]
                session = Session(int(port), message.login, message.via)
            attempt.reply = session.send(message, attempt, between)
        except (OSError, ConnectionError) as error:
            attempt.reply = f"no reply: {error}"
        attempt.ended = time.time()
        if session:
            self.slowest = max(self.slowest, session.slowest)
            # Sessions of those who write once would pile up. One that lasts keeps an smtpd from before a reload.
            if sessions is not None and attempt.code[:1] in ("2", "5") and message.kind.known and session.sent < KEPT:
                sessions[key] = session
            else:
                session.close()
        return attempt

    def unsettled(self):
        with self.lock:
            return [message for message in self.messages if not message.settled]

    def attempts(self, *names):
        """All tries that have ended, with their messages."""
        with self.lock:
            messages = [message for message in self.messages if not names or message.name in names]
        return [(message, attempt) for message in messages for attempt in list(message.attempts) if attempt.ended]


def close(sessions):
    """Those that are kept, if any."""
    while sessions:
        sessions.popitem()[1].close()


# --------------------------------------------------------------------------------------------------------- counts

@dataclass
class Counts:
    """What became of the messages of a row."""

    sent: int = 0
    replies: collections.Counter = field(default_factory=collections.Counter)
    delivered: int = 0
    deferred: int = 0
    refused: int = 0
    lost: int = 0
    twice: int = 0
    accepted_wrongly: int = 0
    refused_wrongly: int = 0
    complaints: list = field(default_factory=list)

    def complain(self, column, what):
        setattr(self, column, getattr(self, column) + 1)
        self.complaints.append(f"{column.replace('_', ' ')}: {what}")


def count(messages, delivered, revoked, revoked_from):
    """`delivered`: the copies of each mark. `revoked`: when the right was revoked; `revoked_from`: since when that must
    count."""
    counts = Counts(sent=len(messages))
    refused_at = min((attempt.ended for message in messages if message.kind.right == "revoked"
                      for attempt in message.attempts if attempt.code[:1] == "5"), default=float("inf"))
    marks = set()
    for message in messages:
        counts.deferred += message.deferred is not None
        counts.refused += message.code[:1] == "5"
        for attempt in message.attempts:
            marks.add(attempt.mark)
            counts.replies[attempt.code[:1] if attempt.code != NO_REPLY else NO_REPLY] += 1
            copies = delivered.get(attempt.mark, [])
            counts.delivered += bool(copies)
            of_copies(counts, message, attempt, copies)
            of_verdict(counts, message, attempt, copies, revoked, min(revoked_from, refused_at))
    for mark in delivered.keys() - marks:
        counts.complain("accepted_wrongly", f"{mark} was delivered, and nobody sent it")
    return counts


def of_copies(counts, message, attempt, copies):
    what = f"{attempt.mark} ({attempt.reply}), {len(copies)} copies"
    if attempt.code[:1] == "2" and not copies:
        counts.complain("lost", what)
    # Without a reply to the whole message, nobody knows; with a refusal, there is no copy.
    allowed = 1 if attempt.code[:1] == "2" or (attempt.code == NO_REPLY and attempt.after_data) else 0
    if len(copies) > allowed:
        counts.complain("twice", what)


def of_verdict(counts, message, attempt, copies, revoked, revoked_from):
    kind, what = message.kind, f"{attempt.mark} from {message.login} as {message.author}: {attempt.reply}"
    taken = attempt.code[:1] == "2" or copies
    if taken and (kind.right == "refuse" or (kind.right == "revoked" and attempt.begun > revoked_from)):
        counts.complain("accepted_wrongly", what)
    may = kind.right == "accept" or (kind.right == "revoked" and attempt.ended < revoked)
    if attempt.code[:1] == "5" and may:
        counts.complain("refused_wrongly", what)
    for copy in copies:
        if complaint := damage(kind, message.envelope, copy):
            counts.complain("accepted_wrongly", f"{what}: {complaint}")


# ---------------------------------------------------------------------------------------------------------- proof

def prove():
    """What was made up must be counted as what it is: the column that counts it; and what is right, nowhere."""
    def copy(name, mark, sender=None, end=True):
        kind, text = KINDS[name], content("x@example.org", mark, False, 100).replace("\r\n", "\n")
        returned = kind.envelope or f"{kind.login}@example.org"
        head = f"Return-Path: <{returned}>\n" + (f"Sender: <{sender}>\n" if sender else "")
        return head + (text if end else text[:-5])

    carl = "carl@example.org"
    # The kind, when it was sent, the reply, whether the whole message was sent, what was delivered.
    cases = [
        ("own", 0, "250", True, [()], None), ("own", 0, "451", True, [], None), ("own", 0, "", True, [()], None),
        ("on behalf", 0, "250", True, [(carl,)], None), ("spoof", 0, "550", True, [], None),
        ("revoked", 0, "250", True, [(carl,)], None), ("revoked", 20, "550", True, [], None),
        ("own", 0, "250", True, [], "lost"), ("own", 0, "250", True, [(), ()], "twice"),
        ("own", 0, "451", True, [()], "twice"), ("own", 0, "", False, [()], "twice"),
        ("own", 0, "250", True, [(carl,)], "accepted_wrongly"), ("own", 0, "250", True, [(None, False)], "accepted_wrongly"),
        ("on behalf", 0, "250", True, [()], "accepted_wrongly"), ("spoof", 0, "250", True, [()], "accepted_wrongly"),
        ("spoof", 0, "", True, [()], "accepted_wrongly"), ("revoked", 20, "250", True, [(carl,)], "accepted_wrongly"),
        ("own", 0, "550", True, [], "refused_wrongly"), ("revoked", 0, "550", True, [], "refused_wrongly"),
    ]
    for name, begun, reply, after_data, copies, column in cases:
        message = Message(name, 1, 0, attempts=[Attempt("mark", begun, begun + 1, reply, after_data)])
        delivered = {"mark": [copy(name, "mark", *arguments) for arguments in copies]}
        counts = count([message], delivered, 10, 15)
        for each in ("lost", "twice", "accepted_wrongly", "refused_wrongly"):
            if bool(getattr(counts, each)) != (each == column):
                raise AssertionError(f"{name}, {reply}, {copies}: {each} is {getattr(counts, each)}, {counts.complaints}")
