"""memory.py STAGE SOCKET PID: sends the milter a large message through Postfix and many connections directly, and prints
the memory that it takes. The exit status is 1 if that is too much."""

import contextlib
import smtplib
import socket
import struct
import sys
import time
from pathlib import Path

MB = 1024  # in kB, as /proc counts
MESSAGE = 20 * MB * 1024  # octets
MESSAGE_LIMIT = 4 * MB
CONNECTIONS = 500
CONNECTIONS_LIMIT = 24 * MB

# The milter protocol, version 6 (libmilter's mfdef.h): what Postfix 3.7 offers, but for the permission to leave header
# fields (0x80) and the header's end (0x40000) unanswered: an answer says that they have been read.
VERSION, ACTIONS, STEPS = 6, 0x1FF, 0x1FFFFF & ~0x40080
NO_DATA = 0x200  # the milter does without the DATA step
CONTINUE = b"c"

FIELDS = [
    ("Received", "from client.example.org by relay.example.org; Sat, 21 Nov 2026 20:59:58 +0000"),
    ("From", "Bea Brandt <bea@example.org>"), ("To", ", ".join(f"recipient.{n}@example.net" for n in range(40))),
    ("Subject", "A message of usual length"), ("Date", "Sat, 21 Nov 2026 21:00:00 +0000"),
    ("Message-ID", "<1@example.org>"), ("MIME-Version", "1.0"), ("Content-Type", "text/plain; charset=utf-8"),
    ("Content-Transfer-Encoding", "7bit"), ("User-Agent", "memory"), ("Content-Language", "en"), ("X-Priority", "3"),
]


class Connection:
    """A connection to the milter, as Postfix opens it."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(path)
        self.send(b"O", struct.pack("!III", VERSION, ACTIONS, STEPS))
        kind, data = self.receive()
        if kind != b"O":
            sys.exit(f"memory.py: the milter answers {kind!r} to the negotiation")
        self.steps = struct.unpack("!III", data[:12])[2]

    def send_header(self):
        """A message up to the last field of its header."""
        self.macros(b"M", "{auth_authen}", "carl", "{mail_addr}", "carl@example.org")
        self.step(b"M", "<carl@example.org>")
        self.macros(b"T", "i", "4jX51g51BMz1V0gX")
        if not self.steps & NO_DATA:
            self.step(b"T")
        for name, body in FIELDS:
            self.step(b"L", name, " " + body)

    def step(self, kind, *texts):
        self.send(kind, strings(texts))
        answer, data = self.receive()
        if answer != CONTINUE:
            sys.exit(f"memory.py: the milter answers {answer + data!r} to {kind!r} {texts}")

    def macros(self, step, *names_and_values):
        self.send(b"D", step + strings(names_and_values))

    def send(self, kind, data):
        self.socket.sendall(packet(kind, data))

    def receive(self):
        length = struct.unpack("!I", self.exactly(4))[0]
        packet = self.exactly(length)
        return packet[:1], packet[1:]

    def exactly(self, count):
        octets = b""
        while len(octets) < count:
            more = self.socket.recv(count - len(octets))
            if not more:
                sys.exit("memory.py: the milter hung up")
            octets += more
        return octets


def packet(kind, data):
    return struct.pack("!I", len(data) + 1) + kind + data


def strings(texts):
    return b"".join(text.encode() + b"\0" for text in texts)


class Process:
    """The milter's memory in kB: resident now, and the most that it ever was (proc(5), status)."""

    def __init__(self, pid):
        self.status = Path(f"/proc/{pid}/status")
        # The pid must be the milter's: somebody else's memory proves nothing.
        if Path(f"/proc/{pid}/exe").resolve().name != "delegation-milter":
            sys.exit(f"memory.py: process {pid} is not the milter")

    def measure(self, when, width=42):
        values = dict(line.split(":", 1) for line in self.status.read_text().splitlines())
        resident, highest = (int(values[name].split()[0]) for name in ("VmRSS", "VmHWM"))
        print(f"{when:<{width}} {resident / MB:8.1f} {highest / MB:14.1f}")
        return highest


def send_large_message(stage):
    """Sends it and waits until it is delivered: on behalf, or the test is none."""
    ports = dict(line.split("=") for line in (stage / "ports").read_text().split())
    line = "A line of text, as people write it, and about as long as that.\r\n"
    content = "From: bea@example.org\r\nTo: you@example.net\r\n\r\n" + line * (MESSAGE // len(line) + 1)
    with smtplib.SMTP("127.0.0.1", int(ports["submission"]), timeout=120) as client:
        client.ehlo()
        client.docmd("XCLIENT", "LOGIN=carl")
        client.sendmail("carl@example.org", "you@example.net", content)
    check_delivered(delivered(stage / "mail" / "new"))


def delivered(maildir):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(FileNotFoundError, StopIteration):
            return next(maildir.iterdir())
        time.sleep(0.02)
    sys.exit("memory.py: the message is not delivered")


def check_delivered(path):
    header, _, body = path.read_bytes().partition(b"\n\n")
    # On disk, lines end in LF.
    octets = len(body) + body.count(b"\n")
    if octets < MESSAGE or b"\nSender: \"Carl Clausen\" <carl@example.org>" not in header:
        sys.exit(f"memory.py: this is not the message on behalf, changed and whole: {octets} octets\n{header.decode()}")


def main(stage, path, pid):
    milter = Process(pid)
    print(f"{'in MB':<42} {'resident':>8} {'most so far':>14}")
    start = milter.measure("at the start")
    send_large_message(Path(stage))
    after_message = milter.measure(f"after a message of {MESSAGE // MB // 1024} MB on behalf")
    connections = [Connection(path) for _ in range(CONNECTIONS)]
    for connection in connections:
        connection.send_header()
    most = milter.measure(f"with {CONNECTIONS} connections after their headers")
    raised = after_message - start
    print(f"\nThe message raised the most by {raised / MB:.1f} MB; allowed are {MESSAGE_LIMIT // MB} MB.")
    print(f"The connections took it to {most / MB:.1f} MB; allowed is less than {CONNECTIONS_LIMIT // MB} MB.")
    if raised > MESSAGE_LIMIT or most >= CONNECTIONS_LIMIT:
        print("TOO MUCH")
        return 1
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:]))
    except (smtplib.SMTPException, OSError) as error:
        sys.exit(f"memory.py: the dialogue broke off: {error!r}")
