"""run.py [--verbose] [--shell] [--go-on] --deb FILE | --program FILE [--root TREE] PAGE: "run", inside its namespaces."""
import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from units import Journal, Units

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
PATIENCE = 30
LIMIT = 300


class Failed(Exception):
    """What went wrong, for the reader."""


# -------------------------------------------------------------------------------------------------- the page

@dataclass
class Step:
    line: int
    kind: str                                  # "sh", "file", "console", "given", "skip", "after", "mark"
    text: str
    path: str = ""
    said: dict = field(default_factory=dict)   # of the comment before it
    page: str = ""


def read_page(path):
    """The steps of a page, in order."""
    steps, said, lines = [], {}, enumerate(Path(path).read_text(encoding="utf-8").splitlines(), 1)
    for number, line in lines:
        comment = re.fullmatch(r"<!-- run: (.*?)(-->)?", line)
        fence = re.fullmatch(r"( *)(`{3,})\s*(.*)", line)
        if comment:
            word, _, value = comment[1].strip().partition(" ")
            if word == "after":
                steps.append(Step(number, "after", value))
                steps += before_mark(Path(path).parent / value)
            elif word == "mark":
                steps.append(Step(number, "mark", ""))
            elif word == "given":
                steps.append(Step(number, "given", take(lines, "-->", "")))
            else:
                said[word.rstrip(":")] = value
        elif fence:
            text = take(lines, fence[2], fence[1])
            step = block(path, number, fence[3], text, said)
            said = {}
            if step:
                steps.append(step)
        elif line.strip() and said:
            raise Failed(f"{path}:{number}: the comment before this line is about no block")
    for step in steps:
        step.page = step.page or os.path.basename(path)
    return steps


def before_mark(path):
    """What another page does up to its mark."""
    steps = read_page(path)
    places = [place for place, step in enumerate(steps) if step.kind == "mark"]
    if not places:
        raise Failed(f"{path} has no mark")
    return steps[:places[0]]


def take(lines, end, indent):
    taken = []
    for _, line in lines:
        if line.strip() == end:
            break
        taken.append(line.removeprefix(indent))
    return "\n".join(taken) + "\n"


def block(path, number, info, text, said):
    words = info.split()
    if set(said) - {"wait", "status", "skip"}:
        raise Failed(f"{path}:{number}: what is {said}?")
    if "skip" in said:
        return Step(number, "skip", said["skip"])
    if len(words) == 2 and words[1].startswith("/"):
        return Step(number, "file", text, words[1], said)
    if words in (["sh"], ["console"]):
        return Step(number, words[0], text, "", said)
    if words == ["text"]:
        return None
    raise Failed(f"{path}:{number}: a block is sh, console, text or LANGUAGE /PATH, not {info!r}")


def dialogue(text):
    """The commands of a console, each with what it prints."""
    found = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append(([line[2:]], []))
        elif found and not found[-1][1] and (line.startswith("> ") or found[-1][0][-1].endswith("\\")):
            found[-1][0].append(line.removeprefix("> "))
        elif found:
            found[-1][1].append(line)
        else:
            raise Failed(f"a console begins with a command, not with {line!r}")
    return [("\n".join(command), "\n".join(shown).strip("\n")) for command, shown in found]


def looks_like(shown, printed):
    """Whether a command printed what the page shows."""
    pattern = ""
    for line in shown.splitlines():
        if line.strip() == "…":
            pattern += r"(?:.*\n)*?"
        else:
            pattern += ".*".join(map(re.escape, line.rstrip().split("…"))) + r"[ \t]*\n"
    return re.fullmatch(pattern, printed.strip("\n") + "\n" if printed.strip() else "") is not None


# ----------------------------------------------------------------------------------------------- the machine

def sh(*words):
    subprocess.run(words, check=True)


