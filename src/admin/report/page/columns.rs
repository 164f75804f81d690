//! Charts of columns that stand: over time, and over how long messages took.
//!
//! Their drawings have no box of their own to be scaled from: lengths are shares of the width, and letters keep their
//! size on a narrow screen.

use std::collections::BTreeMap;

use super::super::answer::Report;
use super::super::cells::{milliseconds, thousands};
use super::super::line::Verdict;
use super::super::timeline::{Counts, civil, counted};
use super::bars::told;
use super::html::{Html, class, legend, share};

/// The most columns of a chart.
const MOST: i64 = 90;
/// What a column may stand for, in hours.
const UNITS: [(i64, &str); 9] = [
    (1, "hour"),
    (2, "two hours"),
    (4, "four hours"),
    (8, "eight hours"),
    (24, "day"),
    (24 * 2, "two days"),
    (24 * 7, "week"),
    (24 * 28, "four weeks"),
    (24 * 364, "52 weeks"),
];
/// From the bottom up: what is rare stands on the ground, where it can be compared.
const STACK: [Verdict; 7] = [
    Verdict::Refuse,
    Verdict::Bounce,
    Verdict::WouldRefuse,
    Verdict::Defer,
    Verdict::WouldDefer,
    Verdict::WouldChange,
    Verdict::Accept,
];
const NOT_ACCEPTED: usize = 5;
/// One column alone is not as wide as the chart: there is room for so many.
const FEWEST: usize = 12;
/// So many labels are below a chart at most.
const LABELS: usize = 8;

/// The verdicts over time; and once more without the accepted ones, beside which the others are too small to see.
pub(super) fn verdicts(report: &Report, html: &mut Html) {
    let Some((first, last)) = report.timeline.range() else { return };
    let span = last - first + 1;
    let (unit, name) =
        UNITS.into_iter().find(|(unit, _)| span / unit < MOST).unwrap_or((24 * 364, "52 weeks"));
    let counts = report.timeline.by(unit);
    let columns: Vec<_> = filled(&counts, unit);
    let present = |stack: &[Verdict]| -> Vec<_> {
        stack.iter().copied().filter(|verdict| report.count(*verdict) > 0).collect()
    };
    html.raw("<figure><figcaption><h2>Messages by ").text(name).raw("</h2></figcaption>");
    let all = present(&STACK);
    legend(html, &all.iter().rev().copied().collect::<Vec<_>>());
    chart(html, &columns, unit, &all, ("What became of the messages", "tall"));
    let rare = present(STACK.get(..NOT_ACCEPTED).unwrap_or_default());
    if !rare.is_empty() && rare.len() < all.len() {
        html.raw("<h3>The same without those that were accepted</h3>");
        chart(html, &columns, unit, &rare, ("Messages that were refused or put off", "low"));
    }
    html.raw("</figure>");
}

/// Each unit from the first to the last, also those without messages.
fn filled(counts: &BTreeMap<i64, Counts>, unit: i64) -> Vec<(i64, Counts)> {
    let (Some((first, _)), Some((last, _))) = (counts.first_key_value(), counts.last_key_value()) else {
        return Vec::new();
    };
    let units = (0..=(last - first) / unit).map(|at| first + at * unit).take(400);
    units.map(|hour| (hour, counts.get(&hour).copied().unwrap_or_default())).collect()
}

fn only(counts: &Counts, stack: &[Verdict]) -> Vec<(Verdict, u64)> {
    let count = |verdict: &Verdict| counted(counts).find(|(own, _)| own == verdict);
    stack.iter().filter_map(count).collect()
}

fn chart(
    html: &mut Html,
    columns: &[(i64, Counts)],
    unit: i64,
    stack: &[Verdict],
    (title, size): (&'static str, &'static str),
) {
    let parts: Vec<_> = columns.iter().map(|(hour, counts)| (*hour, only(counts, stack))).collect();
    let sum = |parts: &[(Verdict, u64)]| parts.iter().map(|(_, count)| count).sum::<u64>();
    let top = grid(html, parts.iter().map(|(_, parts)| sum(parts)).max().unwrap_or_default(), title, size);
    let width = share(1, columns.len().max(FEWEST) as u64);
    let mut left = 0.0;
    for ((hour, parts), (_, counts)) in parts.iter().zip(columns) {
        html.raw("<g><title>").text(&label(*hour, unit)).raw(": ").text(&told(counts)).raw("</title>");
        html.raw("<rect class=\"hit\" height=\"100%\"").percent("x", left).percent("width", width).raw("/>");
        let mut below = 0;
        for (verdict, count) in parts.iter().filter(|(_, count)| *count > 0) {
            below += count;
            html.raw("<rect class=\"").raw(class(*verdict)).raw("\"").percent("x", left + width * 0.1);
            html.percent("y", 100.0 - share(below, top)).percent("width", width * 0.8);
            html.percent("height", share(*count, top)).raw("/>");
        }
        html.raw("</g>");
        left += width;
    }
    times(html, columns, unit, width);
    html.raw("</svg>");
}

/// Begins a drawing, with lines for the numbers; how many messages its height is.
fn grid(html: &mut Html, most: u64, title: &'static str, size: &'static str) -> u64 {
    let step = step(most);
    let steps = most.div_ceil(step).max(1);
    html.raw("<svg class=\"plot ").raw(size).raw("\" role=\"img\"><title>").raw(title).raw("</title>");
    for at in 0..=steps {
        let y = 100.0 - share(at, steps);
        html.raw("<line class=\"grid\" x1=\"0\" x2=\"100%\"").percent("y1", y).percent("y2", y).raw("/>");
        html.raw("<text class=\"y\" x=\"0\" dx=\"-8\" dy=\"4\"").percent("y", y).raw(">");
        html.text(&thousands(at * step)).raw("</text>");
    }
    steps * step
}

