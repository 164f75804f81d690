"""scene.py: what the matrix breaks: the private Postfix and slapd of a stage, and the milter, which it starts itself."""

import array
import contextlib
import fcntl
import json
import os
import re
import signal
import socket
import subprocess
import termios
import threading
import time
from datetime import datetime
from pathlib import Path

PATIENCE = 90  # s that anything may take; only what fails waits for it
BASE = "dc=example,dc=org"
MB = 1024  # in kB, as /proc counts


class Unseen(Exception):
    """A fault did not happen, or its end did not come."""


def wait(what, condition, patience=PATIENCE):
    """Waits until `condition` gives something."""
    deadline = time.monotonic() + patience
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise Unseen(f"waited {patience} s in vain: {what}")
        time.sleep(0.02)
    return value


def kill(pid, number=signal.SIGKILL):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def is_gone(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1][0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


# --------------------------------------------------------------------------------------------------------- people

def entry(dn, *fields):
    name, value = dn.split(",", 1)[0].split("=")
    return "\n".join([f"dn: {dn}", f"{name}: {value}", *fields, "", ""])


def person(uid, *grants):
    classes = ["objectClass: inetOrgPerson", "objectClass: delegationPrincipal"]
    return entry(f"uid={uid},{BASE}", *classes, f"cn: {uid.title()}", f"sn: {uid}", f"mail: {uid}@example.org", *grants)


def people(new, rows):
    """Everybody of senders.KINDS."""
    to_carl = f": uid=carl,{BASE}"
    yield from (person(uid) for uid in ("anna", "boss", "carl"))
    yield person("bea", "delegationSendOnBehalf" + to_carl)
    yield person("dora", "delegationSendAs" + to_carl)
    yield from (person(f"revoked{row}", "delegationSendOnBehalf" + to_carl) for row in range(rows))
    yield from (person(f"new{number}") for number in range(new))


# ---------------------------------------------------------------------------------------------------------- slapd

class Slapd:
    """A slapd that contrib/testbed/directory started."""

    def __init__(self, testbed, path):
        self.script, self.path = testbed / "directory", Path(path)
        self.ports = read_ports(self.path)

    def run(self, *words):
        run([self.script, words[0], self.path, *words[1:]])

    @property
    def pid(self):
        return int((self.path / "slapd.pid").read_text())

    def revoke(self, row):
        return self.change(f"dn: uid=revoked{row},{BASE}\nchangetype: modify\ndelete: delegationSendOnBehalf\n")

    def change(self, changes):
        """What ldapmodify says, if it fails."""
        done = subprocess.run(["ldapmodify", "-x", "-D", f"cn=admin,{BASE}", "-w", "admin", "-o", "nettimeout=20",
                               "-H", f"ldapi://{str(self.path / 'ldapi').replace('/', '%2F')}"],
                              input=changes, capture_output=True, text=True, timeout=60, check=False)
        return done.stderr.strip() if done.returncode else None


def read_ports(path):
    return dict(line.split("=") for line in (Path(path) / "ports").read_text().split())


def run(command):
    """In a session of its own, Ctrl-C does not stop it halfway. What it starts may keep its output open."""
    done = subprocess.run([str(word) for word in command], start_new_session=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=120, check=False, text=True)
    if done.returncode:
        raise Unseen(f"{' '.join(map(str, command))}: {done.stderr[:300]}")


# -------------------------------------------------------------------------------------------------------- Postfix

class Postfix:
    """The Postfix of the stage."""

    def __init__(self, testbed, stage):
        self.script, self.stage = testbed / "mail-system", Path(stage)
        self.queue, self.mail = self.stage / "queue", self.stage / "mail" / "new"

    @property
    def ports(self):
        return read_ports(self.stage)

    def run(self, command, *words):
        run([self.script, command, self.stage, *words])

    @property
    def master(self):
        return int((self.queue / "pid" / "master.pid").read_text())

    def processes(self, name=None):
        """Its processes, by the directory in which they work."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if (process / "cwd").resolve() == self.queue and name in (None, (process / "comm").read_text().strip()):
                    found.append(int(process.name))
        return found

    def log(self):
        return (self.stage / "mail.log").read_text(errors="replace")

    def change(self, setting):
        try:
            self.run("conf", setting)
        except Unseen:
            self.start_again()

    def start_again(self):
        """After it was ended: its children end when they notice, and until then hold its ports."""
        def started():
            try:
                self.run("start")
            except Unseen:
                return False
            return True
        wait("Postfix starts again", started)

    def waiting(self):
        """The messages in its queue. What was killed while it wrote one leaves a file that is none yet: without x."""
        files = [path for name in ("maildrop", "incoming", "active", "deferred")
                 for path in (self.queue / name).rglob("*")]
        count = 0
        for path in files:
            with contextlib.suppress(FileNotFoundError):
                count += path.is_file() and bool(path.stat().st_mode & 0o100)
        return count

    def delivered(self):
        """Everything that was delivered and not yet taken from here, by its mark."""
        wait("Postfix delivers what it has", lambda: not self.waiting())
        found = {}
        for path in self.mail.iterdir() if self.mail.exists() else []:
            text = path.read_text(errors="surrogateescape")
            found.setdefault(re.search(r"^X-Mark: (\S+)$", text, re.M)[1], []).append(text)
            path.unlink()
        return found


# --------------------------------------------------------------------------------------------------------- milter

class Reader:
    """Reads what the milter logs through a pipe, until it stops or goes."""

    def __init__(self, path):
        self.end, write_end = os.pipe()
        # The less fits in, the sooner it is full.
        self.size = fcntl.fcntl(self.end, fcntl.F_SETPIPE_SZ, 4096)
        self.write_end = os.fdopen(write_end, "wb", buffering=0)
        self.reads = threading.Event()
        self.reads.set()
        threading.Thread(target=self.copy, args=[path], daemon=True).start()

    def waiting(self):
        """How many octets wait to be read."""
        count = array.array("i", [0])
        fcntl.ioctl(self.end, termios.FIONREAD, count)
        return count[0]

    def is_full(self):
        """Whether another line may not fit."""
        return self.waiting() > self.size - 512

    def copy(self, path):
        with open(path, "ab", buffering=0) as log:
            while self.reads.wait() and (octets := os.read(self.end, 4096)):
                log.write(octets)

    def go(self):
        """Nobody has the end that is read: a descriptor that a thread reads from lives on, so another takes its place."""
        nothing = os.open("/dev/null", os.O_RDONLY)
        os.dup2(nothing, self.end)
        os.close(nothing)


class Milter:
    """The milter as a process; started again, another one at the same socket."""

    def __init__(self, program, stage, group):
        self.program, self.stage, self.group = program, Path(stage), group
        self.socket = self.stage / "milter.sock"
        self.files = self.stage / "milter"
        self.files.mkdir(exist_ok=True)
        self.configuration = self.files / "delegation-milter.toml"
        self.process, self.logs, self.deaths, self.starts = None, [], [], 0
        self.lines, self.prefix, self.stderr = "", [], None

    def configure(self, slapd, url, timeout, stale="1h"):
        """Everything is asked for anew after a second, so that a fault is felt soon."""
        group = 'socket_group = "postfix"' if self.group else ""
        authority = f'ca_file = "{slapd.path}/tls/ca.pem"' if url.startswith("ldaps") else ""
        self.configuration.write_text(f"""listen = "unix:{self.socket}"
{group}

[directory]
urls = ["{url}"]
base_dn = "{BASE}"
bind_dn = "cn=delegation-milter,{BASE}"
bind_password_file = "{slapd.path}/milter.password"
{authority}
timeout = "{timeout}"

[cache]
ttl = "1s"
negative_ttl = "1s"
stale = "{stale}"

[delegation]
enabled = true

[log]
format = "json"
""")

    def start(self):
        self.starts += 1
        log = self.files / f"log.{time.time_ns()}"
        self.logs.append(log)
        stderr = self.stderr(log) if self.stderr else log.open("wb")
        self.process = subprocess.Popen([*self.prefix, self.program, "--config", self.configuration], stderr=stderr,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True)
        stderr.close()
        wait("the milter listens", self.listens)
        return self

    def listens(self):
        if self.process.poll() is not None:
            raise Unseen(f"the milter ended with {self.process.returncode}: {self.text()[-500:]}")
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self.socket))
            return True
        return False

    def text(self):
        return "".join(log.read_text(errors="replace") for log in self.logs if log.exists())

    def said(self, text, since=0.0):
        """The times at which it logged a message with this text."""
        times = []
        for line in self.text().splitlines():
            if text in line:
                with contextlib.suppress(ValueError, KeyError):
                    logged = datetime.fromisoformat(json.loads(line)["timestamp"]).timestamp()
                    times += [logged] if logged >= since else []
        return times

    def memory(self, name):
        """In kB; nothing once it has ended."""
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if found := re.search(rf"^{name}:\s+(\d+) kB", Path(f"/proc/{self.process.pid}/status").read_text(), re.M):
                return int(found[1])
        return 0

    def kill(self):
        self.process.kill()
        self.process.wait()

    def end(self, count=1):
        """Its exit status after so many SIGTERM."""
        for _ in range(count):
            self.process.terminate()
        return self.process.wait(PATIENCE)

    def died(self):
        """How it ended, if it did and nobody asked it to."""
        status = self.process.poll()
        return None if status is None else f"status {status}"
