"""large.py people SIZE: prints the people and groups of the company, in LDIF.
large.py indexes STAGE: whether slapd has an index for all that the large company's milter asks; it must log "filter".
large.py cold STAGE: measures cold decisions in the large and in the small company.
large.py known STAGE PID: has everybody in the large company write, and measures the milter's memory, by its process id.
large.py watch STAGE PID: measures the milter that hears of changes.

The exit status is 1 if something asks, moves or takes too much."""

import json
import os
import re
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from asking import BASE, Server, Writer, entry, must_ask, octets, p99, ratio
from memory import Process

SENDERS = 200  # of each kind; as many others, whom they write for
GRANTS = 1000  # of somebody who has many
GROUPS = 20  # of somebody who is in many
LEVELS = 16
LIMIT = 64 * 1024  # octets, both ways
# A login, an address and a name are as long in both companies, and so are the questions. What is left are the numbers of
# messages (RFC 4511 section 4.1.1.1), an octet or two of each.
LENIENCE = 4  # octets for each search
ROUND = 20
# Asked for only among groups that have a certain member, and next to "not mail=*", which no index helps.
NOT_INDEXED = {"delegationSecurityGroup"}
WRITERS = 8  # at a time, who make everybody known
SAMPLE = 20  # one in so many of them writes again
CHANGES = 20  # of each sort
COUNTS = 1000  # ms, within which a change must count


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
    # The other members have left: else it would take an hour to make everybody known.
    crowd = [person(number).replace("uid=person", "uid=former") for number in range(size.group)]
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

    def __init__(self, stage, size, milter):
        self.writer = Writer(str(stage / milter / "milter.sock"))
        self.log = (stage / milter / "log").open()
        self.log.read()
        self.server = Server(stage / f"{size}-directory")

    def write(self, kind, sender):
        """A message on behalf of the principal: how long the decision took by the milter's log, and what it asked."""
        answer = self.writer.write(login(sender), address(sender), address(principal(sender)))
        line = self.decision()
        verdict = "refuse" if kind.granted == "nobody" else "accept"
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


def check_indexes(stage):
    """One of each kind writes. slapd tells of an index that it misses before it answers; whether it does in time is not
    what is looked at here."""
    stage = Path(stage)
    writer, log = Writer(str(stage / "indexes" / "milter.sock")), (stage / "large-directory" / "log").open(errors="replace")
    for sender in (senders(kind)[0] for kind in KINDS):
        writer.write(login(sender), address(sender), address(principal(sender)))
    lines = log.readlines()
    searches = sum(" SRCH base=" in line for line in lines)
    missing = {found[1] for line in lines if (found := re.search(r"\((\S+)\) not indexed$", line))}
    if searches == 0 or not missing <= NOT_INDEXED:
        print(f"TOO MUCH: in {searches} searches slapd has to do without an index for {', '.join(sorted(missing))}")
        return 1
    print(f"In {searches} searches about {len(KINDS)} people slapd misses no index but for {', '.join(sorted(missing))}")
    return 0


def measure_cold(stage):
    stage = Path(stage)
    companies, rows = {size: Company(stage, size, size) for size in SIZES}, [Row(kind) for kind in KINDS]
    for start in range(0, SENDERS, ROUND):
        for row in rows:
            for sender in senders(row.kind)[start:start + ROUND]:
                for size in sorted(SIZES, reverse=sender % 2):
                    row.cold[size].append(companies[size].write(row.kind, sender))
    print_cold(rows)
    faults = [fault for row in rows for fault in row.faults()]
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


# ------------------------------------------------------------------------------------------------------ the memory

def measure_known(stage, pid):
    """slapd logs nothing here: what it logs of a million searches would not go into memory."""
    stage, milter, size = Path(stage), Process(pid), SIZES["large"]
    path = str(stage / "known" / "milter.sock")
    nested = {sender for kind in KINDS if kind.key for sender in senders(kind)}
    print(f"\n{'in MB':<60}{'resident':>9}{'most so far':>13}")
    milter.measure("the milter at its start", 60)
    begin = time.monotonic()
    others = [number for number in range(size.people) if number not in nested]
    everybody_writes(path, others)
    rate = len(others) / (time.monotonic() - begin)
    milter.measure(f"when it knows {len(others)} people in no group", 60)
    everybody_writes(path, sorted(nested))
    milter.measure(f"and {SENDERS} in {GROUPS} groups, {2 * SENDERS} with {LEVELS} levels of them, {2 * SENDERS} in one", 60)
    before = octets(stage / "large-directory")
    everybody_writes(path, range(0, size.people, SAMPLE))
    if octets(stage / "large-directory") != before:
        sys.exit("TOO MUCH: it asks about people whom it should know")
    print(f"\n{WRITERS} writers at a time made {rate:.0f} people in no group known in a second.")


def everybody_writes(path, people):
    """Everybody as themselves."""
    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(lambda first: some_write(path, people[first::WRITERS]), range(WRITERS)))


def some_write(path, people):
    writer = Writer(path)
    for number in people:
        if (answer := writer.write(login(number), address(number), address(number))) != "accept":
            sys.exit(f"large.py: the milter answers {answer} to {login(number)} with an own address")
    writer.close()


