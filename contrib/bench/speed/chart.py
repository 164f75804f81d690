"""The results as SVG, readable on light and on dark."""

import statistics
from xml.sax.saxutils import escape

from plan import Case

WIDTH, LEFT, RIGHT, ROW, TOP = 860, 330, 130, 22, 34
# No variables: not everything that draws SVG knows them.
STYLE = """
  text { font: 13px sans-serif; fill: #222 } .head { font-weight: bold }
  .paper { fill: #fff } .ours { fill: #3b82c4 } .other { fill: #b8b8b8 }
  line { stroke: #222; stroke-width: 1.5 } .one { stroke: #888; stroke-dasharray: 4 3 }
  @media (prefers-color-scheme: dark) {
    text { fill: #ddd } .paper { fill: #16181b } .other { fill: #666 } line { stroke: #ddd }
  }"""


class Panel:
    """A title and bars to the right of their names, all on one scale."""

    def __init__(self, title, unit, line=None):
        self.title, self.unit, self.line, self.bars = title, unit, line, []

    def bar(self, name, values, form, ours=True, asked=None):
        self.bars.append((name, statistics.median(values), min(values), max(values), form, ours, asked))

    def height(self):
        return TOP + ROW * len(self.bars) + 12

    def draw(self, top):
        if not self.bars:
            return
        # An outlier's end may lie outside.
        longest = max([bar[1] for bar in self.bars] + [self.line or 0]) * 1.15

        def x(value):
            return round(LEFT + (WIDTH - LEFT - RIGHT) * min(value / longest, 1.0), 1)

        yield f'<text class="head" x="12" y="{top + 20}">{escape(self.title)}</text>'
        first = top + TOP
        for number, (name, median, low, high, form, ours, asked) in enumerate(self.bars):
            y = first + ROW * number
            middle = y + 8
            yield f'<text x="{LEFT - 10}" y="{y + 13}" text-anchor="end">{escape(name)}</text>'
            colour, width = "ours" if ours else "other", round(x(median) - LEFT, 1)
            yield f'<rect class="{colour}" x="{LEFT}" y="{y}" width="{width}" height="16"/>'
            yield f'<line x1="{x(low)}" x2="{x(high)}" y1="{middle}" y2="{middle}"/>'
            if asked:
                yield f'<line x1="{x(asked)}" x2="{x(asked)}" y1="{y - 2}" y2="{y + 18}"/>'
            yield f'<text x="{WIDTH - RIGHT + 12}" y="{y + 13}">{median:{form}} {escape(self.unit)}</text>'
        if self.line:
            bottom = first + ROW * len(self.bars)
            yield f'<line class="one" x1="{x(self.line)}" x2="{x(self.line)}" y1="{first - 4}" y2="{bottom}"/>'


def ratios(cases, scheduling):
    title = f"Messages/s on behalf, scheduling {scheduling}, as a multiple of the yardstick's (upright: what is asked)"
    panel = Panel(title, "×", 1.0)
    for result in cases:
        case = result.case
        if (case.filter, case.kind, case.scheduling) == ("milter", "on behalf", scheduling):
            panel.bar(case.name, result.ratios("rate"), ".2f", asked=case.least)
    return panel


def filters(cases, transport):
    """What each filter handles; "own" is what the others are sent too."""
    panel = Panel(f"Messages/s over {transport}, 20 connections", "/s")
    by_case = {result.case: result for result in cases}
    own = by_case.get(Case(transport, 20, kind="own"))
    if own:
        panel.bar("milter", [pair[0]["rate"] for pair in own.pairs], ",.0f")
        panel.bar("yardstick", [pair[1]["rate"] for pair in own.pairs], ",.0f", ours=False)
    for name in ("pymilter", "opendkim"):
        other = by_case.get(Case(transport, 20, kind="own", filter=name))
        if other:
            panel.bar(name, [pair[0]["rate"] for pair in other.pairs], ",.0f", ours=False)
    return panel


def postfix(result):
    one = result.passage.clients == 1
    what, figure, unit, form = ("p50", "p50", "ms", ".2f") if one else ("Messages/s", "rate", "/s", ",.0f")
    panel = Panel(f"Through Postfix: {what}, {result.passage.name}", unit)
    for service in result.rounds:
        values = [value / 1000 if one else value for value in result.values(service, figure)]
        panel.bar(service, values, form, ours=service.startswith("milter"))
    return panel


def draw(cases, passages):
    panels = [ratios(cases, "off"), ratios(cases, "on"), filters(cases, "unix"), filters(cases, "inet"),
              *(postfix(result) for result in passages if result.passage.kind == "on behalf")]
    panels = [panel for panel in panels if panel.bars]
    height = sum(panel.height() for panel in panels) + 12
    size = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" {size}>', f"<style>{STYLE}\n</style>",
             f'<rect class="paper" width="{WIDTH}" height="{height}"/>']
    top = 6
    for panel in panels:
        lines.extend(panel.draw(top))
        top += panel.height()
    return "\n".join([*lines, "</svg>", ""])