/// 1, 2 or 5 and noughts, so that up to five lines reach over this number.
fn step(most: u64) -> u64 {
    let mut power: u64 = 1;
    loop {
        for digit in [1, 2, 5] {
            if most <= digit * power * 5 {
                return digit * power;
            }
        }
        match power.checked_mul(10).filter(|power| power.checked_mul(25).is_some()) {
            Some(more) => power = more,
            None => return most,
        }
    }
}

/// When, below some of the columns: where days begin, if there are some. Every other is left out on a narrow screen.
fn times(html: &mut Html, columns: &[(i64, Counts)], unit: i64, width: f64) {
    let is_day = |hour: i64| hour.rem_euclid(24) == 0;
    let days = unit < 24 && columns.iter().filter(|(hour, _)| is_day(*hour)).count() > 2;
    let form = if unit >= 24 {
        "%b %-d, %Y"
    } else if days {
        "%a, %b %-d"
    } else {
        "%b %-d, %H:%M"
    };
    let candidates: Vec<_> =
        columns.iter().enumerate().filter(|(_, (hour, _))| !days || is_day(*hour)).collect();
    let every = candidates.len().div_ceil(LABELS).max(1);
    for (number, (column, (hour, _))) in candidates.into_iter().step_by(every).enumerate() {
        #[allow(clippy::cast_precision_loss, reason = "at most some hundred columns")]
        let left = width * column as f64;
        html.raw(if number % 2 == 1 { "<text class=\"x minor\"" } else { "<text class=\"x\"" });
        html.raw(" y=\"100%\" dy=\"20\"").percent("x", left).raw(">");
        html.text(&civil(*hour).strftime(form).to_string()).raw("</text>");
    }
}

fn label(hour: i64, unit: i64) -> String {
    let form = if unit < 24 { "%b %-d, %H:%M" } else { "%b %-d, %Y" };
    civil(hour).strftime(form).to_string()
}

/// How long the messages took.
pub(super) fn latency(report: &Report, html: &mut Html) {
    let (times, classes) = (&report.milliseconds, &report.milliseconds.classes);
    let (Some(median), Some(p99), Some(longest)) = (times.median, times.p99, times.longest) else { return };
    html.raw("<figure><figcaption><h2>How long messages took</h2><p>Milliseconds in this program, each column twice as ");
    html.raw("long as the one before; the longest took ")
        .text(&milliseconds(longest))
        .raw("</p></figcaption>");
    let most = classes.iter().map(|class| class.messages).max().unwrap_or_default();
    let top = grid(html, most, "How many messages took how long", "tall marked");
    let width = share(1, classes.len().max(FEWEST) as u64);
    let mut left = 0.0;
    for (number, class) in classes.iter().enumerate() {
        let (from, to) = (milliseconds(class.from), milliseconds(class.to));
        html.raw("<g><title>").text(&format!("{from} to {to} ms: {} messages", thousands(class.messages)));
        html.raw("</title><rect class=\"hit\" height=\"100%\"").percent("x", left).percent("width", width);
        html.raw("/><rect class=\"time\"").percent("x", left + width * 0.04).percent("width", width * 0.92);
        html.percent("y", 100.0 - share(class.messages, top)).percent("height", share(class.messages, top));
        // Every third has room on a narrow screen.
        html.raw("/></g>").raw(if number % 3 == 0 { "<text class=\"x\"" } else { "<text class=\"x minor\"" });
        html.raw(" y=\"100%\" dy=\"20\"").percent("x", left).raw(">");
        html.text(&from).raw("</text>");
        left += width;
    }
    for (name, ms, line, words) in [
        ("median", median, "<line class=\"mark\" y1=\"-14\"", "<text dy=\"-6\" class=\""),
        ("p99", p99, "<line class=\"mark\" y1=\"-32\"", "<text dy=\"-24\" class=\""),
    ] {
        let x = place(report, ms);
        let side = if x > 80.0 { "mark end" } else { "mark" };
        html.raw(line).raw(" y2=\"100%\"").percent("x1", x).percent("x2", x).raw("/>").raw(words);
        html.raw(side).raw("\"").percent("x", x).raw(if x > 80.0 { " dx=\"-5\">" } else { " dx=\"5\">" });
        html.raw(name).raw(" ").text(&milliseconds(ms)).raw("</text>");
    }
    html.raw("</svg></figure>");
}

/// Where a time stands among the classes, in percent of the width.
fn place(report: &Report, ms: f64) -> f64 {
    let classes = &report.milliseconds.classes;
    let width = share(1, classes.len().max(FEWEST) as u64);
    let mut left = 0.0;
    for class in classes {
        if ms < class.to {
            let within = if class.from > 0.0 { (ms / class.from).log2() } else { ms / class.to };
            return left + width * within.clamp(0.0, 1.0);
        }
        left += width;
    }
    100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round_and_reach_over_the_highest() {
        for (most, expected) in [(0, 1), (1, 1), (5, 1), (6, 2), (11, 5), (26, 10), (12_345, 5000)] {
            assert_eq!(step(most), expected, "{most}");
        }
        for most in [u64::MAX, u64::MAX / 2, u64::MAX / 25, u64::MAX / 100] {
            assert!(most.div_ceil(step(most)) <= 5);
        }
    }
}
