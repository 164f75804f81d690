"""instructions.py PROGRAM STAGE: counts the instructions and the allocations of a message with callgrind, and says where
they go. The exit status is 1 if a kind takes more than its bound."""

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

MESSAGES = 500
# The most instructions and allocations of a message of each kind, with the cache and the log as text.
BOUNDS = {
    "own,1-group": (45_000, 54),
    "own,30-groups": (45_000, 54),
    "own,100-groups": (45_000, 54),
    "on-behalf,1-group,1-grant": (68_000, 92),
    "on-behalf,30-groups,3-grants": (71_000, 92),
    "on-behalf,100-groups,50-grants": (135_000, 93),
    "refused,1-group,1-grant": (55_000, 68),
    "refused,30-groups,3-grants": (58_000, 68),
    "refused,100-groups,50-grants": (120_000, 69),
}
USUAL = "on-behalf,30-groups,3-grants"
ALLOCATORS = {"malloc", "calloc", "realloc"}
TOP = 25


class Profile:
    """What callgrind wrote: instructions of each function, by itself and with all that it calls, and its calls."""

    def __init__(self, file):
        self.own, self.whole, self.calls = Counter(), Counter(), Counter()
        self.names = {}
        function = callee = None
        for line in file.read_text(encoding="utf-8").splitlines():
            if line.startswith("fn="):
                function = self.name(line[3:])
            elif line.startswith("cfn="):
                callee = self.name(line[4:])
            elif line.startswith("calls="):
                self.calls[callee] += int(line[6:].split()[0])
            elif re.match(r"[0-9+*-]", line):
                cost = int(line.split()[1])
                self.whole[function] += cost
                if callee is None:
                    self.own[function] += cost
                # The line behind calls= is what the calls cost.
                callee = None

    def name(self, text):
        """Names stand in the file once, as "(7) name", and then as "(7)"."""
        number, _, name = text.partition(" ")
        return self.names.setdefault(number, name)

    def less(self, other, messages):
        """What a message takes, where this one has so many more than the other."""
        for mine, theirs in (self.own, other.own), (self.whole, other.whole), (self.calls, other.calls):
            mine.subtract(theirs)
            for name in mine:
                mine[name] /= messages
        return self

    def instructions(self):
        return sum(self.own.values())

    def allocations(self):
        return sum(count for name, count in self.calls.items() if name in ALLOCATORS)


def profile(program, stage, kind, memory, log):
    profiles = []
    for messages in MESSAGES, 2 * MESSAGES:
        file = Path(stage, f"callgrind.{messages}")
        valgrind = ["valgrind", "--quiet", "--tool=callgrind", f"--callgrind-out-file={file}"]
        command = [*valgrind, program, kind, memory, log, str(messages)]
        with Path(stage, "lines").open("w", encoding="utf-8") as lines:
            subprocess.run(command, stderr=lines, check=True)
        written = Path(stage, "lines").read_text(encoding="utf-8").count("queue_id")
        if written != (0 if log == "none" else messages):
            sys.exit(f"instructions.py: {kind}, {log}: {written} log lines of {messages} messages")
        profiles.append(Profile(file))
    return profiles[1].less(profiles[0], MESSAGES)


def row(*cells):
    print(f"{cells[0]:36}" + "".join(f"{cell:>14}" for cell in cells[1:]))


def main():
    program, stage = sys.argv[1:]
    kinds = subprocess.run([program, "list"], stdout=subprocess.PIPE, check=True, text=True).stdout.split()
    print("With the cache, and the log as text; a message:")
    row("", "instructions", "allocations")
    failed = False
    for kind in kinds:
        counted = profile(program, stage, kind, "cache", "text")
        most = BOUNDS[kind]
        over = counted.instructions() > most[0] or counted.allocations() > most[1]
        failed |= over
        note = [f"  more than {most[0]} or {most[1]}"] if over else []
        row(kind, round(counted.instructions()), round(counted.allocations()), *note)
        if kind == USUAL:
            usual = counted
    print(f"\n{USUAL} with another memory, or another log:")
    row("", "instructions", "allocations")
    for memory, log in ("cache", "none"), ("map", "none"), ("cache", "json"):
        counted = profile(program, stage, USUAL, memory, log)
        row(f"{memory}, {log}", round(counted.instructions()), round(counted.allocations()))
    print(f"\nWhere they go, {USUAL} (cache, text):")
    print("   by itself with calls   calls")
    for name, own in usual.own.most_common(TOP):
        print(f"{own:12.0f} {usual.whole[name]:10.0f} {usual.calls[name]:7.1f}  {name[:80]}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
