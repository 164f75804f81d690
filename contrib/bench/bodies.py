"""bodies.py STAGE TRANSPORT READ LEFT: measures messages through the milter at READ, which reads bodies where it must, and
by turns through the one at LEFT, which never does, and compares. The exit status is 1 if it reads what it need not, or if
that costs too much."""

import base64
import collections
import contextlib
import json
import random
import socket
import statistics
import sys
import threading
from pathlib import Path

from latency import BODY, HEADER, Bench, Session

PAIRS = 11
LIMIT = 0.1  # ms, for one's own mail
MORE = 1  # replies, for one's own mail
COUNTED = 10  # messages of each kind whose replies are counted

# Where a client comes from decides which milter is asked, and whether what passes is counted.
READ, LEFT, READ_COUNTED, LEFT_COUNTED = (f"127.0.0.{n}" for n in range(1, 5))

OWN, BEHALF = "anna@example.org", "bea@example.org"

CALENDAR = "\r\n".join([
    "BEGIN:VCALENDAR", "METHOD:REQUEST", "PRODID:-//Example Corp.//bodies//EN", "VERSION:2.0", "BEGIN:VEVENT",
    "UID:1@example.org", "DTSTAMP:20261120T100000Z", "DTSTART:20261201T100000Z", "SUMMARY:A meeting",
    f"ORGANIZER;CN=Bea Brandt:mailto:{BEHALF}", *["ATTENDEE;RSVP=TRUE:mailto:you@example.net"] * 20,
    "DESCRIPTION:" + "What we talk about\\, and where. " * 20, "END:VEVENT", "END:VCALENDAR", ""])


def parts(kind, bodies):
    """The Content-Type of a multipart, and its body."""
    body = "".join(f"--limit\r\n{part}\r\n" for part in bodies)
    return f"Content-Type: multipart/{kind}; boundary=limit", f"{body}--limit--\r\n"


def part(kind, text):
    encoded = base64.encodebytes(text.encode()).decode().replace("\n", "\r\n")
    return f"Content-Type: {kind}\r\nContent-Transfer-Encoding: base64\r\n\r\n{encoded}"


TEXT = "Content-Type: text/plain; charset=utf-8", BODY
FILES = parts("mixed", ["\r\n" + BODY, part("application/pdf", BODY * 8)])
INVITATION = parts("alternative", ["\r\nA meeting.\r\n", part("text/calendar; method=REQUEST; charset=utf-8", CALENDAR)])

# Of the messages of a round: how many; login, author, content; whether the body must be read.
KINDS = {
    "own, text": (300, "anna", OWN, TEXT, False),
    "own, with an attachment": (80, "anna", OWN, FILES, False),
    "on behalf, text": (8, "carl", BEHALF, TEXT, False),
    "on behalf, with an attachment": (4, "carl", BEHALF, FILES, True),
    "on behalf, an invitation": (8, "carl", BEHALF, INVITATION, True),
}
MESSAGES = sum(kind[0] for kind in KINDS.values())


def message(kind):
    _, _, author, (content_type, body), _ = KINDS[kind]
    fields = [field for field in HEADER if not field.startswith("Content-T")]
    header = "\r\n".join([*fields, content_type]).format(author=author, number=1)
    return f"{header}\r\n\r\n{body}.\r\n".encode()


def order():
    """The kinds of the messages of a round, mixed in always the same way."""
    kinds = [kind for kind, (count, *_) in KINDS.items() for _ in range(count)]
    random.Random(0).shuffle(kinds)
    return kinds


class Counter:
    """Stands between Postfix and a milter, and counts what the milter answers."""

    # What Postfix waits for: accept, continue, discard, reject, skip, tempfail, a reply with its text.
    ANSWERS = b"acdrsty"

    def __init__(self, path, milter):
        self.milter = milter
        self.answers = 0
        listener = socket.socket(socket.AF_UNIX)
        Path(path).unlink(missing_ok=True)
        listener.bind(path)
        Path(path).chmod(0o666)
        listener.listen()
        threading.Thread(target=self.accept, args=[listener], daemon=True).start()

    def accept(self, listener):
        while True:
            postfix, milter = listener.accept()[0], connect(self.milter)
            threading.Thread(target=copy, args=[postfix, milter], daemon=True).start()
            threading.Thread(target=self.count, args=[milter, postfix], daemon=True).start()

    def count(self, milter, postfix):
        packets = milter.makefile("rb")
        while head := packets.read(4):
            packet = packets.read(int.from_bytes(head))
            # Counted before Postfix can go on.
            self.answers += packet[0] in self.ANSWERS
            postfix.sendall(head + packet)
        postfix.close()
        packets.close()


def connect(milter):
    scheme, _, place = milter.partition(":")
    if scheme == "unix":
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(place)
        return connection
    host, _, port = place.partition(":")
    connection = socket.create_connection((host, int(port)))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def copy(source, target):
    # The other direction may end first.
    with contextlib.suppress(OSError):
        while octets := source.recv(65536):
            target.sendall(octets)
        target.shutdown(socket.SHUT_WR)


