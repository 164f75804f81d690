"""directory.py people: prints the people and groups, in LDIF.
directory.py measure STAGE PID PID: measures the milter on OpenLDAP and the one on the file, by their process ids.

The exit status is 1 if more is asked than must be, or if a message that asks nothing takes too long."""

import json
import statistics
import sys
import time
from pathlib import Path

from asking import BASE, Server, Writer, entry, must_ask, p99, print_row, ratio
from latency import Session, content
from memory import Process

PEOPLE = 5000
LEVELS = [0, 1, 4, 16]
SENDERS = 500  # for each number of levels; as many others, whom they write for
TEAM = 25  # those who are in the same groups
ROUND = 50  # messages
LIMIT = 1.5

# Where a client comes from decides which milter is asked.
SOURCES = {"openldap": "127.0.0.1", "file": "127.0.0.2"}


# ----------------------------------------------------------------------------------------------------- the company

def login(number):
    return f"person{number:04}"


def address(number):
    return f"{login(number)}@example.org"


def person(number):
    return f"uid={login(number)},ou=people,{BASE}"


def senders(levels):
    first = LEVELS.index(levels) * SENDERS
    return range(first, first + SENDERS)


def principal(sender):
    """For whom somebody writes."""
    return sender + len(LEVELS) * SENDERS


def group(levels, team, level):
    return f"cn=levels{levels}-team{team}-{level},ou=groups,{BASE}"


