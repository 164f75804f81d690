"""What the rounds say, as tables, and whether it is what is asked for."""

import statistics
from dataclasses import dataclass

from plan import MEMORY_CONNECTIONS, MEMORY_LIMIT, ONE_REPLY, P50_LIMIT, P99_LIMIT


@dataclass
class CaseResult:
    """Pairs of rounds: with the filter that is measured, and with the yardstick."""
    case: object
    pairs: list

    def ratios(self, figure):
        return [measured[figure] / yardstick[figure] for measured, yardstick in self.pairs]

    def ratio(self, figure):
        return statistics.median(self.ratios(figure))

    def median(self, which, figure):
        """Of the filter (0) or of the yardstick (1)."""
        return statistics.median(pair[which][figure] for pair in self.pairs)

    def replies(self, which):
        """To a message."""
        return statistics.median(pair[which]["replies"] / pair[which]["messages"] for pair in self.pairs)


@dataclass
class PassageResult:
    """Rounds through Postfix, of each service."""
    passage: object
    rounds: dict

    def values(self, service, figure):
        return [seen[figure] for seen in self.rounds[service]]

    def median(self, service, figure):
        return statistics.median(self.values(service, figure))

    def above_none(self, service):
        """What the filter adds to the median message, in ms: for each round."""
        both = zip(self.values(service, "p50"), self.values("no filter", "p50"))
        return [(measured - none) / 1000 for measured, none in both]


@dataclass
class Memory:
    """Of a filter, in MB: resident after all load, with many connections in the midst of a message, and the most ever."""
    name: str
    transport: str
    resident: float
    held: float | None
    most: float


def spread(values, form):
    return f"{statistics.median(values):{form}} ({min(values):{form}}..{max(values):{form}})"


RATIO, PAIR, SHORT = 21, 17, 14  # widths of columns


class Printed:
    """Prints each result when it is there, under the head of its table."""

    def __init__(self):
        self.head, self.widths = None, ()

    def under(self, title, **columns):
        """The table has these columns, of this width."""
        if self.head != title:
            self.head, self.widths = title, columns.values()
            print(f"\n{title}")
            self.row("", *(name.replace("_", " ").replace(" per ", "/") for name in columns))

    def row(self, name, *cells):
        print(f"{name:<36}" + "".join(f"{cell:>{width}}" for cell, width in zip(cells, self.widths)), flush=True)

    def case(self, result):
        self.under(f"{result.case.group}: against the yardstick", times_messages_per_s=RATIO, messages_per_s=PAIR,
                   times_p50=RATIO, times_p99=RATIO, p99_in_ms=PAIR, µs_of_CPU=PAIR, replies=SHORT)
        both = [f"{result.median(0, 'rate'):,.0f} : {result.median(1, 'rate'):,.0f}",
                f"{result.median(0, 'p99') / 1000:.2f} : {result.median(1, 'p99') / 1000:.2f}",
                f"{result.median(0, 'cpu'):.1f} : {result.median(1, 'cpu'):.1f}",
                f"{result.replies(0):.1f} : {result.replies(1):.1f}"]
        self.row(result.case.name, spread(result.ratios("rate"), ".2f"), both[0], spread(result.ratios("p50"), ".2f"),
                 spread(result.ratios("p99"), ".2f"), *both[1:])

    def passage(self, result):
        self.under(f"Postfix, {result.passage.name}", p50_in_ms=RATIO, above_no_filter=RATIO, p99_in_ms=RATIO,
                   messages_per_s=RATIO + 3)
        for service in result.rounds:
            p50, p99 = ([value / 1000 for value in result.values(service, figure)] for figure in ("p50", "p99"))
            self.row(service, spread(p50, ".2f"), spread(result.above_none(service), ".2f"), spread(p99, ".1f"),
                     spread(result.values(service, "rate"), ",.0f"))

    def memories(self, memories):
        connections = {f"{MEMORY_CONNECTIONS}_connections": PAIR}
        for memory in memories:
            self.under("Memory in MB", after_all_load=PAIR, **connections, most_ever=PAIR)
            held = f"{memory.held:.1f}" if memory.held else "-"
            self.row(f"{memory.name}, {memory.transport}", f"{memory.resident:.1f}", held, f"{memory.most:.1f}")


# ------------------------------------------------------------------------------------------------------------- checks

def checks(cases, passages, memories):
    """Pairs: whether it is met, and what."""
    for result in cases:
        yield from case_checks(result)
    for result in passages:
        yield from passage_checks(result)
    for memory in memories:
        if memory.name.startswith("milter"):
            yield memory.most < MEMORY_LIMIT, (f"Memory of {memory.name}, {memory.transport}: {memory.most:.1f} MB, the "
                                               f"most, with {MEMORY_CONNECTIONS} connections; below {MEMORY_LIMIT:.0f}")


def case_checks(result):
    case = result.case
    if case.least is None:
        return
    rate, p99 = result.ratio("rate"), result.ratio("p99")
    yield rate >= case.least, f"{case.full_name}: {rate:.2f} times the yardstick's messages/s; at least {case.least:.2f}"
    if case.scheduling == "off":
        yield p99 <= P99_LIMIT, f"{case.full_name}: {p99:.2f} times the yardstick's p99; at most {P99_LIMIT:.2f}"
    else:
        more = result.replies(0) - result.replies(1)
        yield more <= ONE_REPLY, f"{case.full_name}: {more:+.2f} replies a message; at most one more"


def passage_checks(result):
    passage = result.passage
    if passage.clients > 1:
        rate, slowest = result.median("milter", "rate"), min(result.values("yardstick", "rate"))
        yield rate >= slowest, (f"Postfix, {passage.name}: {rate:,.0f} messages/s; at least the yardstick's slowest "
                                f"round, {slowest:,.0f}")
    elif passage.transport == "unix":
        above = statistics.median(result.above_none("milter"))
        yield above <= P50_LIMIT, f"Postfix, {passage.name}: p50 {above:+.2f} ms to no filter; at most {P50_LIMIT:.2f}"


def print_checks(cases, passages, memories):
    """The exit status."""
    missed = 0
    print("\nAsked for:")
    for met, what in checks(cases, passages, memories):
        missed += not met
        print(f"  {'met   ' if met else 'MISSED'}  {what}")
    print(f"\nMISSED: {missed}" if missed else "\nNothing is missed.")
    return 1 if missed else 0
