"""units.py: as much of systemctl and journalctl as the guides need, where no systemd runs; see "run"."""
import fnmatch
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import threading
import time

FOLDERS = ("etc/systemd/system", "run/systemd/system", "lib/systemd/system", "usr/lib/systemd/system")
PATIENCE = 60
# A service of one name that is a template with an instance in Debian.
INSTANCES = {"postfix.service": ("postfix@.service", "-")}


class Journal:
    """What services write to syslog, to the journal's socket and to standard error."""

    def __init__(self, root):
        self.entries, self.lock, self.root = [], threading.Lock(), root
        (root / "run/systemd/journal").mkdir(parents=True)
        for path, read in (("dev/log", self.syslog), ("run/systemd/journal/socket", self.native)):
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            listener.bind(str(root / path))
            os.chmod(root / path, 0o666)
            threading.Thread(target=self.listen, args=(listener, read), daemon=True).start()

    def listen(self, listener, read):
        while True:
            read(listener.recv(1 << 18))

    def add(self, unit, tag, message, **fields):
        with self.lock:
            self.entries.append({"at": time.time(), "_SYSTEMD_UNIT": unit, "SYSLOG_IDENTIFIER": tag, "MESSAGE": message,
                                 **fields})

    def syslog(self, data):
        text = data.decode(errors="replace").rstrip("\n\0")
        found = re.match(r"<\d+>(?:\w{3} [ \d]\d [\d:]{8} )?([^\s:\[]+)(?:\[(\d+)\])?: ?(.*)", text, re.S)
        tag, pid, message = found.groups() if found else ("?", None, text)
        name = "postfix@-" if tag.startswith("postfix") else tag
        self.add(f"{name}.service", tag, message, _PID=pid or "0")

    def native(self, data):
        """https://systemd.io/JOURNAL_NATIVE_PROTOCOL/"""
        fields = {}
        while data:
            line, _, data = data.partition(b"\n")
            name, equals, value = line.partition(b"=")
            if not equals:
                size = int.from_bytes(data[:8], "little")
                value, data = data[8:8 + size], data[9 + size:]
            fields[name.decode()] = value.decode(errors="replace")
        tag = fields.pop("SYSLOG_IDENTIFIER", "?")
        self.add(f"{tag}.service", tag, fields.pop("MESSAGE", ""), **fields)

    def last(self, count):
        with self.lock:
            return [line(entry) for entry in self.entries[-count:]]

    def ctl(self, words):
        """journalctl [-u UNIT]… [-t TAG]… [-n COUNT] [-g PATTERN] [-o cat|short|json] [-q] [--no-pager] [FIELD=VALUE]…"""
        tests, count, pattern, form = {}, None, None, "short"
        words = list(words)
        while words:
            word = words.pop(0)
            if word in ("-q", "--quiet", "--no-pager", "-e"):
                continue
            if word in ("--since", "-S", "--boot", "-b"):
                words[:1] = [] if word in ("--since", "-S") else words[:1]
            elif word.startswith("--since="):
                continue
            elif word in ("-u", "--unit"):
                name = words.pop(0)
                tests.setdefault("_SYSTEMD_UNIT", []).append(name if "." in name else name + ".service")
            elif word in ("-t", "--identifier"):
                tests.setdefault("SYSLOG_IDENTIFIER", []).append(words.pop(0))
            elif word == "-n":
                count = int(words.pop(0))
            elif word == "-g":
                pattern = words.pop(0)
            elif word == "-o":
                form = words.pop(0)
            elif re.match(r"[A-Z_]+=", word):
                field, value = word.split("=", 1)
                tests.setdefault(field, []).append(value)
            else:
                return 1, f"journalctl: the stand-in does not know {word}\n"
        with self.lock:
            found = [entry for entry in self.entries if fits(entry, tests, pattern)]
        shown = [line(entry) if form == "short" else entry["MESSAGE"] for entry in found[-count if count else 0:]]
        return (0 if shown else 1 if pattern else 0), "".join(text + "\n" for text in shown)