def delegate(levels, index):
    """Whom the principal of a sender names: the sender, or the uppermost of the groups."""
    return group(levels, index // TEAM, levels) if levels else person(senders(levels)[index])


def write_people():
    write = sys.stdout.write
    write(entry(BASE, "objectClass: organization", "objectClass: dcObject", "o: Example"))
    for unit in ("people", "groups"):
        write(entry(f"ou={unit},{BASE}", "objectClass: organizationalUnit"))
    grants = {principal(sender): delegate(levels, index)
              for levels in LEVELS for index, sender in enumerate(senders(levels))}
    for number in range(PEOPLE):
        granted = [f"delegationSendOnBehalf: {grants[number]}"] if number in grants else []
        write(entry(person(number), "objectClass: inetOrgPerson", "objectClass: delegationPrincipal",
                    f"cn: Person {number}", f"sn: {number}", f"displayName: Person {number} of Example",
                    f"mail: {address(number)}", f"delegationAlias: p.{number}@example.org", *granted))
    for levels in LEVELS:
        for team in range(SENDERS // TEAM):
            write_groups(levels, team)


def write_groups(levels, team):
    first = senders(levels)[0] + team * TEAM
    members = [person(number) for number in range(first, first + TEAM)]
    for level in range(1, levels + 1):
        dn = group(levels, team, level)
        sys.stdout.write(entry(dn, "objectClass: groupOfNames", *(f"member: {member}" for member in members)))
        members = [dn]


# ---------------------------------------------------------------------------------------------------- the messages

class Bench:
    """One Postfix, which asks the one milter about messages from here, and the other about those from there."""

    def __init__(self, stage):
        self.stage = Path(stage)
        lines = (self.stage / "ports").read_text().split()
        self.port = int(dict(line.split("=") for line in lines)["submission"])
        self.logs = {name: (self.stage / name / "log").open() for name in SOURCES}
        for log in self.logs.values():
            log.read()

    def send(self, name, sender):
        """A message on behalf of the principal: how long it took by SMTP, and by the milter's log, in ms."""
        session = Session(self.port, login(sender), SOURCES[name])
        by_smtp = session.send(address(sender), content(address(principal(sender)), sender))
        line = self.decision(name)
        seen = [line.get(key) for key in ("login", "verdict", "rule", "sender")]
        if seen != [login(sender), "accept", "on-behalf", f"<{address(sender)}>"]:
            sys.exit(f"directory.py: the milter logged {line}")
        session.close()
        return by_smtp, line["ms"]

    def decision(self, name):
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            if line := self.logs[name].readline():
                return json.loads(line)
        sys.exit(f"directory.py: the milter on {name} logged nothing")

    def round(self, people):
        """Everybody with OpenLDAP and with the file, by turns one and the other first."""
        pairs = []
        for sender in people:
            order = ["openldap", "file"] if sender % 2 else ["file", "openldap"]
            sent = {name: self.send(name, sender) for name in order}
            pairs.append((sent["openldap"], sent["file"]))
        self.drain()
        return pairs

    def drain(self):
        deadline = time.monotonic() + 60
        while any(any((self.stage / "queue" / name).iterdir()) for name in ("incoming", "active")):
            if time.monotonic() > deadline:
                sys.exit("directory.py: Postfix does not get rid of its queue")
            time.sleep(0.02)


class Kind:
    """All measurements for one number of levels."""

    def __init__(self, levels):
        self.levels = levels
        self.pairs = {"first": [], "next": []}
        self.asked = {"first": [0] * 4, "next": [0] * 4}

    def add(self, when, pairs, asked):
        self.pairs[when] += pairs
        self.asked[when] = [a + b for a, b in zip(self.asked[when], asked)]

    def each(self, column):
        """What a first message asked, on the average."""
        return self.asked["first"][column] / SENDERS

    def times(self, when, milter, clock):
        """All times: clock 0 is SMTP, 1 the milter's own."""
        return [pair[milter][clock] for pair in self.pairs[when]]

    def faults(self):
        if self.each(0) != must_ask(self.levels):
            yield f"{self.levels} levels: {self.each(0)} searches for a first message, not {must_ask(self.levels)}"
        # Octets come without a search too: the connection that tells of changes is looked after.
        if self.asked["next"][0]:
            yield f"{self.levels} levels: the next messages ask {self.asked['next'][0]} times"
        factor = ratio(self.times("next", 0, 0), self.times("next", 1, 0), statistics.median)
        if factor >= LIMIT:
            yield f"{self.levels} levels: the next message takes {factor:.2f} times as long as with the file"


# ------------------------------------------------------------------------------------------------------ the output

def print_asked(kinds):
    print(f"\nOf {SENDERS} first messages each, on the average of one")
    print_row("levels of groups", kinds, lambda kind: str(kind.levels))
    for name, column, form in [("searches", 0, ".2f"), ("octets sent to slapd", 2, ".0f"),
                               ("octets sent by slapd", 3, ".0f"), ("ms that slapd says they took, added up", 1, ".2f")]:
        print_row(name, kinds, lambda kind, column=column, form=form: format(kind.each(column), form))


def print_times(kinds, clock, title):
    print(f"\n{title}, p50 / p99 in ms")
    print_row("levels of groups", kinds, lambda kind: str(kind.levels))
    for when in ("first", "next"):
        for milter, name in enumerate(("OpenLDAP", "the file")):
            print_row(f"the {when} message, with {name}", kinds, lambda kind: " / ".join(
                f"{summary(kind.times(when, milter, clock)):.2f}" for summary in (statistics.median, p99)))
        print_row("    ratio", kinds, lambda kind: " / ".join(
            f"{ratio(kind.times(when, 0, clock), kind.times(when, 1, clock), summary):.1f}"
            for summary in (statistics.median, p99)))


def make_known(path, server):
    """Has everybody send as themselves, straight to the milter, which knows them all then: it asks about nobody."""
    everybody_sends(path)
    server.since()
    everybody_sends(path)
    if asked := server.since()[0]:
        sys.exit(f"directory.py: {asked} searches about people who should be known")


def everybody_sends(path):
    writer = Writer(path)
    for number in range(PEOPLE):
        if (answer := writer.write(login(number), address(number), address(number))) != "accept":
            sys.exit(f"directory.py: the milter answers {answer} to {login(number)} with an own address")
    writer.close()


def measure(stage, pid, file_pid):
    milter, file = Process(pid), Process(file_pid)
    print(f"{'in MB':<42} {'resident':>8} {'most so far':>14}")
    file.measure("the milter on the file, at its start")
    milter.measure("the milter on OpenLDAP, at its start")
    bench, server, kinds = Bench(stage), Server(Path(stage) / "directory"), [Kind(levels) for levels in LEVELS]
    for start in range(0, SENDERS, ROUND):
        for kind in kinds:
            people = senders(kind.levels)[start:start + ROUND]
            for when in ("first", "next"):
                pairs = bench.round(people)
                kind.add(when, pairs, server.since())
    milter.measure(f"after {2 * len(LEVELS) * SENDERS} messages of {len(LEVELS) * SENDERS} people")
    make_known(str(Path(stage) / "openldap" / "milter.sock"), server)
    milter.measure(f"when it knows all {PEOPLE} people")
    print_asked(kinds)
    print_times(kinds, 1, "The decision, by the milter's own log")
    print_times(kinds, 0, "The message, from MAIL FROM to the reply after the final dot")
    faults = [fault for kind in kinds for fault in kind.faults()]
    for fault in faults:
        print(f"\nTOO MUCH: {fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit({"people": write_people, "measure": measure}[sys.argv[1]](*sys.argv[2:]))
