"""speed parts [OPTION…] | list | services STAGE | measure STAGE [OPTION…]: see contrib/bench/run. The exit status is 1 if a
verdict was wrong, or if something that is asked for is missed."""

import argparse
import re
import sys
import time
from pathlib import Path

import chart
import report
from filters import KINDS, Loads, read_filters
from plan import MEMORY_CONNECTIONS, TRANSPORTS, all_cases, all_passages, services
from report import CaseResult, Memory, PassageResult

SEQUENTIAL_SECONDS = 0.5  # of a round with one client, of those of several
QUICK_SECONDS = 0.02
WARM_UP_SECONDS = 0.2
OTHERS_PAIRS = 2


def options(words):
    parser = argparse.ArgumentParser(prog="run", add_help=False)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.5)
    parser.add_argument("--only", type=re.compile, default="")
    parser.add_argument("--chart", type=Path)
    chosen = parser.parse_args(words)
    if chosen.quick:
        chosen.pairs, chosen.seconds = 1, QUICK_SECONDS
    if chosen.pairs < 1 or chosen.seconds <= 0:
        parser.error("--pairs and --seconds are at least 1 and above 0")
    return chosen


def wanted(everything, chosen):
    return [one for one in everything if re.search(chosen.only, one.full_name)]


def wanted_cases(chosen):
    """The quick run needs no other filters, and no crowd."""
    cases = wanted(all_cases(), chosen)
    return [case for case in cases if not chosen.quick or (case.filter == "milter" and case.connections <= 20)]


def wanted_passages(chosen):
    passages = wanted(all_passages(), chosen)
    return [passage for passage in passages if not chosen.quick or passage.clients == 1]


# ------------------------------------------------------------------------------------------- straight on the sockets

class Bench:
    def __init__(self, stage, chosen):
        self.stage, self.chosen = stage, chosen
        self.filters, self.loads = read_filters(stage), Loads(stage)

    def case(self, case):
        """Pairs of rounds; in every other pair the yardstick is first."""
        kind = KINDS[case.kind]
        both = [self.filters[name, case.transport] for name in (case.measured, "yardstick")]

        def round_(filter_, seconds):
            load = (f"--clients={case.connections}", f"--messages={case.messages}", f"--seconds={seconds}")
            return self.loads.milter(filter_, kind, *load)

        for filter_ in () if self.chosen.quick else both:
            round_(filter_, WARM_UP_SECONDS)
        pairs = []
        for number in range(self.chosen.pairs if case.filter == "milter" else min(self.chosen.pairs, OTHERS_PAIRS)):
            turn = 1 if number % 2 == 0 else -1
            rounds = [round_(filter_, self.chosen.seconds) for filter_ in both[::turn]]
            pairs.append(rounds[::turn])
        return CaseResult(case, pairs)

    def memory(self):
        """At the end, after all the load."""
        kind = KINDS["on behalf"]
        for (name, transport), filter_ in self.filters.items():
            resident = filter_.memory("VmRSS")
            held = self.loads.hold(filter_, kind, MEMORY_CONNECTIONS) if filter_.may_be_held else None
            yield Memory(name, transport, resident, held, filter_.memory("VmHWM"))


# --------------------------------------------------------------------------------------------------- through Postfix

class Postfix:
    def __init__(self, stage, chosen):
        self.stage, self.chosen = stage, chosen
        self.filters, self.loads = read_filters(stage), Loads(stage)
        self.port = dict(line.split("=") for line in (stage / "ports").read_text().split())["submission"]
        self.queue = stage / "queue"

    def passage(self, passage):
        """Rounds by turns, in every other one in the opposite order; the first one warms up and does not count."""
        asked = services(passage.transport)
        rounds = {service.name: [] for service in asked}
        for number in range(self.chosen.pairs + (not self.chosen.quick)):
            for service in asked if number % 2 == 0 else asked[::-1]:
                rounds[service.name].append(self.round(passage, service))
        skipped = 0 if self.chosen.quick else 1
        return PassageResult(passage, {name: seen[skipped:] for name, seen in rounds.items()})

    def round(self, passage, service):
        filter_ = self.filters[service.filter, passage.transport] if service.filter else None
        seconds = self.chosen.seconds * (SEQUENTIAL_SECONDS if passage.clients == 1 else 1)
        if filter_:
            filter_.forget_log()
        seen = self.loads.smtp(self.port, KINDS[passage.kind], f"--clients={passage.clients}", f"--seconds={seconds}",
                               f"--source={service.address}")
        self.drain()
        if filter_ and filter_.decides:
            self.check_log(filter_, passage.kind, seen["messages"])
        return seen

    def drain(self):
        """What one round leaves to deliver must not slow the next one down."""
        if not wait(lambda: not any(any((self.queue / name).iterdir()) for name in ("incoming", "active"))):
            sys.exit("speed: Postfix does not get rid of its queue")

    def check_log(self, filter_, kind, messages):
        """The milter saw every message, and decided as the kind says: Postfix discards them, nobody else could tell."""
        wait(lambda: len(filter_.decisions()) >= messages)
        decided = filter_.decisions()
        if decided != [kind.replace(" ", "-")] * messages:
            sys.exit(f"speed: the milter logged {len(decided)} decisions about {messages} messages {kind}: "
                     f"{set(decided)}")


def wait(is_so):
    """Whether it is so within a minute."""
    deadline = time.monotonic() + 60
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


# --------------------------------------------------------------------------------------------------------------- main

def measure(stage, chosen):
    begun = time.monotonic()
    bench, postfix = Bench(stage, chosen), Postfix(stage, chosen)
    for filter_ in bench.filters.values():
        filter_.forget_log()
    cases, passages = [], []
    printed = report.Printed()
    for case in wanted_cases(chosen):
        cases.append(bench.case(case))
        printed.case(cases[-1])
    for passage in wanted_passages(chosen):
        passages.append(postfix.passage(passage))
        printed.passage(passages[-1])
    memories = list(bench.memory()) if cases else []
    printed.memories(memories)
    if chosen.chart:
        chosen.chart.write_text(chart.draw(cases, passages))
    # Where something is missed, the end of the logs says nothing about it.
    (stage / "mail.log").open("w").close()
    for filter_ in bench.filters.values():
        filter_.forget_log()
    print(f"\nMeasured in {(time.monotonic() - begun) / 60:.1f} minutes.")
    if chosen.quick:
        print("Every verdict was right. Speed was not asked for.")
        return 0
    return report.print_checks(cases, passages, memories)


def main(command, *words):
    match command:
        case "parts":
            chosen = options(words)
            if chosen.only and chosen.only.pattern == "list":
                return 0
            cases = wanted_cases(chosen)
            if not cases and not wanted_passages(chosen):
                sys.exit("run: nothing is called so; --only list shows all names")
            print("filters", *(["others"] if any(case.filter != "milter" for case in cases) else []))
        case "list":
            print(*(one.full_name for one in (*all_cases(), *all_passages())), sep="\n")
        case "services":
            filters = read_filters(Path(words[0]))
            asked = [(service, transport) for transport in TRANSPORTS for service in services(transport)]
            print(*(f"{service.address}={filters[service.filter, transport].socket if service.filter else 'DISABLE'}"
                    for service, transport in asked))
        case "measure":
            return measure(Path(words[0]), options(words[1:]))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
