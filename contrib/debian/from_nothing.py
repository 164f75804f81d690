"""from_nothing.py --packages PAGE: the packages that a page installs with apt, one a line.
from_nothing.py --leader PID [--verbose] PAGE: does what the page says in the system whose first process is PID.

The page is read and compared by contrib/guides/run.py, on another kind of machine: this one was booted."""
import argparse
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "guides"))
import run  # noqa: E402 (it stands beside this directory)


def packages(steps):
    """What stands behind "apt-get install", but for options and files."""
    found = []
    for step in steps:
        for words in re.findall(r"^apt-get install (.*)$", step.text, re.MULTILINE):
            found += [word for word in words.split() if not word.startswith(("-", "./"))]
    return list(dict.fromkeys(found))


class Booted:
    """What run.py asks of a machine: where its files are, and to run commands there."""

    def __init__(self, leader):
        self.leader = leader
        self.root = Path(f"/proc/{leader}/root")
        (self.root / "run/guide").mkdir()

    def bash(self, script, strict=True, **extra):
        """Exit status and output of a script; strict: ends with the first command that fails."""
        with tempfile.TemporaryFile() as out:
            # Not a pipe: what it starts and leaves running would keep that open.
            code = subprocess.run(
                ["nsenter", "--target", self.leader, "--all", "--wdns=/", "/bin/bash", "-c",
                 run.SESSION + run.STRICT * strict + script],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=run.environment(**extra),
                timeout=run.LIMIT, check=False,
            ).returncode
            out.seek(0)
            return code, out.read().decode(errors="replace")


def proof(machine):
    """What the page was for, from the log and the mailbox."""
    _, log = machine.bash("journalctl -u delegation-milter -o cat")
    refused = [line for line in log.splitlines() if 'verdict="refuse"' in line and 'rule="author"' in line]
    _, mail = machine.bash("cat /var/mail/carl")
    delivered = [message for message in re.split(r"^From (?=.*\d:\d)", mail, flags=re.MULTILINE)
                 if "\nSubject: on behalf\n" in message]
    if not refused or "550 5.7.1" not in refused[0] or len(delivered) != 1:
        raise run.Failed("there is no refused forgery in the log, or no message on behalf in the mailbox")
    header = delivered[0].split("\n\n")[0]
    if not re.search(r"^From: .*<bea@example.org>$", header, re.MULTILINE) or \
            not re.search(r"^Sender: .*<anna@example.org>$", header, re.MULTILINE):
        raise run.Failed(f"the message on behalf is another:\n{header}")
    return refused[0], "\n".join(line for line in header.splitlines() if re.match(r"From|Sender|Subject|To:", line))


def perform(machine, steps, verbose):
    for step in steps:
        if step.kind == "mark":
            continue
        print(f"{step.page}:{step.line}: {run.title(step)}", flush=True)
        try:
            if step.kind not in ("skip", "after"):
                run.perform(machine, step, verbose)
        except run.Failed as error:
            _, log = machine.bash("journalctl -n 30 -o cat")
            raise run.Failed(f"{step.page}:{step.line}: {error}\nthe last of the journal:\n{log}") from None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--packages", action="store_true")
    parser.add_argument("--leader")
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("page")
    asked = parser.parse_args()
    steps, began = run.read_page(asked.page), time.monotonic()
    if asked.packages:
        print("\n".join(packages(steps)))
        return
    machine = Booted(asked.leader)
    try:
        perform(machine, steps, asked.verbose)
        refused, delivered = proof(machine)
    except run.Failed as error:
        sys.exit(f"FAILED: {error}")
    print(f"== the refused forgery\n{refused}\n== the message on behalf\n{delivered}")
    print(f"{len(steps)} steps in {time.monotonic() - began:.0f} s")


main()