# ----------------------------------------------------------------------------------------------------- the changes

def measure_watch(stage, pid):
    stage = Path(stage)
    directory, milter = stage / "large-directory", Process(pid)
    writer, faults, meanwhile = Writer(str(stage / "watch" / "milter.sock")), [], []
    lines = until_it_hears((stage / "watch" / "log").open(), writer, meanwhile)
    begun, told = (datetime.fromisoformat(line["timestamp"].replace("Z", "+00:00")) for line in (lines[0], lines[-1]))
    sent, received = octets(directory)
    print(f"\nThe milter hears of changes {(told - begun).total_seconds():.2f} s after its first word."
          f" {received / 2**20:.1f} MB came, {sent} octets went; slapd took {slapd_seconds(directory):.2f} s of processor.")
    print(f"Meanwhile it decides about {len(meanwhile)} people in no group who write one after the other, p50 / p99 / most:"
          f" {statistics.median(meanwhile):.2f} / {p99(meanwhile):.2f} / {max(meanwhile):.2f} ms.")
    print(f"\n{'in MB':<60}{'resident':>9}{'most so far':>13}")
    milter.measure("the milter when it hears of changes", 60)
    sorts = {f"a grant is revoked, {CHANGES} times": revocations, f"somebody joins a group of {SIZES['large'].group}": joins}
    for what, changes in sorts.items():
        times = [until_it_counts(writer, directory, change) for change in changes()]
        took, counted = (sorted(column) for column in zip(*times))
        print(f"\nWhen {what}, ldapmodify takes {statistics.median(took):.1f} ms (most: {took[-1]:.1f}),"
              f" and it counts {statistics.median(counted):.1f} ms later (most: {counted[-1]:.1f}).")
        if counted[-1] >= COUNTS:
            faults.append(f"{what}: a change counts after {counted[-1]:.0f} ms")
    milter.measure("the milter after that", 60)
    for fault in faults:
        print(f"\nTOO MUCH: {fault}")
    return 1 if faults else 0


@dataclass(frozen=True)
class Change:
    """A change of an entry, and whose message for whom it decides."""

    dn: str
    change: str
    sender: int
    principal: int
    accepted: bool  # once it is made


def revocations():
    for sender in senders(KINDS[0])[:CHANGES]:
        dn = person(principal(sender))
        yield Change(dn, "delete: delegationSendOnBehalf", sender, principal(sender), False)


def joins():
    granted = next(kind for kind in KINDS if kind.key == "one" and kind.granted == "group")
    whom = principal(senders(granted)[0])
    for sender in senders(KINDS[0])[CHANGES:2 * CHANGES]:
        yield Change(group("one", 1), f"add: member\nmember: {person(sender)}", sender, whom, True)


def until_it_counts(writer, directory, change):
    """How long ldapmodify takes, and how long after it the first message is decided by the change, in ms."""
    def accepted():
        answer = writer.write(login(change.sender), address(change.sender), address(change.principal))
        return answer == "accept"
    if accepted() == change.accepted:
        sys.exit(f"large.py: the change to {change.dn} changes nothing")
    begin = time.monotonic()
    subprocess.run(["ldapmodify", "-x", "-D", f"cn=admin,{BASE}", "-w", "admin", "-H", ldap_url(directory)], check=True,
                   input=f"dn: {change.dn}\nchangetype: modify\n{change.change}\n", text=True, capture_output=True)
    made = time.monotonic()
    while accepted() != change.accepted:
        if time.monotonic() > made + 60:
            sys.exit(f"TOO MUCH: the change to {change.dn} does not count")
    return (made - begin) * 1000, (time.monotonic() - made) * 1000


def ldap_url(directory):
    return "ldap://127.0.0.1:" + (directory / "ports").read_text().strip().removeprefix("ldap=")


def until_it_hears(log, writer, took):
    """What is logged until the milter hears of changes. Until then people write as themselves: how long each took, in ms."""
    lines, deadline, people = [], time.monotonic() + 120, iter(range(SIZES["large"].people))
    while time.monotonic() < deadline:
        while line := log.readline():
            lines.append(json.loads(line))
            if lines[-1].get("message") == "the directory tells of changes":
                return lines
        number, begin = 2 * len(KINDS) * SENDERS + next(people), time.monotonic()
        if (answer := writer.write(login(number), address(number), address(number))) != "accept":
            sys.exit(f"large.py: the milter answers {answer} to {login(number)} with an own address")
        took.append((time.monotonic() - begin) * 1000)
    sys.exit("large.py: the milter does not come to hear of changes")


def slapd_seconds(directory):
    """How much processor it has used since it was started (proc(5), stat)."""
    pid = (directory / "slapd.pid").read_text().strip()
    times = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(ticks) for ticks in times[11:13]) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    commands = {"people": write_people, "indexes": check_indexes, "cold": measure_cold, "known": measure_known,
                "watch": measure_watch}
    sys.exit(commands[sys.argv[1]](*sys.argv[2:]))
