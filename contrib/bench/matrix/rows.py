"""rows.py: the rows of the matrix: what breaks, how it is mended, and what must have been noticed of it."""

import contextlib
import itertools
import os
import resource
import signal
import socket
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import relays
import senders
from relays import WORD, Point
from scene import BASE, MB, Reader, Slapd, Unseen, is_gone, kill, run, wait
from senders import KINDS

SEVERAL = 3  # messages that must feel it
GATE = "127.0.0.3"  # who comes from here has the gate before the milter
GREW = 48 * MB  # that the milter may hold more than before the fault, at its most

AVAILABLE = ("own", "on behalf", "invitation", "send-as", "spoof")  # what the milter knows of the directory's people
NEEDS_DIRECTORY = ("new", "new spoof")


@dataclass
class Row:
    """A fault."""

    name: str
    what: str
    fault: object  # a context manager: the fault begins, and ends
    felt: object  # what must have been noticed by mail, before the fault may end
    relay: str = ""  # the service of slapd to which a relay leads
    settings: dict = field(default_factory=dict)
    holds: bool = False  # what the milter knows goes on
    quiet: bool = False  # nothing is deferred
    reaches: bool = False  # the directory is there throughout
    revoke: str = "during"  # or before, where slapd cannot be told
    short: bool = False
    control: str = ""  # the column that must not be 0: what the counts are worth
    prepare: object = None  # what it needs besides
    grew: int = GREW


ROWS = []


def row(name, what, felt, **settings):
    def register(function):
        ROWS.append(Row(name, what, contextlib.contextmanager(function), felt, **settings))
        return function
    return register


# -------------------------------------------------------------------------------------------- how a fault is felt

def tries(scene, *names):
    """Tries that were begun since the fault."""
    return [attempt for _, attempt in scene.clients.attempts(*names) if attempt.begun >= scene.since]


def deferred(*names):
    """So many messages of these kinds are deferred."""
    return lambda scene: sum(attempt.code[:1] == "4" for attempt in tries(scene, *names)) >= SEVERAL


def passes(*names):
    """Mail passes: the verdicts are given that there would be without the fault."""
    return lambda scene: sum(attempt.code[:1] == "2" for attempt in tries(scene, *names)) >= SEVERAL


unknown_deferred = deferred(*NEEDS_DIRECTORY)
known_deferred = deferred(*AVAILABLE)
known_pass = passes(*AVAILABLE)
all_pass = passes(*NEEDS_DIRECTORY)


def both(*conditions):
    return lambda scene: all(condition(scene) for condition in conditions)


outage = both(unknown_deferred, known_pass)


# ---------------------------------------------------------------------------------------------- slapd goes away

@row("slapd-stopped", "slapd stopped (TERM), and started", outage, holds=True, revoke="before")
def stopped(scene):
    pid = scene.slapd.pid
    scene.slapd.run("stop")
    scene.sees(f"slapd {pid} is gone", is_gone(pid))
    yield
    scene.slapd.run("start")


@row("slapd-killed", "slapd killed (-9), and started", outage, holds=True, revoke="before")
def killed(scene):
    pid = scene.slapd.pid
    kill(pid)
    wait("slapd is gone", lambda: is_gone(pid))
    yield
    scene.slapd.run("start")
    scene.sees(f"slapd {pid} is now {scene.slapd.pid}", pid != scene.slapd.pid)


@row("slapd-cold", "slapd stopped, and the milter started anew: nobody is known", both(unknown_deferred, known_deferred),
     revoke="before")
def cold(scene):
    scene.slapd.run("stop")
    scene.restart_milter()
    away = time.time()
    yield
    passed = [attempt.mark for attempt in tries(scene, *AVAILABLE, *NEEDS_DIRECTORY)
              if attempt.begun > away and attempt.code[:1] == "2"]
    scene.sees(f"{len(passed)} passed that need the directory", not passed)
    scene.slapd.run("start")