def fits(entry, tests, pattern):
    for field, wanted in tests.items():
        if not any(fnmatch.fnmatchcase(entry.get(field, ""), value) for value in wanted):
            return False
    # As journalctl: a pattern in lower case alone finds upper case too.
    flags = re.I if pattern and pattern.lower() == pattern else 0
    return pattern is None or re.search(pattern, entry["MESSAGE"], flags) is not None


def line(entry):
    at = time.strftime("%b %d %H:%M:%S", time.localtime(entry["at"]))
    return f"{at} mail {entry['SYSLOG_IDENTIFIER']}[{entry.get('_PID', '0')}]: {entry['MESSAGE']}"


# -------------------------------------------------------------------------------------------------- services

class Refused(Exception):
    """What systemctl says."""


class Unit:
    """The files of a unit: the values of each key, in order."""

    def __init__(self, root, name):
        self.name, self.root, self.keys = name, root, {}
        template, self.instance = INSTANCES.get(name, (name, ""))
        files = [root / folder / template for folder in FOLDERS]
        found = [path for path in files if path.exists()]
        self.script = root / "etc/init.d" / name.removesuffix(".service")
        if not found and not self.script.exists():
            raise Refused(f"Unit {name} not found.")
        if found:
            self.script = None
            self.read(found[0])
        for folder in FOLDERS:
            for path in sorted((root / folder / f"{template}.d").glob("*.conf")):
                self.read(path)

    def read(self, path):
        text = re.sub(r"\\\n", " ", path.read_text(encoding="utf-8"))
        for entry in map(str.strip, text.splitlines()):
            if entry and entry[0] not in "#;[" and "=" in entry:
                key, value = map(str.strip, entry.split("=", 1))
                if value:
                    self.keys.setdefault(key, []).append(value)
                else:
                    self.keys[key] = []

    def all(self, key):
        return [value.replace("%i", self.instance).replace("%%", "%") for value in self.keys.get(key, [])]

    def last(self, key, default=""):
        return (self.all(key) or [default])[-1]

    def words(self, key):
        return " ".join(self.all(key)).split()


