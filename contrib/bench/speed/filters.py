"""The filters that are measured, and the load generators."""

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

MB = 1024  # in kB, as /proc counts
# What a field that is added on behalf of somebody must hold.
DELEGATE = "carl@example.org"


@dataclass(frozen=True)
class Kind:
    """A message, and what the milter makes of it (the table at the head of conf/demo.ldif)."""
    login: str | None
    mail_from: str
    author: str
    refused: bool = False
    changed: bool = False

    def arguments(self):
        login = [f"--login={self.login}"] if self.login else []
        return [*login, f"--mail-from={self.mail_from}", f"--from={self.author}"]


KINDS = {
    "own": Kind("carl", DELEGATE, DELEGATE),
    "on behalf": Kind("carl", DELEGATE, "bea@example.org", changed=True),
    "refused": Kind("anna", "anna@example.org", "boss@example.org", refused=True),
    "unauthenticated": Kind(None, "bob@example.com", "bob@example.com"),
}


class Filter:
    """A filter that runs: a line of STAGE/filters."""

    def __init__(self, stage, name, transport, socket, pid):
        self.name, self.transport, self.socket, self.pid = name, transport, socket, int(pid)
        self.log = stage / f"{name}-{transport}" / "log"

    @property
    def decides(self):
        return self.name.startswith("milter")

    @property
    def may_be_held(self):
        """The others stand for what they are fast at, and some answer to header fields only if that is negotiated."""
        return self.decides or self.name == "yardstick"

    def expected(self, kind):
        """What the generator must see of a message of this kind. All filters but ours let everything pass as it is."""
        if self.decides and kind.refused:
            return ["--refused"]
        return [f"--sender={DELEGATE}"] if self.decides and kind.changed else []

    def cpu(self):
        """The processor time that it has taken in s, its ended threads' too: clock_getcpuclockid(3), as Linux numbers it."""
        return time.clock_gettime(~self.pid << 3 | 2)

    def memory(self, name):
        """VmRSS or VmHWM of proc(5), in MB."""
        values = dict(line.split(":", 1) for line in Path(f"/proc/{self.pid}/status").read_text().splitlines())
        return int(values[name].split()[0]) / MB

    def decisions(self):
        """By which right each message passed, by the log."""
        whole, _, _ = self.log.read_text().rpartition("\n")
        logged = map(json.loads, whole.splitlines())
        return [line["rule"] for line in logged if line.get("verdict") == "accept"]

    def forget_log(self):
        """Half an hour of lines would fill the memory that they are written to."""
        self.log.open("w").close()


def read_filters(stage):
    lines = (stage / "filters").read_text().splitlines()
    filters = [Filter(stage, *line.split()) for line in lines]
    return {(filter_.name, filter_.transport): filter_ for filter_ in filters}


class Loads:
    """The two load generators. What a message should become and does not, ends the program."""

    def __init__(self, stage):
        self.stage = stage

    def milter(self, filter_, kind, *arguments):
        """A round straight on the socket of a filter: what the generator reports, and the processor time that each message
        took the filter, in microseconds."""
        before = filter_.cpu()
        seen = self.run("milter", *kind.arguments(), *filter_.expected(kind), *arguments, filter_.socket)
        seen["cpu"] = (filter_.cpu() - before) * 1e6 / seen["messages"]
        filter_.forget_log()
        return seen

    def smtp(self, port, kind, *arguments):
        """A round through Postfix."""
        return self.run("smtp", *kind.arguments(), *arguments, f"inet:127.0.0.1:{port}")

    def run(self, program, *arguments):
        words = [str(self.stage / program), *map(str, arguments)]
        ended = subprocess.run(words, capture_output=True, text=True, check=False)
        if ended.returncode:
            sys.exit(f"speed: {ended.stderr.strip()}\nafter: {' '.join(words)}")
        return json.loads(ended.stdout)

    def hold(self, filter_, kind, connections):
        """The memory of a filter in MB while each of so many connections is between header and end of message."""
        words = [str(self.stage / "milter"), "--hold", f"--clients={connections}", *kind.arguments(),
                 *filter_.expected(kind), filter_.socket]
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as load:
            if load.stdout.readline() != "held\n":
                sys.exit(f"speed: not all connections are held: {' '.join(words)}")
            resident = filter_.memory("VmRSS")
            load.stdin.close()
            load.stdout.read()
        if load.returncode:
            sys.exit(f"speed: status {load.returncode} of {' '.join(words)}")
        return resident