@row("slapd-long", "slapd stopped for longer than cache.stale (3 s)", both(known_pass, unknown_deferred, known_deferred),
     settings={"stale": "3s"}, revoke="before")
def longer(scene):
    yield from stopped(scene)


@row("slapd-hung", "slapd hung (STOP), and going on", outage, holds=True, revoke="before")
def hung(scene):
    os.kill(scene.slapd.pid, signal.SIGSTOP)
    try:
        yield
        state = Path(f"/proc/{scene.slapd.pid}/stat").read_text().rsplit(") ", 1)[1][0]
        scene.sees("slapd is stopped", state == "T")
    finally:
        os.kill(scene.slapd.pid, signal.SIGCONT)


@row("slapd-full", "the disk of slapd is full", all_pass, quiet=True, reaches=True, prepare="small disk", revoke="after")
def full(scene):
    filler = scene.slapd.path / "filler"
    with filler.open("wb") as file, contextlib.suppress(OSError):
        while file.write(b"x" * 65536) and not file.flush():
            pass
    # What is small still finds room in the database.
    failure = scene.slapd.change(f"dn: uid=boss,{BASE}\nchangetype: modify\nadd: description\n"
                                 f"description: {'x' * 8_000_000}\n")
    free = os.statvfs(filler).f_bavail
    scene.sees(f"{free} blocks are free, and a change fails: {failure}", failure and not free)
    try:
        yield
    finally:
        filler.unlink()


@row("slapd-full-killed", "the same, and slapd is killed, until there is room", outage, holds=True,
     prepare="small disk", revoke="after")
def full_and_killed(scene):
    for _ in full(scene):
        pid = scene.slapd.pid
        kill(pid)
        wait("slapd is gone", lambda: is_gone(pid))
        yield
    scene.slapd.run("start")


# ------------------------------------------------------------------------------- what lies between milter and slapd

def by_relay(name, what, mode, felt=outage, relay="ldap", **settings):
    """A row in which the relay does this."""
    def fault(scene):
        scene.mode = scene.relay.set(mode(), cut=settings.get("cut", True))
        yield
        for count in ("sent", "cuts", "count"):
            if hasattr(scene.mode, count):
                value = getattr(scene.mode, count)
                scene.sees(f"{count}: {value}", value)
        scene.relay.set(relays.Forward(), cut=True)
    options = {key: value for key, value in settings.items() if key != "cut"}
    row(name, what, felt, relay=relay, **{"holds": True, **options})(fault)


def garbage(name, what, octets, **settings):
    forever, greets = settings.pop("forever", False), settings.pop("greets", False)
    by_relay(f"garbage-{name}", what, lambda: relays.Garbage(octets(), forever, greets), **settings)


by_relay("silent", "what answers for slapd takes everything and says nothing", relays.Silence, cut=False)
by_relay("black-hole", "packets to slapd vanish", relays.BlackHole, cut=False)
by_relay("closed", "every connection to slapd is closed at once", relays.Close)
by_relay("slow", "an answer takes 2 s, and directory.timeout is 1 s", lambda: relays.Slow(2.0))
by_relay("slow-enough", "an answer takes 2 s, and directory.timeout is 25 s", lambda: relays.Slow(2.0), cut=False, quiet=True,
         felt=lambda scene: [attempt for attempt in tries(scene, "new") if attempt.ended - attempt.begun > 2
                             and attempt.code[:1] == "2"][SEVERAL:], settings={"timeout": "25s"})