class Service:
    """A unit that runs, or did."""

    def __init__(self, root, journal, name):
        self.root, self.journal, self.name = root, journal, name
        self.process, self.active, self.stopping, self.ready = None, False, False, threading.Event()
        self.unit = None

    def command(self, text, pid=None, root_user=False):
        """The words that run a line of a unit in the tree."""
        prefix = re.match(r"[-@:+!]*", text)[0]
        words = [str(pid) if word == "$MAINPID" else word for word in shlex.split(text[len(prefix):])]
        chroot = ["chroot", str(self.root)]
        if not root_user and "+" not in prefix and "!" not in prefix:
            chroot += self.identity()
        return chroot + words, "-" in prefix

    def identity(self):
        user = self.unit.last("User")
        if not user:
            return []
        group = self.unit.last("Group") or user
        own = subprocess.run(["chroot", str(self.root), "id", "-Gn", user], stdout=subprocess.PIPE, text=True, check=True)
        groups = ",".join(own.stdout.split() + self.unit.words("SupplementaryGroups"))
        return ["setpriv", "--reuid", user, "--regid", group, "--groups", groups, "--inh-caps=-all"]

    def prepare(self):
        user = self.unit.last("User")
        known = subprocess.run(["chroot", str(self.root), "getent", "passwd", user], stdout=subprocess.DEVNULL, check=False)
        if user and known.returncode != 0:
            # DynamicUser=: a user that is there while the service runs.
            subprocess.run(["chroot", str(self.root), "useradd", "--system", "--user-group", "--no-create-home",
                            "--shell", "/usr/sbin/nologin", user], check=True)
        # Directories below /run that packages ask for at boot.
        subprocess.run(["chroot", str(self.root), "systemd-tmpfiles", "--create", "--prefix=/run"],
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        for key, folder in (("RuntimeDirectory", "run"), ("StateDirectory", "var/lib"), ("LogsDirectory", "var/log")):
            for name in self.unit.words(key):
                path = self.root / folder / name
                path.mkdir(mode=int(self.unit.last(key + "Mode", "0755"), 8), parents=True, exist_ok=True)
                self.own(path)
        for entry in self.unit.all("LoadCredential"):
            self.load(*entry.split(":", 1))

    def own(self, path):
        if self.unit.last("User"):
            inside = "/" + str(path.relative_to(self.root))
            subprocess.run(["chroot", str(self.root), "chown", self.unit.last("User") + ":", inside], check=True)

    def load(self, name, source):
        found = [self.root / folder / source.lstrip("/") for folder in ("", "etc/credstore", "run/credstore")
                 if folder or source.startswith("/")]
        store = self.root / "run/credentials" / self.name
        store.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.own(store)
        for path in filter(os.path.exists, found):
            shutil.copy(path, store / name)
            os.chmod(store / name, 0o400)
            self.own(store / name)

    def environment(self):
        variables = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
        for entry in self.unit.all("Environment"):
            variables.update(word.split("=", 1) for word in shlex.split(entry))
        if self.unit.all("LoadCredential"):
            variables["CREDENTIALS_DIRECTORY"] = f"/run/credentials/{self.name}"
        if self.unit.last("Type").startswith("notify"):
            variables["NOTIFY_SOCKET"] = self.notified()
        return variables

    def notified(self):
        """The name of a socket that hears of readiness (sd_notify(3))."""
        inside = f"/run/guide/notify.{self.name}.{time.monotonic_ns()}"
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        listener.bind(str(self.root) + inside)
        os.chmod(str(self.root) + inside, 0o666)
        threading.Thread(target=self.hear, args=(listener,), daemon=True).start()
        return inside

    def hear(self, listener):
        while True:
            said = listener.recv(65536).decode(errors="replace").splitlines()
            if "RELOADING=1" in said:
                self.ready.clear()
            if "READY=1" in said:
                self.ready.set()
            for status in (entry.removeprefix("STATUS=") for entry in said if entry.startswith("STATUS=")):
                self.status = status

    status = ""

    def run_all(self, key, **extra):
        for text in self.unit.all(key):
            words, may_fail = self.command(text, **extra)
            with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  env=self.variables, cwd="/") as run:
                # Not until the pipe ends: what it leaves running holds that.
                threading.Thread(target=self.copy, args=(run.stdout,), daemon=True).start()
                if run.wait(PATIENCE) != 0 and not may_fail:
                    raise Refused(f"Job for {self.name} failed because the control process exited with error code: {text}")
                run.stdout = None

    def copy(self, stream):
        with stream:
            for text in stream:
                tag = self.name.removesuffix(".service")
                self.journal.add(self.name, tag, text.decode(errors="replace").rstrip("\n"),
                                 _PID=str(self.process.pid) if self.process else "0")

    def start(self):
        if self.active:
            return
        self.unit = Unit(self.root, self.name)
        self.stopping = False
        if self.unit.script:
            self.init_script("start")
            self.active = True
            return
        self.prepare()
        self.variables = self.environment()
        self.run_all("ExecStartPre")
        if self.unit.last("Type") in ("forking", "oneshot"):
            self.run_all("ExecStart")
        else:
            self.spawn()
        self.active = True

    def spawn(self):
        self.ready.clear()
        words, _ = self.command(self.unit.last("ExecStart"))
        umask = int(self.unit.last("UMask", "0022"), 8)
        self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, env=self.variables, cwd="/", umask=umask)
        threading.Thread(target=self.copy, args=(self.process.stdout,), daemon=True).start()
        threading.Thread(target=self.supervise, args=(self.process,), daemon=True).start()
        if self.unit.last("Type").startswith("notify"):
            self.wait_ready()

    def wait_ready(self):
        until = time.monotonic() + PATIENCE
        while not self.ready.wait(0.05):
            if self.process.poll() is not None or time.monotonic() > until:
                raise Refused(f"Job for {self.name} failed because the control process exited with error code.")

    def supervise(self, process):
        code = process.wait()
        if self.stopping or process is not self.process:
            return
        self.journal.add(self.name, "systemd", f"{self.name}: Main process exited, status={code}")
        policy, final = self.unit.last("Restart", "no"), self.unit.words("RestartPreventExitStatus")
        if policy == "no" or (policy == "on-failure" and code == 0) or str(code) in final:
            self.active = False
            return
        time.sleep(float(self.unit.last("RestartSec", "0.1s").removesuffix("s")))
        if not self.stopping:
            try:
                self.run_all("ExecStartPre")
                self.spawn()
            except Refused:
                self.active = False

    def stop(self):
        self.stopping, self.active = True, False
        if self.unit is None:
            return
        if self.unit.script:
            self.init_script("stop")
            return
        if self.unit.all("ExecStop"):
            self.run_all("ExecStop", pid=self.main_pid(), root_user=True)
        self.end()

    def end(self):
        pid = self.main_pid()
        if pid is None:
            return
        try:
            os.kill(pid, signal.SIGTERM)
            until = time.monotonic() + PATIENCE
            while time.monotonic() < until:
                if self.process is not None and self.process.poll() is not None:
                    break
                os.kill(pid, 0)
                time.sleep(0.02)
        except ProcessLookupError:
            pass

    def main_pid(self):
        if self.process is not None:
            return self.process.pid if self.process.poll() is None else None
        path = self.unit.last("PIDFile")
        if not path or not (self.root / path.lstrip("/")).exists():
            return None
        return int((self.root / path.lstrip("/")).read_text())

    def reload(self):
        if not self.active:
            raise Refused(f"{self.name} is not active, cannot reload.")
        if self.unit.script:
            self.init_script("force-reload")
        elif self.unit.last("Type") == "notify-reload":
            self.ready.clear()
            os.kill(self.main_pid(), signal.SIGHUP)
            self.wait_ready()
        elif self.unit.all("ExecReload"):
            self.run_all("ExecReload", pid=self.main_pid(), root_user=True)
        else:
            raise Refused(f"Failed to reload {self.name}: Job type reload is not applicable for unit {self.name}.")

    def init_script(self, verb):
        inside = "/" + str(self.unit.script.relative_to(self.root))
        run = subprocess.run(["chroot", str(self.root), inside, verb], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}, check=False)
        if run.returncode != 0:
            raise Refused(f"Job for {self.name} failed.")


