"""large.py people SIZE: prints the people and groups of the company, in LDIF.
large.py cold STAGE: measures cold decisions in the large and in the small company.

The exit status is 1 if one of them asks or moves too much."""

import json
import statistics
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from asking import BASE, Server, Writer, entry, must_ask, p99, ratio

SENDERS = 200  # of each kind; as many others, whom they write for
GRANTS = 1000  # of somebody who has many
GROUPS = 20  # of somebody who is in many
LEVELS = 16
LIMIT = 64 * 1024  # octets, both ways
# A login, an address and a name are as long in both companies, and so are the questions. What is left are the numbers of
# messages (RFC 4511 section 4.1.1.1), an octet or two of each.
LENIENCE = 4  # octets for each search
ROUND = 20


@dataclass(frozen=True)
class Size:
    people: int
    group: int  # members


SIZES = {"large": Size(200_000, 100_000), "small": Size(5_000, 500)}


# ----------------------------------------------------------------------------------------------------- the company

@dataclass(frozen=True)
class Kind:
    """People who write for somebody else, each for another one."""

    what: str
    key: str  # of the groups that they are in
    groups: int  # in which they are directly
    levels: int
    granted: str  # whom the principal names: self, many (and self), group (the last and uppermost), nobody


KINDS = [
    Kind("in no group", "", 0, 0, "self"),
    Kind("in a group", "one", 1, 1, "self"),
    Kind("in a group, which is granted", "one", 1, 1, "group"),
    Kind(f"in {GROUPS} groups, one of which is granted", "many", GROUPS, 1, "group"),
    Kind(f"{LEVELS} levels below what is granted", "chain", 1, LEVELS, "group"),
    Kind(f"{LEVELS} levels of groups, not granted: refused", "chain", 1, LEVELS, "nobody"),
    Kind(f"in no group, one of {GRANTS} grants", "", 0, 0, "many"),
]


def login(number):
    return f"person{number:06}"


def address(number):
    return f"{login(number)}@example.org"


def person(number):
    return f"uid={login(number)},ou=people,{BASE}"


def senders(kind):
    first = KINDS.index(kind) * SENDERS
    return range(first, first + SENDERS)


def principal(sender):
    return sender + len(KINDS) * SENDERS


def group(key, number):
    return f"cn={key}-{number:02},ou=groups,{BASE}"


def granted(kind, sender):
    """Whom the principal of the sender names."""
    if kind.granted == "many":
        # The others are neither senders nor principals.
        return [*(person(principal(principal(0)) + other) for other in range(GRANTS - 1)), person(sender)]
    uppermost = max(kind.groups, kind.levels)
    return {"self": [person(sender)], "group": [group(kind.key, uppermost)], "nobody": []}[kind.granted]


def write_people(size):
    size, write = SIZES[size], sys.stdout.write
    for unit in ("people", "groups"):
        write(entry(f"ou={unit},{BASE}", "objectClass: organizationalUnit"))
    grants = {principal(sender): granted(kind, sender) for kind in KINDS for sender in senders(kind)}
    for number in range(size.people):
        write(entry(person(number), "objectClass: inetOrgPerson", "objectClass: delegationPrincipal",
                    f"cn: Person {number:06}", f"sn: {number:06}", f"displayName: Person {number:06} of Example",
                    f"mail: {address(number)}", f"delegationAlias: p.{number:06}@example.org",
                    *(f"delegationSendOnBehalf: {name}" for name in grants.get(number, []))))
    crowd = [person(number) for number in range(size.people - size.group, size.people)]
    write_group(group("one", 1), members("one"), crowd)
    for number in range(1, GROUPS + 1):
        write_group(group("many", number), members("many"), crowd)
    for level in range(1, LEVELS + 1):
        write_group(group("chain", level), [group("chain", level - 1)] if level > 1 else members("chain"), crowd)


def members(key):
    return [person(sender) for kind in KINDS if kind.key == key for sender in senders(kind)]


def write_group(dn, members, crowd):
    """As many members in all as there are in the crowd."""
    members = members + crowd[len(members):]
    sys.stdout.write(entry(dn, "objectClass: groupOfNames", *(f"member: {member}" for member in members)))