garbage("random", "4096 random octets on the port of slapd", lambda: relays.random_octets(6))
garbage("http", "HTTP on the port of slapd", lambda: b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
garbage("smtp", "SMTP on the port of slapd, which speaks first", lambda: b"220 mail.example ESMTP\r\n", greets=True)
garbage("stream", "octets without end on the port of slapd", lambda: relays.random_octets(7) * 16, forever=True)
garbage("length", "an answer that announces 2 GiB, and octets without end",
        lambda: b"\x30\x84\x7f\xff\xff\xff\x02\x01\x02" + b"\0" * 65527, forever=True)
garbage("half", "an answer that is LDAP at its beginning only", lambda: b"\x30\x03\x02\x01\x02")
garbage("nested", "an answer nested 200,000 deep", lambda: relays.nested(200_000))
by_relay("endless-answer", "an answer of entries without end", relays.endless_answer)
by_relay("busy", "slapd answers: busy (51)", lambda: relays.refusing(51), short=True)
by_relay("unavailable", "slapd answers: unavailable (52)", lambda: relays.refusing(52))
by_relay("cut-answer", "the connection ends in the middle of an answer", relays.CutAnswers, short=True)
by_relay("tls-handshake", "TLS ends in the handshake", lambda: relays.CutTls(True), relay="ldaps", short=True)
by_relay("tls-record", "TLS ends in the middle of a record", lambda: relays.CutTls(False), relay="ldaps", short=True)


def certificate(name, what):
    def fault(scene):
        scene.slapd.run("present", name)
        scene.relay.set(relays.Forward(), cut=True)
        yield
        scene.sees("there is no TLS", scene.milter.said("no TLS with", scene.since))
        scene.slapd.run("present", "server")
    row(f"tls-{name}", what, outage, relay="ldaps", holds=True)(fault)


certificate("expired", "slapd shows a certificate that has expired")
certificate("wrong-name", "slapd shows a certificate with another name")
certificate("other", "slapd shows a certificate of another authority")


# -------------------------------------------------------------------------------------------------------- Postfix

@row("postfix-reloaded", "Postfix reloaded, twice", all_pass, quiet=True, reaches=True)
def postfix_reloaded(scene):
    before = scene.postfix.log().count("reload -- version")

    def reload(time):
        kill(scene.postfix.master, signal.SIGHUP)
        wait("Postfix is reloaded", lambda: scene.postfix.log().count("reload -- version") == before + time)
    reload(1)
    yield
    reload(2)
    scene.sees("reload -- version, twice", True)


def unheard(scene):
    """Clients get no reply."""
    return sum(attempt.code == senders.NO_REPLY for attempt in tries(scene)) >= SEVERAL


@row("postfix-stopped", "Postfix stopped, and started", unheard, reaches=True)
def postfix_stopped(scene):
    pid = scene.postfix.master
    scene.postfix.run("stop")
    scene.sees(f"master {pid} is gone", is_gone(pid))
    yield
    scene.postfix.start_again()


@contextlib.contextmanager
def shot(scene, name):
    """Processes of Postfix with this name are killed again and again; which."""
    dead = []

    def shoot():
        for pid in scene.postfix.processes(name)[:2]:
            kill(pid)
            dead.append(pid)
    with repeated(shoot, 0.2):
        yield dead


@row("smtpd-killed", "smtpd killed (-9), again and again", unheard, reaches=True)
def smtpd_killed(scene):
    with shot(scene, "smtpd") as dead:
        yield
    scene.sees(f"{len(dead)} killed", dead)


@row("cleanup-killed", "cleanup killed (-9), again and again: it speaks to the milter for smtpd", all_pass, reaches=True)
def cleanup_killed(scene):
    with shot(scene, "cleanup") as dead:
        yield
    scene.sees(f"{len(dead)} killed", dead)


@row("master-killed", "Postfix's master killed (-9), and started", lambda scene: True, reaches=True)
def master_killed(scene):
    pid = scene.postfix.master
    kill(pid)
    wait("master is gone", lambda: is_gone(pid))
    yield
    scene.postfix.start_again()
    scene.sees(f"master {pid} is now {scene.postfix.master}", pid != scene.postfix.master)


@row("postfix-killed", "all of Postfix killed (-9) at once, and started", unheard, reaches=True)
def postfix_killed(scene):
    pids = scene.postfix.processes()
    for pid in pids:
        kill(pid)
    wait("Postfix is gone", lambda: all(map(is_gone, pids)))
    yield
    scene.postfix.start_again()
    scene.sees(f"{len(pids)} processes killed", len(pids) > 5)


# --------------------------------------------------------------------------------------- the milter, at each stage

ALL = ("own", "on behalf", "invitation", "spoof")


def at_stage(name, what, point, kinds=ALL, octets=4096, reply="4", **settings):
    """The milter is killed when a message has come so far, and started again; for a message of each kind. `point` is one
    of the gate, or the step of SMTP after which it is killed."""
    def fault(scene):
        for kind in kinds:
            message = scene.clients.message(kind, via=GATE, octets=octets)
            attempt = strike(scene, message, point)
            scene.sees(f"{kind}: {attempt.reply}", attempt.code[:1] == reply)
            message.via = "127.0.0.1"
            scene.retry(message)
        yield
    row(f"milter-{name}", f"the milter killed (-9) {what}", all_pass, reaches=True, **settings)(fault)


def strike(scene, message, point):
    """The milter is killed at this point of the message; the try that ends so."""
    if isinstance(point, str):
        return scene.clients.once(message, between=lambda step: step == point and scene.restart_milter())
    scene.gate.stop_at(point)
    tries_before = len(message.attempts)
    thread = threading.Thread(target=scene.clients.once, args=[message], daemon=True)
    thread.start()
    try:
        wait("the message comes to the point", scene.gate.stopped.is_set)
        scene.milter.kill()
    finally:
        scene.gate.release()
    thread.join(senders.REPLY)
    scene.milter.start()
    return message.attempts[tries_before]


at_stage("negotiated", "after the negotiation", Point(b"O", passed=1))
at_stage("mail", "at MAIL", Point(b"M"))
at_stage("rcpt", "after RCPT", "RCPT")
at_stage("data", "after DATA", "DATA", short=True)
at_stage("header", "in the header", Point(b"L", 3))
at_stage("body", "in the body", Point(b"B", 2), ("invitation",) * 2, 300_000)
at_stage("end", "at the end of the message", Point(b"E"), ("on behalf", "invitation", "send-as"))
at_stage("half", "when half of its changes are made", Point(b"E", passed=1), ("on behalf", "invitation", "send-as"), short=True)
at_stage("replied", "after its reply", Point(b"E", passed=WORD), ("on behalf", "invitation", "send-as"), reply="2", short=True)


@row("milter-asking", "the milter killed (-9) at the end of the header, while it asks the directory", all_pass, reaches=True,
     settings={"timeout": "25s"}, short=True)
def milter_asking(scene):
    for kind in ("new", "new spoof"):
        message = scene.clients.message(kind, via=GATE)
        # The answer is on its way when the milter ends.
        os.kill(scene.slapd.pid, signal.SIGSTOP)
        try:
            attempt = strike(scene, message, Point(b"N"))
        finally:
            os.kill(scene.slapd.pid, signal.SIGCONT)
        scene.sees(f"{kind}: {attempt.reply}", attempt.code[:1] == "4")
        message.via = "127.0.0.1"
        scene.retry(message)
    yield


# ------------------------------------------------------------------------------------------ the milter and its host

@row("milter-killed", "the milter killed (-9), again and again, and started at once", both(all_pass, deferred(*KINDS)),
     reaches=True)
def milter_killed(scene):
    with repeated(scene.restart_milter, 0.3):
        yield
    scene.sees(f"{scene.milter.starts - 1} killed", scene.milter.starts > 3)


@row("milter-away", "the milter killed (-9), and away for a while", deferred(*KINDS), reaches=True)
def milter_away(scene):
    scene.milter.kill()
    yield
    passed = sum(attempt.code[:1] == "2" for attempt in tries(scene))
    scene.sees(f"{passed} messages passed meanwhile", not passed)
    scene.milter.start()


def few_descriptors(name, what, also=None, felt=known_pass):
    def fault(scene):
        crowd = []
        try:
            for _ in range(200):
                connection = socket.socket(socket.AF_UNIX)
                connection.settimeout(0.2)
                crowd.append(connection)
                try:
                    connection.connect(str(scene.milter.socket))
                except TimeoutError:
                    break
            wait("descriptors run out", lambda: scene.milter.said("could not be accepted", scene.since))
            if also:
                also(scene)
            yield
            scene.sees(f"{len(crowd)} connections, and no descriptor for more", scene.milter.said("could not be accepted"))
        finally:
            for connection in crowd:
                connection.close()
    row(name, what, felt, reaches=True, prepare="few descriptors", revoke="before")(fault)


def lose_directory(scene):
    scene.slapd.run("stop")
    scene.slapd.run("start")


few_descriptors("descriptors", "the milter has no descriptors left: 40, and 200 connections", felt=lambda scene: True)
few_descriptors("descriptors-slapd", "the same, and slapd is started anew", lose_directory, felt=lambda scene: True)


@row("memory", "no memory left for the milter (RLIMIT_AS), and started again", known_pass, reaches=True, grew=128 * MB)
def memory(scene):
    pid = scene.milter.process.pid
    size = scene.milter.memory("VmSize")
    resource.prlimit(pid, resource.RLIMIT_AS, (size << 10, resource.RLIM_INFINITY))
    held = []
    try:
        # Bodies that are held until their end take more than there is.
        for _ in range(8):
            message = scene.clients.message("invitation", octets=9 << 20)
            held.append((message, threading.Thread(target=scene.clients.once, args=[message])))
            held[-1][1].start()
        wait("the milter is out of memory", lambda: scene.milter.process.poll() is not None, 30)
        scene.sees(f"it ended with {scene.milter.process.returncode}", scene.milter.process.returncode)
    finally:
        if scene.milter.process.poll() is not None:
            scene.milter.start()
        for message, thread in held:
            thread.join(senders.REPLY)
            scene.retry(message)
    yield


@row("log-full", "the disk for the milter's log is full (/dev/full)", all_pass, quiet=True, reaches=True, short=True,
     prepare="full log")
def log_full(scene):
    where = os.readlink(f"/proc/{scene.milter.process.pid}/fd/2")
    scene.sees(f"it logs into {where}", where == "/dev/full")
    yield


@row("log-gone", "who reads the milter's log is gone (SIGPIPE)", all_pass, quiet=True, reaches=True, short=True,
     prepare="log reader")
def log_gone(scene):
    scene.reader.go()
    wait("the log is read no more", lambda: passes(*AVAILABLE)(scene))
    lines = scene.milter.text().count("\n")
    yield
    scene.sees("nothing more is logged", scene.milter.text().count("\n") == lines)


@row("log-hung", "who reads the milter's log does not read", lambda scene: scene.reader.is_full(), reaches=True,
     prepare="log reader")
def log_hung(scene):
    scene.reader.reads.clear()
    yield
    scene.sees(f"{scene.reader.waiting()} octets wait to be read", scene.reader.is_full())
    scene.reader.reads.set()


@row("hup", "SIGHUP under load, with a good configuration and a bad one in turns", all_pass, quiet=True, reaches=True,
     short=True)
def hup(scene):
    good = scene.milter.configuration.read_text()
    turns = itertools.cycle([good + "\nthis is no TOML\n", good])

    def reload():
        done = len(scene.milter.said("reloaded"))
        scene.milter.configuration.write_text(next(turns))
        scene.milter.process.send_signal(signal.SIGHUP)
        wait("SIGHUP is answered", lambda: len(scene.milter.said("reloaded")) > done or scene.milter.died())
    with repeated(reload, 0.05):
        yield
    scene.milter.configuration.write_text(good)
    bad = len(scene.milter.said("not reloaded"))
    fine = len(scene.milter.said("reloaded")) - bad
    scene.sees(f"{fine} reloads, {bad} bad configurations", fine > 1 and bad > 1)


@row("term", "SIGTERM under load, again and again, and started again", all_pass, reaches=True, short=True)
def term(scene):
    statuses = []

    def again():
        statuses.append(scene.milter.end())
        scene.milter.start()
    again()
    with repeated(again, 0.5):
        yield
    scene.sees(f"ended with {statuses}", statuses and not any(statuses))


@row("term-twice", "two SIGTERM while a message is under way, and started again", all_pass, reaches=True, short=True)
def term_twice(scene):
    message = scene.clients.message("own")
    statuses = []

    def end(step):
        if step == "RCPT":
            scene.milter.process.terminate()
            wait("it ends", lambda: scene.milter.said("ending: no new connections", scene.since))
            scene.sees("it waits for the message", scene.milter.died() is None)
            statuses.append(scene.milter.end())
            scene.milter.start()
    attempt = scene.clients.once(message, between=end)
    scene.sees(f"ended with {statuses}: {attempt.reply}", statuses == [0] and attempt.code[:1] == "4")
    scene.sees("it says so", scene.milter.said("ending at once", scene.since))
    scene.retry(message)
    yield


# ------------------------------------------------------------------------------------------------------- controls

@row("control-open", "milter_default_action=accept, and the milter away: forbidden mail passes, and is counted",
     lambda scene: [attempt for attempt in tries(scene, "spoof") if attempt.code[:1] == "2"], reaches=True, short=True,
     control="accepted_wrongly", prepare="open")
def control_open(scene):
    scene.milter.kill()
    yield
    scene.milter.start()


@row("control-lost", "Postfix takes mail and drops it: it is counted as lost", all_pass, reaches=True, control="lost",
     prepare="discard")
def control_lost(scene):
    yield


@contextlib.contextmanager
def repeated(work, pause):
    """Does it again and again meanwhile."""
    ended, errors = threading.Event(), []

    def go():
        try:
            while not ended.is_set():
                work()
                ended.wait(pause)
        except Exception as error:
            errors.append(error)
    thread = threading.Thread(target=go, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(senders.REPLY)
    if errors:
        raise errors[0]


# ------------------------------------------------------------------------------------------------- what rows need

@contextlib.contextmanager
def small_disk(scene):
    """A slapd on a disk of a few megabytes."""
    if os.getuid():
        raise Unseen("mounting a small disk takes root")
    place = scene.stage / "small"
    place.mkdir(exist_ok=True)
    run(["mount", "-t", "tmpfs", "-o", "size=40m", "small", place])
    try:
        run([scene.testbed / "directory", "up", place, f"--bulk={scene.stage / 'people.ldif'}"])
        scene.slapd = Slapd(scene.testbed, place)
        yield
    finally:
        (place / "filler").unlink(missing_ok=True)
        with contextlib.suppress(Unseen):
            run([scene.testbed / "directory", "down", place])
        run(["umount", place])


@contextlib.contextmanager
def few(scene):
    scene.milter.prefix = ["prlimit", "--nofile=40:40"]
    yield


@contextlib.contextmanager
def full_log(scene):
    scene.milter.stderr = lambda log: open("/dev/full", "wb", buffering=0)
    yield


@contextlib.contextmanager
def log_reader(scene):
    def piped(log):
        scene.reader = Reader(log)
        return scene.reader.write_end
    scene.milter.stderr = piped
    yield
    scene.reader.reads.set()


def changed(name, value, usual):
    @contextlib.contextmanager
    def change(scene):
        scene.postfix.change(f"{name}={value}")
        try:
            yield
        finally:
            scene.postfix.change(f"{name}={usual}")
    return change


PREPARED = {
    None: contextlib.nullcontext,
    "small disk": small_disk,
    "few descriptors": few,
    "full log": full_log,
    "log reader": log_reader,
    "open": changed("milter_default_action", "accept", "tempfail"),
    "discard": changed("default_transport", "discard", "virtual"),
}
