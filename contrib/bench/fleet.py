"""fleet.py SVG: from what benches/fleet prints on standard input, the table on standard output and the chart in that file.

The exit status is 1 if a few hosts do not stand for all, or if the simulation had not come to rest when it counted."""

import json
import sys

COLUMNS = "searches   logins   groups addresses | of messages wait   ms"
FAR = 0.05

WIDTH, LABEL, BAR, GAP, TOP = 860, 360, 15, 12, 104
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #24292f }
.title { font-size: 16px; font-weight: 600 }
.small { font-size: 12px; fill: #57606a }
.line { stroke: #d0d7de }
.off { fill: #8c959f }
.on { fill: #0969da }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .small { fill: #9198a1 }
  .line { stroke: #3d444d }
  .off { fill: #7d8590 }
  .on { fill: #4493f8 }
}
"""


# ---------------------------------------------------------------------------------------------------------- the rows

class Row:
    def __init__(self, line):
        self.__dict__.update(json.loads(line))

    @property
    def searches(self):
        return self.logins + self.groups + self.addresses

    @property
    def what(self):
        """What is remembered, and for how long."""
        if self.remember == "Nothing":
            return "nothing is remembered"
        ttl = f"ttl {self.ttl // 60} min"
        if self.remember == "Answers":
            return f"{ttl}, watch off"
        more = ", members told" if self.told == "Member" else ", and leavers" if self.leavers else ""
        return f"{ttl}, watch, {self.of_groups} % in groups{more}"

    @property
    def balance(self):
        return "Everybody comes to the same host each time" if self.sticky else "Everybody comes to any host"

    def key(self):
        """What is simulated, but for how much of it and how long."""
        return self.sticky, self.what, self.ahead

    def place(self):
        """Where it stands in the table: rows come in the order in which they are ready."""
        remember = ["Nothing", "Answers", "Watched"].index(self.remember)
        return self.sticky, remember, self.ttl, self.told == "Member", self.leavers, self.of_groups, self.ahead

    def figures(self):
        share = self.waited / self.messages
        wait = self.waited_ms / self.waited if self.waited else 0
        return (f"{self.searches:8.0f} {self.logins:8.0f} {self.groups:8.0f} {self.addresses:9.0f} |"
                f" {share:15.1%} {wait:4.1f}")


def told_apart(rows):
    """The rows of the table, and with each of the others the one that it checks."""
    table, checks = {}, []
    for row in sorted(rows, key=lambda row: (row.hosts, row.remember == "Watched", row.ttl, row.warm_up)):
        if row.key() in table:
            checks.append((row, table[row.key()]))
        else:
            table[row.key()] = row
    return sorted(table.values(), key=Row.place), checks


# --------------------------------------------------------------------------------------------------------- the table

def print_table(rows):
    for balance in dict.fromkeys(row.balance for row in rows):
        print(f"\n{balance}: searches in a second that reach the directory, from all hosts")
        print(f"{'':54} ahead {COLUMNS}")
        for row in (row for row in rows if row.balance == balance):
            ahead = "" if row.remember == "Nothing" else "yes" if row.ahead else "no"
            print(f"  {row.what:52} {ahead:5} {row.figures()}")


def print_checks(checks):
    """Whether they all agree."""
    agree = True
    print("\nThe same with more hosts, or later: searches in a second")
    for row, first in checks:
        off = row.searches / first.searches - 1
        agree &= abs(off) < FAR
        print(f"  {row.balance}: by {row.hosts} after {row.warm_up // 60} minutes {row.searches:.0f}, "
              f"by {first.hosts} after {first.warm_up // 60} {first.searches:.0f}: {off:+.1%}")
    return agree


# --------------------------------------------------------------------------------------------------------- the chart

def pairs(rows):
    """For each thing that is simulated: without loads ahead and with, as far as either was."""
    found = {}
    for row in rows:
        found.setdefault(row.what, {})[row.ahead] = row.searches
    return found


def draw(rows):
    most = max(row.searches for row in rows)
    step = 10_000
    scale = (WIDTH - LABEL - 70) / (most // step + 1) / step
    parts, y = [], TOP
    for balance in dict.fromkeys(row.balance for row in rows):
        parts.append(f'<text class="title" x="16" y="{y}">{balance}</text>')
        y += 34
        first, behind = y, len(parts)
        for what, bars in pairs(row for row in rows if row.balance == balance).items():
            height = BAR * len(bars)
            parts.append(f'<text x="{LABEL - 8}" y="{y + height / 2 + 4}" text-anchor="end">{what}</text>')
            for ahead, searches in sorted(bars.items()):
                length = searches * scale
                kind = "on" if ahead and what != "nothing is remembered" else "off"
                parts.append(f'<rect class="{kind}" x="{LABEL}" y="{y}" width="{length:.1f}" height="{BAR - 2}"/>'
                             f'<text class="small" x="{LABEL + length + 6:.1f}" y="{y + BAR - 4}">{searches:,.0f}</text>')
                y += BAR
            y += GAP
        parts[behind:behind] = [f'<line class="line" x1="{LABEL + at * scale:.1f}" y1="{first - 4}" '
                                f'x2="{LABEL + at * scale:.1f}" y2="{y - 8}"/>'
                                f'<text class="small" x="{LABEL + at * scale:.1f}" y="{first - 8}" '
                                f'text-anchor="middle">{at:,}</text>' for at in range(0, int(most) + step, step)]
        y += 30
    head = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y}" viewBox="0 0 {WIDTH} {y}">',
            f"<style>{STYLE}</style>",
            '<text class="title" x="16" y="28">Searches in a second that reach the directory</text>',
            '<text class="small" x="16" y="48">50 hosts, 2,000,000 users, 10,000 messages and 20 changes in a second; '
            "ttl is cache.ttl, watch is cache.watch</text>",
            '<rect class="off" x="16" y="60" width="12" height="12"/><text class="small" x="33" y="70">'
            "loaded when somebody waits</text>",
            '<rect class="on" x="220" y="60" width="12" height="12"/><text class="small" x="237" y="70">'
            "loaded ahead of expiry, as the program does</text>"]
    return "\n".join([*head, *parts, "</svg>", ""])


def main(chart):
    rows, checks = told_apart([Row(line) for line in sys.stdin])
    print_table(rows)
    agree = print_checks(checks)
    with open(chart, "w", encoding="utf-8") as file:
        file.write(draw(rows))
    return 0 if agree else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
