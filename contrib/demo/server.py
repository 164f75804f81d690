"""server.py STAGE MILTER SCENE: the part of the demonstration that needs a server, OpenLDAP, scene by scene.

"same" sends the messages of messages.py once more, each twice, and counts in slapd's log what the milter asks. The
others are played when run has changed something: what Bea lets Anna do, or whether slapd is there. The exit status is 1
if anything is not as it must be.
"""

import itertools
import time
from dataclasses import replace
from pathlib import Path

from messages import (ANNA, CARL, CARL_NAMED, CASES, GREEN, NOT_ALLOWED, Case, Stage, coloured, differences, print_row,
                      run, show, tell)

AS_BEA = {"login": "anna", "mail_from": ANNA, "authors": ["Bea Brandt <bea@example.org>"]}
REFUSED = {"verdict": "refused", "reply": NOT_ALLOWED.format("bea@example.org")}
ON_BEHALF = {"verdict": "on behalf", "sender": '"Anna Adams" <anna@example.org>', "envelope": ANNA}
FOR_BEA = {"login": "carl", "mail_from": CARL, "authors": ["Bea Brandt <bea@example.org>"], "verdict": "on behalf",
           "sender": CARL_NAMED, "envelope": CARL}
EMIL = {"login": "emil", "mail_from": "emil@example.org", "authors": ["emil@example.org"]}
LATER = "451 4.3.0 the server cannot check at the moment who may send this message; try again later"

SCENES = {
    "before": [
        Case("Bea has given Anna nothing.", **AS_BEA, **REFUSED),
    ],
    "given": [
        Case("Bea, bound to OpenLDAP as herself, lets Anna write on her behalf: it counts {seconds:.2f} s later.",
             **AS_BEA, **ON_BEHALF),
    ],
    "taken": [
        Case("Bea takes it back: gone {seconds:.2f} s later. (Send-as she could not give: slapd refused her that.)",
             **AS_BEA, **REFUSED),
    ],
    "away": [
        Case("slapd is ended. Carl still writes on Bea's behalf: what was known serves for an hour.", **FOR_BEA),
        Case("Emil, whom the milter has not seen yet, is told to try again.", **EMIL, verdict="deferred", reply=LATER),
    ],
    "back": [
        Case("slapd is back, and nothing else was started anew: Emil gets through {seconds:.1f} s later.", **EMIL,
             verdict="own", envelope="emil@example.org"),
        Case("And Carl writes on Bea's behalf, as before.", **FOR_BEA),
    ],
}

AT_ONCE = 1.0  # s, within which a change must count
BACK = 10.0  # s, within which the directory must be used again

# The searches for the first message of a login: for the login, for the address in From, for the groups of the entry,
# and for those of the groups found, until there are none. Carl is in no group; above Lena are three levels.
SEARCHES = {"carl": 3, "lena": 6}


class Searches:
    """What slapd was asked, by its log: a question is in it before its answer is sent."""

    def __init__(self, stage):
        self.log = (Path(stage) / "directory" / "log").open(errors="replace")
        self.new()

    def new(self):
        """The number of searches since this was last asked."""
        return sum(" SRCH base=" in line for line in self.log)


def same(stage, searches):
    """The same messages; prints only what differs."""
    cold, again, logins, right = 0, 0, {}, True
    for number, case in enumerate(CASES, 1):
        counts = []
        for label in (f"{number} to OpenLDAP", f"{number} to OpenLDAP again"):
            seen = stage.play(label, case)
            counts.append(searches.new())
            differs = differences(label, case, seen)
            if differs:
                print_row(number, case, seen)
                right = tell(number, differs)
        logins.setdefault(case.login, counts[0])
        cold, again = cold + counts[0], again + counts[1]
    if right:
        print(coloured(GREEN, f"The same {len(CASES)} messages went through with OpenLDAP: nothing differed."))
    return tell_searches(cold, again, logins) and right


def tell_searches(cold, again, logins):
    counted = {login: logins[login] for login in SEARCHES}
    print("\nWhat only a server shows. By slapd's log it was asked "
          f"{counted['carl']} searches for Carl's first message (his login, Bea's\naddress, his groups), "
          f"{counted['lena']} for Lena's first (three levels of groups above her), {cold} for all {len(CASES)} messages,"
          f"\nand {again} when each was sent a second time.")
    if counted == SEARCHES and not again:
        return True
    print(f"\nWRONG: it should be {SEARCHES['carl']}, {SEARCHES['lena']}, and 0 for the second time.")
    return False


def play(stage, scene):
    """The messages of a scene; whether all is as it must be."""
    right = True
    for number, case in numbered(scene):
        label = str(number)
        if scene == "back":
            label, seen = until(BACK, stage, number, case)
            case = replace(case, shows=case.shows.format(seconds=since(stage.directory / "directory" / "slapd.pid")))
        elif scene in ("given", "taken"):
            label, seen = until(AT_ONCE, stage, number, case)
            case = replace(case, shows=case.shows.format(seconds=since(stage.directory / "ldapmodify.log")))
        else:
            seen = stage.play(label, case)
        right = show(number, case, label, seen) and right
    return right


def numbered(scene):
    """The cases of a scene, counted on from the table."""
    cases = [(name, case) for name, cases in SCENES.items() for case in cases]
    return [(number, case) for number, (name, case) in enumerate(cases, len(CASES) + 1) if name == scene]


def until(seconds, stage, number, case):
    """Plays the case until its verdict is as it must be, but not for longer than that; the label of the last time too."""
    deadline = time.monotonic() + seconds
    for attempt in itertools.count(1):
        label = f"{number}, {attempt}"
        seen = stage.play(label, case)
        if seen.verdict == case.verdict or time.monotonic() > deadline:
            return label, seen
        time.sleep(0.02)


def since(file):
    """How long ago it was written, in s."""
    return time.time() - file.stat().st_mtime


def main(directory, milter, scene):
    stage = Stage(directory, milter)
    right = same(stage, Searches(directory)) if scene == "same" else play(stage, scene)
    if right and scene == list(SCENES)[-1]:
        print(coloured(GREEN, "\nAll is as it must be, with both directories."))
    return 0 if right else 1


if __name__ == "__main__":
    run(main)
