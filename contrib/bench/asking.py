"""asking.py: what the benches share that ask a directory: entries in LDIF, messages straight to the milter, what slapd was
asked, and how figures are told."""

import collections
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

from memory import CONTINUE, Connection, packet, strings

BASE = "dc=example,dc=org"
GROUP_DEPTH = 16  # directory.group_depth


def must_ask(levels):
    """For the login, the address, and each level; where the depth allows, there is one more to find none."""
    return 2 + min(levels + 1, GROUP_DEPTH)


# ------------------------------------------------------------------------------------------------------- entries

def entry(dn, *fields):
    name, value = dn.split(",", 1)[0].split("=")
    return "\n".join([f"dn: {dn}", f"{name}: {value}", *fields, "", ""])


# ------------------------------------------------------------------------------------------------------ messages

class Writer:
    """Who writes messages straight to the milter's socket, as Postfix hands them over, but all at once."""

    def __init__(self, path):
        self.connection = Connection(path)

    def write(self, login, address, author):
        """A message with this author: the milter's last word, "accept" or the reply that refuses."""
        connection = self.connection
        connection.socket.sendall(b"".join([
            packet(b"D", b"M" + strings(["{auth_authen}", login, "{mail_addr}", address])),
            packet(b"M", strings([f"<{address}>"])),
            packet(b"D", b"T" + strings(["i", "4jX51g51BMz1V0gX"])),
            packet(b"L", strings(["From", f" {author}"])),
            packet(b"N", b""),
        ]))
        for what in ("MAIL", "From"):
            if (answer := connection.receive()) != (CONTINUE, b""):
                sys.exit(f"the milter answers {answer} to {what}")
        kind, data = connection.receive()
        # It does without the rest of a message that it has nothing to change about.
        if kind == CONTINUE:
            connection.send(b"E", b"")
            kind, data = connection.receive()
            # Changes of the header and the envelope (libmilter's mfdef.h) come before the last word.
            while kind in (b"h", b"i", b"m", b"e"):
                kind, data = connection.receive()
        return "accept" if kind in (b"a", CONTINUE) else (kind + data).rstrip(b"\0").decode()

    def close(self):
        self.connection.socket.close()


# --------------------------------------------------------------------------------------------------- what is asked

class Server:
    """What slapd was asked and how long it took, by its log; what the milter's connection carried, by the kernel."""

    def __init__(self, directory):
        directory = Path(directory)
        self.directory = directory
        self.log = (directory / "log").open(errors="replace")
        self.log.read()
        self.carried = octets(directory)

    def since(self):
        """Since this was last asked: the searches, what slapd says they took in ms, octets sent to it, and by it."""
        searches, answered, took = 0, 0, 0.0
        deadline = time.monotonic() + 10
        while True:
            for line in self.log:
                searches += " SRCH base=" in line
                if result := re.search(r" SEARCH RESULT .* etime=([0-9.]+)", line):
                    answered, took = answered + 1, took + float(result[1]) * 1000
            # It logs an answer once it is sent.
            if answered == searches:
                break
            if time.monotonic() > deadline:
                sys.exit(f"slapd logged {searches} searches and {answered} answers")
            time.sleep(0.01)
        before, self.carried = self.carried, octets(self.directory)
        return searches, took, *(now - then for now, then in zip(self.carried, before))


def octets(directory):
    """What went to slapd and came from it on all connections, TCP's and IP's own left out (ss(8))."""
    port = (directory / "ports").read_text().strip().removeprefix("ldap=")
    lines = subprocess.run(["ss", "-tinH", f"dport = :{port}"], capture_output=True, text=True, check=True)
    counts = collections.Counter()
    for name, count in re.findall(r"\b(bytes_\w+):(\d+)", lines.stdout):
        counts[name] += int(count)
    if not counts["bytes_received"]:
        sys.exit(f"the milter has no connection to slapd:\n{lines.stdout}")
    # On a busy machine TCP sends again what was not lost (RFC 8985 section 7, tail loss probes).
    return counts["bytes_sent"] - counts["bytes_retrans"], counts["bytes_received"]


# --------------------------------------------------------------------------------------------------------- figures

def p99(values):
    return statistics.quantiles(values, n=100, method="inclusive")[98]


def ratio(values, yardstick, summary):
    return summary(values) / summary(yardstick)


def print_row(name, columns, cell):
    print(f"  {name:<42}" + "".join(f"{cell(column):>16}" for column in columns))