# ---------------------------------------------------------------------------------------------------- the messages

class Company:
    """A milter and the slapd that it asks, and nobody else does."""

    def __init__(self, stage, size):
        self.writer = Writer(str(stage / size / "milter.sock"))
        self.log = (stage / size / "log").open()
        self.log.read()
        self.server = Server(stage / f"{size}-directory")

    def write(self, kind, sender):
        """A message on behalf of the principal: how long the decision took by the milter's log, and what it asked."""
        answer = self.writer.write(login(sender), address(sender), address(principal(sender)))
        line = self.decision()
        verdict = "reject" if kind.granted == "nobody" else "accept"
        if (line.get("login"), line.get("verdict")) != (login(sender), verdict):
            sys.exit(f"large.py: the milter answered {answer!r} and logged {line}")
        return Cold(line["ms"], *self.server.since())

    def decision(self):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if line := self.log.readline():
                return json.loads(line)
            time.sleep(0.0005)
        sys.exit("large.py: the milter logged nothing")


@dataclass(frozen=True)
class Cold:
    """What one cold decision cost."""

    ms: float
    searches: int
    slapd_ms: float
    sent: int
    received: int

    @property
    def octets(self):
        return self.sent + self.received


@dataclass
class Row:
    """All cold decisions about one kind of people, in both companies."""

    kind: Kind
    cold: dict = field(default_factory=lambda: {size: [] for size in SIZES})

    def most(self, size, name):
        return max(getattr(cold, name) for cold in self.cold[size])

    def median(self, size, name):
        return statistics.median(getattr(cold, name) for cold in self.cold[size])

    def faults(self):
        must = must_ask(self.kind.levels)
        for size in SIZES:
            if {cold.searches for cold in self.cold[size]} != {must}:
                yield f"{self.kind.what}, {size}: up to {self.most(size, 'searches')} searches instead of {must}"
            if self.most(size, "octets") >= LIMIT:
                yield f"{self.kind.what}, {size}: {self.most(size, 'octets')} octets"
        if self.most("large", "octets") > self.most("small", "octets") + LENIENCE * must:
            yield f"{self.kind.what}: more octets in the large company than in the small one"


def measure_cold(stage):
    stage = Path(stage)
    companies, rows = {size: Company(stage, size) for size in SIZES}, [Row(kind) for kind in KINDS]
    for start in range(0, SENDERS, ROUND):
        for row in rows:
            for sender in senders(row.kind)[start:start + ROUND]:
                for size in sorted(SIZES, reverse=sender % 2):
                    row.cold[size].append(companies[size].write(row.kind, sender))
    print_cold(rows)
    faults = [fault for row in rows for fault in row.faults()]
    faults += [f"{size}: slapd logged {company.server.unindexed[0]}, {len(company.server.unindexed)} lines like that"
               for size, company in companies.items() if company.server.unindexed]
    for fault in faults:
        print(f"\nTOO MUCH: {fault}")
    return 1 if faults else 0


def print_cold(rows):
    print(f"\nOf {SENDERS} cold decisions each: searches and octets of the one that asked most; p50 / p99 in ms")
    print(f"{'':<44}{'searches':>9}{'to slapd':>9}{'by slapd':>9}{'slapd':>12}{'decision':>16}{'small':>14}{'ratio':>12}")
    for row in rows:
        times = {size: [cold.ms for cold in row.cold[size]] for size in SIZES}
        pair = {size: " / ".join(f"{summary(times[size]):.2f}" for summary in (statistics.median, p99)) for size in SIZES}
        factor = " / ".join(f"{ratio(times['large'], times['small'], summary):.1f}" for summary in (statistics.median, p99))
        print(f"{row.kind.what:<44}{row.most('large', 'searches'):>9}{row.most('large', 'sent'):>9}"
              f"{row.most('large', 'received'):>9}{row.median('large', 'slapd_ms'):>12.2f}"
              f"{pair['large']:>16}{pair['small']:>14}{factor:>12}")


if __name__ == "__main__":
    sys.exit({"people": write_people, "cold": measure_cold}[sys.argv[1]](*sys.argv[2:]))
