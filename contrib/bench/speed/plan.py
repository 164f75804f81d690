"""What is measured, and what is asked of it."""

from dataclasses import dataclass

TRANSPORTS = ("unix", "inet")
# How much slower than the yardstick's the slowest message in a hundred may be: what rounds of one filter differ by.
P99_LIMIT = 1.05
MEMORY_CONNECTIONS, MEMORY_LIMIT = 500, 24.0  # MB
P50_LIMIT = 0.15  # ms above no milter, through Postfix over unix
ONE_REPLY = 1.001  # more a message with scheduling


@dataclass(frozen=True)
class Case:
    """A comparison straight on the filters' sockets."""
    transport: str
    connections: int
    messages: int = 0  # in a connection; 0: as many as fit into the round
    kind: str = "on behalf"
    scheduling: str = "off"
    filter: str = "milter"  # that is compared with the yardstick; "milter" is ours

    @property
    def name(self):
        connections = f"{self.connections} connection{'s' * (self.connections > 1)}"
        return f"{self.transport}, {connections}{', a message each' * (self.messages == 1)}"

    @property
    def group(self):
        if self.filter != "milter":
            return f"{self.filter}, for the record"
        return f"{self.kind}, scheduling {self.scheduling}"

    @property
    def full_name(self):
        return f"{self.group}: {self.name}"

    @property
    def measured(self):
        """The name of the filter that is measured."""
        return f"milter-{self.scheduling}" if self.filter == "milter" else self.filter

    @property
    def least(self):
        """The least ratio to the yardstick's messages/s that is asked for; None: any."""
        if self.filter != "milter" or self.kind != "on behalf":
            return None
        if self.messages == 1:
            return 0.95 if self.scheduling == "off" else None
        if self.scheduling == "off":
            return 0.95 if self.connections == 1 else 1.0
        return 0.75 if self.connections == 1 else 0.95


def all_cases():
    for scheduling in ("off", "on"):
        for transport in TRANSPORTS:
            for connections in (1, 20, 200):
                yield Case(transport, connections, scheduling=scheduling)
            for connections in (1, 20) if scheduling == "off" else (20,):
                yield Case(transport, connections, messages=1, scheduling=scheduling)
    for kind in ("own", "refused", "unauthenticated"):
        for transport in TRANSPORTS:
            yield Case(transport, 20, kind=kind)
    for other in ("pymilter", "opendkim"):
        for transport in TRANSPORTS:
            for connections in (1, 20):
                yield Case(transport, connections, kind="own", filter=other)


@dataclass(frozen=True)
class Service:
    """What Postfix asks about a message: no filter, or one; it knows by the client's address."""
    name: str
    filter: str | None
    address: str


def services(transport):
    net = {"unix": "127.0.1", "inet": "127.0.2"}[transport]
    asked = [Service("no filter", None, f"{net}.1"), Service("milter", "milter-off", f"{net}.2"),
             Service("milter, scheduling on", "milter-on", f"{net}.3"), Service("yardstick", "yardstick", f"{net}.4")]
    # What Postfix itself takes. Over TCP, libmilter's two writes for a modification and the last reply take 40 ms.
    floor = [Service("a reply at the end alone", "last", f"{net}.5"), Service("that and a Sender", "sender", f"{net}.6")]
    return [*asked, *floor] if transport == "unix" else asked


@dataclass(frozen=True)
class Passage:
    """A comparison through Postfix."""
    transport: str
    kind: str
    clients: int

    @property
    def name(self):
        return f"{self.transport}, {self.kind}, {self.clients} client{'s' * (self.clients > 1)}"

    @property
    def full_name(self):
        return f"Postfix: {self.name}"


def all_passages():
    for transport in TRANSPORTS:
        for kind in ("own", "on behalf"):
            for clients in (1, 20):
                yield Passage(transport, kind, clients)