class Measured(Bench):
    """Two milters and the Postfix that asks them."""

    def __init__(self, stage, transport):
        super().__init__(stage, f"{transport}-read")
        self.messages = {kind: message(kind) for kind in KINDS}

    def session(self, login, source):
        return Session(int(self.ports["submission"]), login, source)

    def pair(self):
        """A round through each, message by message in turns; how long each took, in ms, by kind: read and left."""
        sessions = {(login, source): self.session(login, source) for login in ("anna", "carl") for source in (READ, LEFT)}
        taken = {source: collections.defaultdict(list) for source in (READ, LEFT)}
        for number, kind in enumerate(order()):
            login = KINDS[kind][1]
            # Whoever comes second has what the first left to deliver beside it.
            for source in (READ, LEFT) if number % 2 else (LEFT, READ):
                session = sessions[login, source]
                taken[source][kind].append(session.send(f"{login}@example.org", self.messages[kind]))
        for session in sessions.values():
            session.close()
        self.drain()
        return taken[READ], taken[LEFT]

    def answers(self, source, counter, kind):
        """How many replies Postfix waits for, a message."""
        login = KINDS[kind][1]
        session = self.session(login, source)
        counts = []
        for _ in range(COUNTED):
            before = counter.answers
            session.send(f"{login}@example.org", self.messages[kind])
            counts.append(counter.answers - before)
        session.close()
        if len(set(counts)) != 1:
            sys.exit(f"bodies.py: {kind}: replies differ from message to message: {counts}")
        return counts[0]

    def bodies(self):
        """How many octets of the body were read, for each message since the last time; None where it was not."""
        return [line.get("body") for line in map(json.loads, self.log) if "verdict" in line]


def medians(rounds, kind):
    return statistics.median(ms for taken in rounds for ms in taken[kind])


def speed(taken):
    """Messages per second."""
    times = [ms for kind in taken.values() for ms in kind]
    return len(times) / sum(times) * 1000


def compare(transport, pairs, replies, bodies):
    """Prints what was measured; what of it is too much."""
    read, left = zip(*pairs)
    speeds = [[speed(taken) for taken in rounds] for rounds in (left, read)]
    ratios = [b / a for a, b in zip(*speeds)]
    print(f"\n{transport}: {len(pairs)} pairs of rounds of {MESSAGES} messages, in messages per second")
    for name, values in (("not read", speeds[0]), ("read", speeds[1])):
        print(f"  {name:<12}" + "".join(f"{value:8.0f}" for value in values))
    print(f"  {'ratio':<12}" + "".join(f"{value:8.2f}" for value in ratios))
    print(f"  Ratio: {statistics.median(ratios):.3f} (median; from {min(ratios):.2f} to {max(ratios):.2f}).")
    print(f"  {f'of {MESSAGES}; ms at the median, and replies':<42}{'not read':>14}{'read':>14}{'difference':>14}{'ratio':>8}")
    failed = []
    for kind, (count, _, author, _, _) in KINDS.items():
        without, milter = medians(left, kind), medians(read, kind)
        before, after = replies[kind]
        print(f"  {count:>4} {kind:<37}{without:10.3f} {before:3}{milter:10.3f} {after:3}"
              f"{milter - without:10.3f} {after - before:3}{milter / without:8.2f}")
        if author == OWN and (milter - without >= LIMIT or after - before > MORE):
            failed.append(f"{kind}: {milter - without:.3f} ms and {after - before} replies more")
    octets = [octets for octets in bodies if octets is not None]
    print(f"  Bodies read: {len(octets)} of {len(bodies)}, {len(octets) / len(bodies):.1%}; "
          f"{statistics.median(octets) / 1024 if octets else 0:.1f} KiB at the median.")
    must = len(bodies) * sum(count for count, *_, body in KINDS.values() if body) // MESSAGES
    if len(octets) != must:
        failed.append(f"{len(octets)} bodies were read, and {must} must be")
    return failed


def main(stage, transport, read, left):
    bench = Measured(stage, transport)
    bench.log.read()
    # The first pair warms up and does not count.
    pairs = [bench.pair() for _ in range(PAIRS + 1)][1:]
    bodies = bench.bodies()
    if len(bodies) != (PAIRS + 1) * MESSAGES:
        sys.exit(f"bodies.py: the milter logged {len(bodies)} messages, not {(PAIRS + 1) * MESSAGES}")
    counters = {READ_COUNTED: Counter(f"{stage}/read.sock", read), LEFT_COUNTED: Counter(f"{stage}/left.sock", left)}
    replies = {kind: [bench.answers(source, counters[source], kind) for source in (LEFT_COUNTED, READ_COUNTED)]
               for kind in KINDS}
    failed = compare(transport, pairs, replies, bodies)
    for words in failed:
        print(f"\nTOO MUCH over {transport}: {words}. Allowed are less than {LIMIT} ms and {MORE} reply for one's own "
              "mail, and only the bodies that matter.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