class Units:
    """Answers what the stand-ins ask."""

    def __init__(self, root, journal):
        self.root, self.journal, self.services = root, journal, {}

    def serve(self, others):
        answers = {"systemctl": self.ctl, "journalctl": self.journal.ctl, **others}
        for name in ("request", "status"):
            os.mkfifo(self.root / "run/guide" / name)
        threading.Thread(target=self.answer, args=(answers,), daemon=True).start()

    def answer(self, answers):
        place = self.root / "run/guide"
        while True:
            name, *words = (place / "request").read_text().splitlines()
            try:
                code, text = answers[name](words)
            except Exception as error:  # the page gets to know whatever it is
                code, text = 1, f"{error}\n"
            (place / "answer").write_text(text)
            (place / "status").write_text(f"{code}\n")

    def ctl(self, words):
        verb, *names = [word for word in words if not word.startswith("-")]
        now = "--now" in words
        if verb in ("daemon-reload", "mask", "unmask") or (verb in ("enable", "disable") and not now):
            return 0, ""
        verb = {"enable": "start", "disable": "stop", "reload-or-restart": "reload"}.get(verb, verb)
        said, code = "", 0
        for name in names:
            service = self.service(name if "." in name else name + ".service")
            if verb == "is-active":
                said += ("" if "--quiet" in words else "active\n" if service.active else "inactive\n")
                code = code if service.active else 3
            elif verb == "status":
                said += f"{service.name}: {'active (running)' if service.active else 'inactive (dead)'}\n"
                said += f"     Status: \"{service.status}\"\n" if service.status else ""
                code = code if service.active else 3
            else:
                self.act(verb, service)
        return code, said

    def act(self, verb, service):
        if verb in ("stop", "restart"):
            service.stop()
        if verb in ("start", "restart"):
            service.start()
        elif verb == "reload":
            service.reload()
        elif verb not in ("stop", "restart"):
            raise Refused(f"systemctl: the stand-in does not know {verb}")

    def service(self, name):
        if name not in self.services:
            Unit(self.root, name)
            self.services[name] = Service(self.root, self.journal, name)
        return self.services[name]
