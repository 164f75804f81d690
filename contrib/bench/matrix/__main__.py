"""matrix list | people | run STAGE PROGRAM ROOT [--short] [ROW…]: see faults. The exit status is 1 if mail was lost,
delivered that is forbidden or refused that is allowed, if the milter ended or grew where it should not have, or if a row
has not seen its fault."""

import itertools
import os
import signal
import sys
import threading
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path

import relays
import senders
from relays import Gate, Relay
from rows import AVAILABLE, PREPARED, ROWS, Row
from scene import MB, Milter, Postfix, Slapd, Unseen, people, wait
from senders import KINDS, Clients, Counts

CLIENTS, LASTS = 6, 2.0  # how many, and how long a fault lasts at least, in s
SHORT_CLIENTS, SHORT_LASTS = 4, 0.5


# ---------------------------------------------------------------------------------------------------------- scene

class Scene:
    """Everything that takes part in a row, and what was seen."""

    def __init__(self, stage, program, root):
        testbed = Path(root) / "contrib" / "testbed"
        self.testbed, self.stage, self.program = testbed, Path(stage), program
        self.main = self.slapd = Slapd(testbed, self.stage / "directory")
        self.postfix = Postfix(testbed, stage)
        self.relays = {service: Relay(int(port)) for service, port in self.main.ports.items()}
        self.gate = Gate(str(self.stage / "gate.sock"), str(self.stage / "milter.sock"))
        (self.stage / "gate.sock").chmod(0o666)

    def set(self, row, number):
        self.row, self.number = row, number
        self.seen, self.unseen, self.since, self.revoked, self.ended = [], [], 0.0, (float("inf"),) * 2, 0.0
        self.slapd, self.relay, self.reader = self.main, None, None
        self.died, self.grew, self.back, self.retries = None, 0, None, []
        self.milter = Milter(self.program, self.stage, os.getuid() == 0)
        self.clients = Clients(self.postfix.ports, number, itertools.count())

    def sees(self, what, is_so):
        (self.seen if is_so else self.unseen).append(what)

    def restart_milter(self):
        self.milter.kill()
        self.milter.start()

    def retry(self, message):
        """A message of the row's own: tried again, as clients do."""
        self.retries.append(message)

    def revoke(self):
        begun = time.time()
        if failure := self.slapd.revoke(self.number):
            raise Unseen(f"nothing is revoked: {failure}")
        self.revoked = begun, time.time()

    def revoked_from(self):
        """Since when the revocation must count: since it was told; while the directory is away, older answers serve."""
        known = [self.revoked[1]]
        if not self.row.reaches:
            known += [self.ended, *self.milter.said("connected to the directory", self.revoked[1])]
        return max(known) + senders.REVOKED_WITHIN


# --------------------------------------------------------------------------------------------------------- a row

def has_verdict(kind, attempt, revoked):
    wanted = "5" if kind.right == "refuse" or (kind.right == "revoked" and revoked) else "2"
    return attempt.code[:1] == wanted


def normal(scene, since, revoked):
    """Every kind of message has got its verdict since then."""
    got = {message.name for message, attempt in scene.clients.attempts()
           if attempt.begun >= since and has_verdict(message.kind, attempt, revoked)}
    return got == set(KINDS)


def play(scene, clients, lasts):
    """The row: mail, the fault, and mail again."""
    row, milter = scene.row, scene.milter
    if row.relay:
        scene.relay = scene.relays[row.relay]
        scene.relay.set(relays.Forward())
    scheme, port = (row.relay, scene.relay.port) if row.relay else ("ldap", scene.slapd.ports["ldap"])
    # Where the directory is there throughout, only its loss may defer: the machine may be slow.
    settings = {"timeout": "20s" if row.reaches else "1s", **row.settings}
    milter.configure(scene.slapd, f"{scheme}://127.0.0.1:{port}", **settings)
    milter.start()
    scene.clients.start(clients)
    begun = time.time()
    wait("all is normal before the fault", lambda: normal(scene, begun, False))
    if not milter.stderr:
        wait("the milter hears of changes", lambda: milter.said("the directory tells of changes"))
    memory = milter.memory("VmRSS")
    if row.revoke == "before":
        scene.revoke()
    scene.since = time.time()
    with row.fault(scene):
        if row.revoke == "during":
            scene.revoke()
        wait("mail feels the fault", lambda: row.felt(scene) and time.time() - scene.since >= lasts)
    scene.ended = time.time()
    if row.revoke == "after":
        scene.revoke()
    if died := milter.died():
        scene.died = died
        milter.start()
    for message in scene.retries:
        threading.Thread(target=try_again, args=[scene, message], daemon=True).start()
    wait("all is normal after the fault", lambda: normal(scene, scene.ended, True))
    scene.clients.halt()
    wait("all messages are settled", lambda: not scene.clients.unsettled())
    scene.died = scene.died or milter.died()
    scene.grew = milter.memory("VmHWM") - memory


def try_again(scene, message):
    while not message.settled and not scene.clients.stopped.wait(senders.AGAIN):
        scene.clients.once(message)


@dataclass
class Result:
    """What became of a row."""

    row: Row
    counts: Counts = field(default_factory=Counts)
    slowest: float = 0.0
    back: float | None = None
    grew: int = 0
    seen: list = field(default_factory=list)
    faults: list = field(default_factory=list)
    took: float = 0.0

    @property
    def failed(self):
        return bool(self.faults)