class Machine:
    """A tree that is thrown away, and what runs in it."""

    def __init__(self, tree, deb, program):
        self.fresh = tree is not None
        sh("mount", "--make-rprivate", "/")
        # Unseen from outside, and gone with the namespace; and short, for names of sockets.
        sh("mount", "-t", "tmpfs", "guide", "/mnt")
        store = Path("/mnt")
        self.root = store / "root"
        for name in ("upper", "work", "root"):
            (store / name).mkdir()
        layers = f"lowerdir={tree or '/'},upperdir={store}/upper,workdir={store}/work"
        sh("mount", "-t", "overlay", "guide", "-o", layers, str(self.root))
        self.mount_kernel()
        self.name_host()
        (self.root / "run/guide").mkdir(parents=True)
        (self.root / "run/guide/repository").mkdir()
        sh("mount", "--bind", str(REPOSITORY), str(self.root / "run/guide/repository"))
        self.journal = Journal(self.root)
        self.units = Units(self.root, self.journal)
        self.put_stand_ins()
        self.put_package(deb, program)

    def mount_kernel(self):
        root = self.root
        sh("mount", "-t", "proc", "proc", str(root / "proc"))
        sh("mount", "-t", "tmpfs", "dev", str(root / "dev"))
        sh("mount", "-t", "tmpfs", "run", str(root / "run"))
        sh("mount", "-t", "tmpfs", "tmp", "-o", "mode=1777", str(root / "tmp"))
        for name in ("null", "zero", "full", "random", "urandom", "tty"):
            (root / "dev" / name).touch()
            sh("mount", "--bind", f"/dev/{name}", str(root / "dev" / name))
        for name, target in (("fd", "self/fd"), ("stdin", "self/fd/0"), ("stdout", "self/fd/1"), ("stderr", "self/fd/2")):
            (root / "dev" / name).symlink_to(f"/proc/{target}")
        (root / "dev/shm").mkdir(mode=0o1777)
        (root / "run/lock").mkdir(mode=0o1777)

    def name_host(self):
        sh("ip", "link", "set", "lo", "up")
        sh("hostname", "mail")
        etc = self.root / "etc"
        (etc / "hostname").write_text("mail\n")
        (etc / "hosts").write_text("127.0.0.1 localhost\n127.0.1.1 mail.example.org mail\n::1 localhost\n")

    def put_stand_ins(self):
        names = ["systemctl", "journalctl"] + ([] if self.fresh else ["apt-get", "apt"])
        for name in names:
            path = self.root / "usr/local/sbin" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text((HERE / "stand-in").read_text())
            path.chmod(0o755)
        self.units.serve({"apt-get": self.apt, "apt": self.apt})

    def put_package(self, deb, program):
        """What somebody who follows a page has downloaded."""
        home = self.root / "root"
        home.mkdir(mode=0o700, exist_ok=True)
        self.program = program
        if program:
            (home / "delegation-milter_0.0.0-1_amd64.deb").touch()
        else:
            sh("cp", deb, str(home))

    def bash(self, script, **extra):
        """Exit status and output of a script."""
        with tempfile.TemporaryFile() as out:
            # Not a pipe: what it starts and leaves running would keep that open.
            code = subprocess.run(
                ["chroot", str(self.root), "/bin/bash", "-c", SESSION + script],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environment(**extra), timeout=LIMIT, check=False,
            ).returncode
            out.seek(0)
            return code, out.read().decode(errors="replace")

    # What "apt-get install" does where the packages are there already.
    def apt(self, words):
        names = [word for word in words[1:] if not word.startswith("-")]
        if not words or words[0] not in ("install", "update"):
            return 100, f"E: the stand-in for apt knows install and update, not {words}\n"
        said = ""
        for name in names:
            if name.endswith(".deb"):
                code, text = self.install_deb(name)
            else:
                code, text = self.bash(STRICT + AS_NEW, NAME=name)
            if code != 0:
                return 100, said + text
            said += text
        return 0, said

    def install_deb(self, name):
        if self.program:
            shutil.copy(self.program, self.root / "run/guide/program")
            return self.bash(STRICT + LAY_OUT, REPOSITORY="/run/guide/repository")
        # Its scripts get the real systemctl, which enables by links alone where no systemd runs: the one in its place
        # waits until this is done.
        return self.bash(f"PATH={REAL_PATH} dpkg --force-confdef --force-confold -i {shlex.quote(name)} 2>&1")


REAL_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


def environment(**extra):
    return {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "USER": "root",
        "LOGNAME": "root", "LC_ALL": "C.UTF-8", "TERM": "dumb", "DEBIAN_FRONTEND": "noninteractive", **extra,
    }


# What is exported lasts, as in one session.
SESSION = """cd /root
[ ! -e /run/guide/exported ] || . /run/guide/exported
trap 'export -p >/run/guide/exported' EXIT
"""
# In blocks of commands; at a prompt, a pipe's status is that of its last command.
STRICT = "set -euo pipefail\n"

