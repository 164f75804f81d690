//! Charts of bars that lie: a line of text each, so that they can be read on any screen.

use std::collections::BTreeMap;

use super::super::answer::Report;
use super::super::cells::thousands;
use super::super::line::Verdict;
use super::super::render::cell;
use super::super::timeline::{Counts, add, counted};
use super::html::{Html, class, legend, share, words};

/// So many bars are drawn.
const MOST: usize = 12;

/// Who sent for whom most often.
pub(super) fn pairs(report: &Report, html: &mut Html) {
    let rows = &report.senders.rows;
    html.raw("<figure><figcaption><h2>Most often for somebody else</h2>");
    html.raw("<p>Login, author and rule; number of messages</p></figcaption>");
    if rows.is_empty() {
        html.raw("<p class=\"none\">Nobody sent for somebody else.</p>");
    }
    let most = rows.first().map_or(0, |row| row.when.messages);
    html.raw("<ol class=\"bars\">");
    for row in rows.iter().take(MOST) {
        html.raw("<li><span class=\"label\"><b>").text(&cell(&row.login)).raw("</b> for <b>");
        html.text(&cell(&row.address)).raw("</b> <i>").text(&row.rule).raw("</i></span>");
        html.raw("<svg aria-hidden=\"true\"><rect class=\"delegated\"");
        html.percent("width", share(row.when.messages, most)).raw("/></svg>");
        number(html, row.when.messages);
    }
    html.raw("</ol></figure>");
}

/// By which rule how many were refused or put off.
pub(super) fn reasons(report: &Report, html: &mut Html) {
    let sums = sums(report);
    let mut all = Counts::default();
    for counts in sums.values() {
        all.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
    }
    let present: Vec<_> = counted(&all).filter(|(_, count)| *count > 0).map(|(verdict, _)| verdict).collect();
    let mut sums: Vec<_> =
        sums.iter().map(|(rule, counts)| (*rule, counts, counts.iter().sum::<u64>())).collect();
    sums.sort_by_key(|(rule, _, sum)| (std::cmp::Reverse(*sum), *rule));
    html.raw("<figure><figcaption><h2>Refused and put off, by reason</h2>");
    html.raw("<p>The rule that the message broke, or what kept it from being judged</p></figcaption>");
    if sums.is_empty() {
        html.raw("<p class=\"none\">Nothing was refused or put off.</p></figure>");
        return;
    }
    legend(html, &present);
    let most = sums.first().map_or(0, |(_, _, sum)| *sum);
    html.raw("<ol class=\"bars\">");
    for (rule, counts, sum) in sums.iter().take(MOST) {
        html.raw("<li><span class=\"label\"><b>")
            .text(&cell(rule))
            .raw("</b></span><svg role=\"img\"><title>");
        html.text(&told(counts)).raw("</title>");
        let mut from = 0;
        for (verdict, count) in counted(counts).filter(|(_, count)| *count > 0) {
            html.raw("<rect class=\"").raw(class(verdict)).raw("\"").percent("x", share(from, most));
            html.percent("width", share(count, most)).raw("/>");
            from += count;
        }
        html.raw("</svg>");
        number(html, *sum);
    }
    html.raw("</ol></figure>");
}

fn number(html: &mut Html, number: u64) {
    html.raw("<span class=\"count\">").text(&thousands(number)).raw("</span></li>");
}

fn sums(report: &Report) -> BTreeMap<&str, Counts> {
    let mut sums: BTreeMap<&str, Counts> = BTreeMap::new();
    for row in &report.refusals.rows {
        let verdict = if row.verdict == Verdict::Bounce.name() { Verdict::Bounce } else { Verdict::Refuse };
        add(sums.entry(&row.rule).or_default(), verdict, row.when.messages);
    }
    for hit in report.would_refuse.rows.iter().flat_map(|person| &person.addresses) {
        add(sums.entry(&hit.rule).or_default(), Verdict::WouldRefuse, hit.when.messages);
    }
    for row in &report.deferrals.rows {
        let verdict = if row.verdict == Verdict::Defer.name() { Verdict::Defer } else { Verdict::WouldDefer };
        add(sums.entry(&row.rule).or_default(), verdict, row.when.messages);
    }
    sums
}

/// What the parts of a bar are.
pub(super) fn told(counts: &Counts) -> String {
    let parts = counted(counts).filter(|(_, count)| *count > 0);
    let parts: Vec<_> = parts.map(|(kind, count)| format!("{} {}", thousands(count), words(kind))).collect();
    if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }
}
