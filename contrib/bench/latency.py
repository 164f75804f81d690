"""latency.py STAGE TRANSPORT: measures a message from MAIL FROM to the reply after the final dot, without the milter
and with it, and compares. The exit status is 1 if the milter costs too much."""

import json
import socket
import statistics
import sys
import time
from pathlib import Path

PAIRS = 11
MESSAGES = 200  # in a round
LIMIT = 1.0  # ms
STALL = 35.0  # ms above the usual: Nagle's algorithm against delayed acknowledgements takes 40
STALLS = 0.01  # the share of messages that a busy machine may hold up as long

HEADER = [
    "Received: from client.example.org by relay.example.org; Sat, 21 Nov 2026 20:59:58 +0000",
    "From: {author}", "To: you@example.net", "Subject: A message of usual length",
    "Date: Sat, 21 Nov 2026 21:00:00 +0000", "Message-ID: <{number}@example.org>", "MIME-Version: 1.0",
    "Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: 7bit", "User-Agent: latency",
    "Content-Language: en", "X-Priority: 3",
]
BODY = "A line of text, as people write it, and about as long as that.\r\n" * 64  # 4 KiB

# Login, MAIL FROM, From; and what the milter logs of each: by which right, which Sender.
KINDS = {
    "own": ("anna", "anna@example.org", "anna@example.org", ("own", None)),
    "on behalf": ("carl", "carl@example.org", "bea@example.org", ("on-behalf", "<carl@example.org>")),
    "unauthenticated": (None, "bob@example.com", "bob@example.com", None),
}


class Session:
    """An SMTP session. Any reply but the expected one ends the program."""

    def __init__(self, port, login, source="127.0.0.1"):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60, source_address=(source, 0))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.replies = self.socket.makefile("rb")
        self.expect("220")
        self.command("EHLO client.example.org", "250")
        if login:
            self.command(f"XCLIENT LOGIN={login}", "220")
            self.command("EHLO client.example.org", "250")

    def expect(self, code):
        while True:
            line = self.replies.readline().decode()
            if not line.startswith(code):
                sys.exit(f"latency.py: Postfix answers {line!r} instead of {code}")
            if line[3] == " ":
                return

    def command(self, line, code):
        self.socket.sendall(line.encode() + b"\r\n")
        self.expect(code)

    def send(self, mail_from, content):
        """Sends a message; how long it took, in ms."""
        start = time.perf_counter_ns()
        self.command(f"MAIL FROM:<{mail_from}>", "250")
        self.command("RCPT TO:<you@example.net>", "250")
        self.command("DATA", "354")
        self.socket.sendall(content)
        self.expect("250")
        return (time.perf_counter_ns() - start) / 1e6

    def close(self):
        self.command("QUIT", "221")
        self.socket.close()


class Bench:
    """A Postfix with the milter on one transport."""

    def __init__(self, stage, transport):
        self.queue = Path(stage) / "queue"
        self.ports = dict(line.split("=") for line in (Path(stage) / "ports").read_text().split())
        self.log = (Path(stage) / transport / "log").open()

    def round(self, service, kind):
        """How long each message took, in ms."""
        login, mail_from, author, _ = KINDS[kind]
        session = Session(int(self.ports[service]), login)
        taken = [session.send(mail_from, content(author, number)) for number in range(MESSAGES)]
        session.close()
        self.drain()
        return taken

    def drain(self):
        """What one round leaves to deliver must not slow the next one down."""
        deadline = time.monotonic() + 60
        while any(any((self.queue / name).iterdir()) for name in ("incoming", "active")):
            if time.monotonic() > deadline:
                sys.exit("latency.py: Postfix does not get rid of its queue")
            time.sleep(0.02)

    def alternate(self, kind):
        """The rounds without the milter and those with it. The first pair warms up and does not count."""
        self.log.read()
        pairs = [(self.round("bare", kind), self.round("submission", kind)) for _ in range(PAIRS + 1)]
        self.check_log(kind)
        without, milter = zip(*pairs[1:])
        return without, milter

    def check_log(self, kind):
        """Every message with the milter was decided as the kind says, and none without it."""
        wanted = KINDS[kind][3]
        logged = [json.loads(line) for line in self.log]
        decided = [(line.get("rule"), line.get("sender")) for line in logged]
        expected = [wanted] * MESSAGES * (PAIRS + 1) if wanted else []
        if decided != expected:
            sys.exit(f"latency.py: the milter logged {len(decided)} messages: {set(decided)}; "
                     f"there should be {len(expected)}: {set(expected)}")


def content(author, number):
    header = "\r\n".join(HEADER).format(author=author, number=number)
    return f"{header}\r\n\r\n{BODY}.\r\n".encode()


def compare(transport, kind, without, milter):
    """Prints the medians of the rounds, and what they say; whether that is too much."""
    medians = [[statistics.median(taken) for taken in rounds] for rounds in (without, milter)]
    differences = [b - a for a, b in zip(*medians)]
    cost = statistics.median(differences)
    factor = statistics.median(b / a for a, b in zip(*medians))
    stalled = [stalls(rounds, statistics.median(medians[0])) for rounds in (without, milter)]
    messages = PAIRS * MESSAGES
    print(f"\n{transport}, {kind}: medians of {PAIRS} pairs of rounds of {MESSAGES} messages, in ms")
    for name, values in (("without", medians[0]), ("with", medians[1]), ("difference", differences)):
        print(f"  {name:<12}" + "".join(f"{value:8.3f}" for value in values))
    print(f"  The milter costs {cost:.3f} ms (median of the differences; from {min(differences):.3f} to "
          f"{max(differences):.3f}): {factor:.2f} times the time without it.")
    print(f"  Messages that took {STALL:.0f} ms longer than usual: {stalled[0]} of {messages} without, "
          f"{stalled[1]} of {messages} with.")
    return cost >= LIMIT or stalled[1] > messages * STALLS


def stalls(rounds, usual):
    return sum(taken > usual + STALL for round_ in rounds for taken in round_)


def main(stage, transport):
    bench = Bench(stage, transport)
    failed = [kind for kind in KINDS if compare(transport, kind, *bench.alternate(kind))]
    for kind in failed:
        print(f"\nTOO SLOW over {transport}: {kind}. Allowed is less than {LIMIT:.0f} ms at the median, and "
              f"{STALLS:.0%} of the messages may stall.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