# A package that this machine has without a configuration gets the one that the page asks debconf for.
AS_NEW = """
dpkg -s "$NAME" >/dev/null 2>&1 || {
    echo "E: $NAME is not on this machine: contrib/testbed/install guides"
    exit 100
}
case $NAME in
    postfix) [ -e /etc/postfix/main.cf ] || dpkg-reconfigure -f noninteractive postfix >/dev/null 2>&1 ;;
    slapd)
        if [ ! -e /etc/ldap/slapd.d ]; then
            # contrib/testbed/install asked for none.
            echo 'slapd slapd/no_configuration boolean false' | debconf-set-selections
            dpkg-reconfigure -f noninteractive slapd >/dev/null 2>&1
        fi
        ;;
esac
"""

# What the package does, without one.
LAY_OUT = """
cd "$REPOSITORY"
install -m 755 /run/guide/program /usr/sbin/delegation-milter
install -D -m 644 conf/delegation-milter.toml /etc/delegation-milter/delegation-milter.toml
install -m 644 contrib/systemd/delegation-milter.service contrib/systemd/delegation-milter.socket /lib/systemd/system/
install -m 644 contrib/systemd/delegation-milter.sysusers /usr/lib/sysusers.d/delegation-milter.conf
install -m 644 contrib/systemd/delegation-milter.tmpfiles /usr/lib/tmpfiles.d/delegation-milter.conf
systemd-sysusers delegation-milter.conf
systemd-tmpfiles --create delegation-milter.conf
mkdir -p /usr/share/doc/delegation-milter/examples
cp -r contrib/ldap contrib/dovecot conf/demo.ldif /usr/share/doc/delegation-milter/examples/
"""


# --------------------------------------------------------------------------------------------------- the run

def perform(machine, step, verbose):
    if step.kind == "file":
        path = machine.root / step.path.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(step.text, encoding="utf-8")
        return
    if step.kind in ("sh", "given"):
        extra = {"REPOSITORY": "/run/guide/repository"} if step.kind == "given" else {}
        expect(machine, step.text, None, step.said, verbose, extra)
        return
    talk = dialogue(step.text)
    for place, (command, shown) in enumerate(talk):
        said = step.said if place == len(talk) - 1 else {}
        expect(machine, command, shown, said, verbose, {})


def expect(machine, command, shown, said, verbose, extra):
    until = time.monotonic() + (PATIENCE if "wait" in said else 0)
    status = int(said.get("status", 0))
    while True:
        code, printed = machine.bash((STRICT if shown is None else "") + command, **extra)
        good = code == status and (shown is None or looks_like(shown, printed))
        if good or time.monotonic() > until:
            break
        time.sleep(0.1)
    if verbose or not good:
        print("".join(f"    | {line}\n" for line in printed.splitlines()), end="")
    if code != status:
        raise Failed(f"exit status {code}, not {status}, of: {command.strip()}")
    if not good:
        raise Failed("the page shows something else:\n" + "".join(f"    > {line}\n" for line in shown.splitlines()))


def title(step):
    first = step.path or step.text.strip().splitlines()[0]
    return f"{step.kind:8}{first}"[:110]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--shell", action="store_true")
    parser.add_argument("--go-on", action="store_true")
    parser.add_argument("--deb")
    parser.add_argument("--program")
    parser.add_argument("--root")
    parser.add_argument("page")
    asked = parser.parse_args()
    name, began, failed = os.path.basename(asked.page), time.monotonic(), False
    step = None
    try:
        steps = read_page(asked.page)
        machine = Machine(asked.root, asked.deb, asked.program)
        for step in steps:
            if step.kind == "mark":
                continue
            print(f"{step.page}:{step.line}: {title(step)}", flush=True)
            try:
                if step.kind not in ("skip", "after"):
                    perform(machine, step, asked.verbose)
            except Failed as error:
                if not asked.go_on:
                    raise
                failed = True
                print(f"{step.page}:{step.line}: FAILED: {error}")
    except (Failed, subprocess.SubprocessError) as error:
        failed = True
        print(f"{step.page}:{step.line}: FAILED: {error}" if step else f"FAILED: {error}")
        if step:
            print("the last of the journal:\n" + "".join(f"    {line}\n" for line in machine.journal.last(15)), end="")
    if asked.shell and step:
        subprocess.run(["chroot", str(machine.root), "/bin/bash"], env=environment(), cwd="/", check=False)
    if not failed:
        print(f"{name}: {len(steps)} steps in {time.monotonic() - began:.0f} s")
    sys.stdout.flush()
    # Whatever still runs ends with the namespace.
    os._exit(1 if failed else 0)


if __name__ == "__main__":
    main()
