"""relays.py: what the matrix puts between the milter and its neighbours: a relay to slapd that breaks connections in the ways
in which networks and servers do, and a gate between Postfix and the milter that stops a message at a point."""

import contextlib
import itertools
import queue
import random
import socket
import struct
import threading
import time
from dataclasses import dataclass

CHUNK = 65536
MOST = 256 << 20  # octets that a stream without end has here: the machine has others to serve
CONNECTS = 0.2  # s: longer than connecting on loopback takes, shorter than until the system tries again


# ------------------------------------------------------------------------------------------------------------ BER

def element(tag, *parts):
    """An element of BER (X.690 section 8.1), its length in the shortest form."""
    value = b"".join(parts)
    return bytes([tag]) + size(len(value)) + value


def size(count):
    if count < 128:
        return bytes([count])
    octets = count.to_bytes((count.bit_length() + 7) // 8)
    return bytes([0x80 | len(octets)]) + octets


def read_element(octets):
    """The tag of the first element, its value, and what follows; None if it is not there as a whole."""
    if len(octets) < 2:
        return None
    length, start = octets[1], 2
    if length > 127:
        start += length & 0x7F
        length = int.from_bytes(octets[2:start])
    if len(octets) < start + length:
        return None
    return octets[0], octets[start:start + length], octets[start + length:]


def number(value):
    return element(2, value.to_bytes(4))


def done(message, operation, code, text=b""):
    """The end of an operation (RFC 4511 section 4.1.9)."""
    return element(0x30, number(message), element(operation, element(10, bytes([code])), element(4), element(4, text)))


def entry(message, octets=60_000):
    """An entry (RFC 4511 section 4.5.2) with a long value."""
    values = element(0x30, element(4, b"cn"), element(0x31, element(4, b"x" * octets)))
    return element(0x30, number(message), element(0x64, element(4, b"cn=x,dc=example,dc=org"), element(0x30, values)))


def nested(depth):
    """An element in an element, so often."""
    head, length = [], 0
    for _ in range(depth):
        head.append(b"\x30" + size(length))
        length += len(head[-1])
    return b"".join(reversed(head))


# ---------------------------------------------------------------------------------------------------- what relays do

class Forward:
    """Passes everything on; what breaks connections is made of it. `asked` has octets for slapd and `answered` those for
    the milter; what they give back is passed on, and None ends the connection."""

    hears = True  # connections are accepted

    def connected(self, connection):
        """A connection was opened, before slapd or the milter said anything."""

    def asked(self, connection, octets):
        return octets

    def answered(self, connection, octets):
        return octets


class Silence(Forward):
    """Takes connections and what is sent on them, and says nothing."""

    def asked(self, connection, octets):
        return b""

    answered = asked


class BlackHole(Silence):
    """Is not there: packets vanish, also those of new connections."""

    hears = False


class Close(Forward):
    """Ends every connection at once."""

    def connected(self, connection):
        connection.end()


class Garbage(Forward):
    """Answers with these octets whatever is sent; so often, or until `MOST`."""

    def __init__(self, octets, forever=False, greets=False):
        self.octets, self.forever, self.greets = octets, forever, greets
        self.sent = 0

    def connected(self, connection):
        if self.greets:
            self.asked(connection, b"")

    def asked(self, connection, octets):
        if self.forever:
            threading.Thread(target=self.stream, args=[connection], daemon=True).start()
        else:
            self.sent += len(self.octets)
            connection.say(self.octets)
        return b""

    def answered(self, connection, octets):
        return b""

    def stream(self, connection):
        count = 0
        with contextlib.suppress(OSError):
            while count < MOST:
                connection.client.sendall(self.octets)
                count += len(self.octets)
                self.sent += len(self.octets)


class Slow(Forward):
    """Every answer comes so late. Several are on their way at the same time."""

    def __init__(self, late):
        self.late = late

    def answered(self, connection, octets):
        connection.say(octets, time.monotonic() + self.late)
        return b""


class CutAnswers(Forward):
    """Ends the connection in the middle of an answer."""

    def __init__(self):
        self.cuts = 0

    def answered(self, connection, octets):
        self.cuts += 1
        connection.say(octets[:len(octets) // 2])
        return None


class Answers(Forward):
    """Lets everybody in, and answers searches for entries by itself: RFC 4511 section 4.5.2."""

    def __init__(self, of_search):
        self.of_search = of_search
        self.count = 0

    def asked(self, connection, octets):
        passed = b""
        connection.pending += octets
        while read := read_element(connection.pending):
            tag, value, rest = read
            whole, connection.pending = connection.pending[:len(connection.pending) - len(rest)], rest
            _, message, operation = read_element(value)
            kind, search, _ = read_element(operation)
            # The root of the tree is asked for what the server can do.
            if kind == 0x63 and read_element(search)[1]:
                self.count += 1
                self.of_search(connection, int.from_bytes(message))
            else:
                passed += whole
        return passed


def refusing(code):
    """Of these result codes: busy is 51, unavailable 52 (RFC 4511 appendix A.2)."""
    return Answers(lambda connection, message: connection.say(done(message, 0x65, code)))


def endless_answer():
    """An answer with entries, and no end."""
    def stream(connection, message):
        def send():
            with contextlib.suppress(OSError):
                for _ in range(MOST // 60_000):
                    connection.client.sendall(entry(message))
        threading.Thread(target=send, daemon=True).start()
    return Answers(stream)


class CutTls(Forward):
    """Ends connections in the middle of a record of TLS (RFC 8446 section 5.1): the server's first, in the handshake, or
    the one with the answer to the first question."""

    HEAD, APPLICATION = 5, 23

    def __init__(self, in_handshake):
        self.in_handshake = in_handshake
        self.cuts = 0

    def records(self, octets):
        while len(octets) >= self.HEAD:
            length = struct.unpack("!H", octets[3:5])[0]
            yield octets[0], octets[:self.HEAD + length]
            octets = octets[self.HEAD + length:]

    def asked(self, connection, octets):
        connection.questions += sum(kind == self.APPLICATION for kind, _ in self.records(octets))
        return octets

    def answered(self, connection, octets):
        # The first encrypted record of a client ends its handshake.
        if self.in_handshake or connection.questions > 1:
            self.cuts += 1
            first = next((record for _, record in self.records(octets)), octets)
            connection.say(first[:max(1, len(first) // 2)])
            return None
        return octets


# ---------------------------------------------------------------------------------------------------------- relay

class Connection:
    """A connection through the relay."""

    def __init__(self, relay, client):
        self.relay, self.client = relay, client
        self.server = socket.create_connection(("127.0.0.1", relay.target))
        self.pending, self.questions = b"", 0
        self.late = queue.SimpleQueue()
        relay.mode.connected(self)
        for work in (self.asks, self.answers, self.write):
            threading.Thread(target=work, daemon=True).start()

    def say(self, octets, due=0.0):
        self.late.put((due, octets))

    def write(self):
        while item := self.late.get():
            due, octets = item
            time.sleep(max(0.0, due - time.monotonic()))
            try:
                self.client.sendall(octets)
            except OSError:
                return
        self.end()

    def asks(self):
        self.copy(self.client, self.server.sendall, lambda octets: self.relay.mode.asked(self, octets))

    def answers(self):
        self.copy(self.server, self.say, lambda octets: self.relay.mode.answered(self, octets))

    def copy(self, source, give, change):
        with contextlib.suppress(OSError):
            while octets := source.recv(CHUNK):
                changed = change(octets)
                if changed is None:
                    break
                if changed:
                    give(changed)
        # What was said before still goes out.
        self.late.put(None)

    def end(self):
        for end in (self.client, self.server):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


class Relay:
    """A relay to a port of 127.0.0.1."""

    def __init__(self, target):
        self.target = target
        self.mode = Forward()
        self.open, self.stuffing = [], []
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        # So short a queue is soon full.
        self.listener.listen(1)
        self.port = self.listener.getsockname()[1]
        self.hears = threading.Event()
        self.hears.set()
        threading.Thread(target=self.accept, daemon=True).start()

    def set(self, mode, cut=False):
        """What becomes of connections from now on; `cut` ends those that are open."""
        self.mode = mode
        if mode.hears:
            self.hears.set()
            for end in self.stuffing:
                end.close()
            self.stuffing = []
        else:
            self.hears.clear()
            self.fill()
        if cut:
            for connection in self.open:
                connection.end()
            self.open = []
        return mode

    def fill(self):
        """Connects until nobody answers any more: the system drops what comes besides."""
        for _ in range(64):
            end = socket.socket()
            end.settimeout(CONNECTS)
            try:
                end.connect(("127.0.0.1", self.port))
            except TimeoutError:
                end.close()
                return
            self.stuffing.append(end)
        raise RuntimeError("the relay takes every connection")

    def accept(self):
        while True:
            client = self.listener.accept()[0]
            # One that was waited for while nobody is to be heard stays unheard until then.
            self.hears.wait()
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                self.open.append(Connection(self, client))
            except OSError:
                client.close()


def random_octets(seed):
    return random.Random(seed).randbytes(4096)


# ----------------------------------------------------------------------------------------------------------- gate

@dataclass(frozen=True)
class Point:
    """Where a message is stopped: after the milter got so many packets of this kind from Postfix, and so many of its
    packets in return were passed on; `WORD`: up to the one that ends them."""

    kind: bytes
    count: int = 1
    passed: int = 0


WORD = -1
LAST_WORDS = b"acdrty"  # accept, continue, discard, reject, tempfail, a reply with its text


class Gate:
    """Between Postfix and the milter at `target`: passes packets on (libmilter's mfdef.h), and stops one connection."""

    def __init__(self, path, target):
        self.target = target
        self.point = None
        self.stopped, self.released = threading.Event(), threading.Event()
        self.lock = threading.Lock()
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen()
        threading.Thread(target=self.accept, daemon=True).start()

    def stop_at(self, point):
        self.stopped.clear()
        self.released.clear()
        self.point = point

    def release(self):
        """Breaks the stopped connection off; those that follow pass."""
        self.point = None
        self.released.set()

    def accept(self):
        while True:
            postfix = self.listener.accept()[0]
            milter = socket.socket(socket.AF_UNIX)
            try:
                milter.connect(self.target)
            except OSError:
                postfix.close()
                continue
            Passage(self, postfix, milter)


class Passage:
    """A connection through the gate."""

    def __init__(self, gate, postfix, milter):
        self.gate, self.postfix, self.milter = gate, postfix, milter
        self.counts = {}
        self.armed = None  # how many replies may still pass
        for work in (self.asks, self.answers):
            threading.Thread(target=self.guarded, args=[work], daemon=True).start()

    def guarded(self, work):
        with contextlib.suppress(OSError, EOFError):
            work()
        for end in (self.postfix, self.milter):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def asks(self):
        for kind, packet in packets(self.postfix):
            self.counts[kind] = self.counts.get(kind, 0) + 1
            point = self.gate.point
            here = point and kind == point.kind and self.counts[kind] == point.count
            if here:
                self.armed = point.passed
            self.milter.sendall(packet)
            # Not every packet is answered.
            if here and not point.passed:
                self.halt()

    def answers(self):
        for kind, packet in packets(self.milter):
            armed = self.armed
            if armed == 0:
                self.gate.released.wait()
                raise EOFError
            self.postfix.sendall(packet)
            if armed == WORD and kind in LAST_WORDS:
                self.halt()
            if armed and armed > 0:
                self.armed = armed - 1
                if self.armed == 0:
                    self.halt()

    def halt(self):
        self.gate.stopped.set()
        self.gate.released.wait()
        raise EOFError


def packets(source):
    for _ in itertools.count():
        head = exactly(source, 4)
        data = exactly(source, int.from_bytes(head))
        yield data[:1], head + data


def exactly(source, count):
    octets = b""
    while len(octets) < count:
        more = source.recv(count - len(octets))
        if not more:
            raise EOFError
        octets += more
    return octets