def perform(scene, row, number, short):
    """Plays a row and counts."""
    begun = time.time()
    scene.set(row, number)
    result = Result(row)
    try:
        with PREPARED[row.prepare](scene):
            try:
                play(scene, SHORT_CLIENTS if short else CLIENTS, SHORT_LASTS if short else LASTS)
            finally:
                scene.clients.stop()
            end_milter(scene, result)
            result.counts = count(scene)
    except Exception as error:
        result.faults.append(f"{error}" if isinstance(error, Unseen) else traceback.format_exc())
        result.counts = count(scene)
    finally:
        if scene.milter.process and scene.milter.process.poll() is None:
            scene.milter.kill()
        if scene.relay:
            scene.relay.set(relays.Forward(), cut=True)
    judge(scene, result)
    result.took = time.time() - begun
    return result


def end_milter(scene, result):
    status = scene.milter.end()
    if status:
        result.faults.append(f"the milter ended with {status} after SIGTERM")


def count(scene):
    if scene.row.control == "lost":
        wait("Postfix drops what it has", lambda: not scene.postfix.waiting())
    return senders.count(scene.clients.messages, scene.postfix.delivered(), scene.revoked[0], scene.revoked_from())


def judge(scene, result):
    row, counts = scene.row, result.counts
    result.slowest, result.grew, result.seen = scene.clients.slowest, scene.grew, scene.seen
    result.faults += [f"not seen: {what}" for what in scene.unseen] + scene.clients.odd
    result.back = min((attempt.ended - scene.ended for _, attempt in scene.clients.attempts("new")
                       if scene.ended and attempt.ended > scene.ended and attempt.code[:1] == "2"), default=None)
    if scene.died:
        result.faults.append(f"the milter ended by itself: {scene.died}")
    if scene.grew > row.grew:
        result.faults.append(f"the milter grew by {scene.grew / MB:.0f} MB")
    wrong = {"lost": counts.lost, "accepted_wrongly": counts.accepted_wrongly, "refused_wrongly": counts.refused_wrongly}
    if row.control:
        if not wrong.pop(row.control):
            result.faults.append(f"the control is worth nothing: {row.control} is 0")
        wrong = {"refused_wrongly": counts.refused_wrongly}
    result.faults += [f"{name.replace('_', ' ')}: {number}" for name, number in wrong.items() if number]
    if result.faults and not row.control:
        result.faults += counts.complaints[:5]
    late = [(message, attempt) for message in scene.clients.messages if (attempt := message.told_later(scene.since))]
    if row.quiet:
        result.faults += [f"deferred: {attempt.mark}: {attempt.reply}" for _, attempt in late[:3]]
    if row.holds:
        result.faults += [f"the milter knew, and deferred: {attempt.mark}: {attempt.reply}" for message, attempt in late
                          if message.name in AVAILABLE][:3]


# ---------------------------------------------------------------------------------------------------------- table

COLUMNS = ("sent", "250", "4xx", "5xx", "none", "deliv.", "defer.", "refus.", "LOST", "twice", "WRONG+", "WRONG-", "reply",
           "back", "MB")


def cells(result):
    counts = result.counts
    replies = [counts.replies[code] for code in ("2", "4", "5", senders.NO_REPLY)]
    back = "-" if result.back is None else f"{result.back:.1f}"
    return [counts.sent, *replies, counts.delivered, counts.deferred, counts.refused, counts.lost, counts.twice,
            counts.accepted_wrongly, counts.refused_wrongly, f"{result.slowest:.1f}", back, f"{result.grew / MB:+.0f}"]


def print_row(name, values):
    print(f"{name:<20}" + "".join(f"{value:>7}" for value in values), flush=True)


def print_result(result):
    print_row(result.row.name, cells(result))
    for what in result.faults:
        print(f"    FAILED: {what}", flush=True)


def print_legend(results):
    print("\nWhat each row does, and what it has seen of its fault:\n")
    for result in results:
        print(f"{result.row.name:<20} {result.row.what}")
        for what in result.seen:
            print(f"{'':<20}   {what}")


def chosen(words):
    names = [word for word in words if word != "--short"]
    for name in names:
        if not any(row.name.startswith(name) for row in ROWS):
            sys.exit(f"faults: there is no row {name}; these are: {', '.join(row.name for row in ROWS)}")
    rows = [row for row in ROWS if not names or row.name.startswith(tuple(names))]
    return [row for row in rows if row.short] if "--short" in words and not names else rows


def main(stage, program, root, *words):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    senders.prove()
    scene = Scene(stage, program, root)
    rows = chosen(words)
    print_row("", COLUMNS)
    results = []
    for row in rows:
        results.append(perform(scene, row, ROWS.index(row), "--short" in words))
        print_result(results[-1])
    print_legend(results)
    failed = [result.row.name for result in results if result.failed]
    print(f"\n{len(results)} rows in {sum(result.took for result in results):.0f} s, "
          f"{sum(result.counts.sent for result in results)} messages. FAILED: {', '.join(failed) or 'none'}.")
    return bool(failed)


if __name__ == "__main__":
    if sys.argv[1:] == ["list"]:
        for listed in ROWS:
            print(f"{listed.name:<20} {listed.what}")
    elif sys.argv[1:] == ["people"]:
        sys.stdout.writelines(people(senders.PEOPLE, len(ROWS)))
    else:
        sys.exit(main(*sys.argv[2:]))
