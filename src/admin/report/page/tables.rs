//! The tables of the page, and what to do about those whom enforcement would hit.

use super::super::answer::{Hit, Report, Rows, Seldom};
use super::super::cells::{minute, thousands};
use super::super::render::{Counted, cell, times};
use super::html::Html;

/// A column: its name, and its class: `n` for numbers.
type Column = (&'static str, &'static str);

const MESSAGES: Column = ("Messages", "n");
const LOGIN: Column = ("Login", "");
const AUTHOR: Column = ("Author", "");
const FIRST: Column = ("First", "t");
const LAST: Column = ("Last", "t");

impl Report {
    /// Whom enforcement would hit; nothing if nobody, unless that was asked.
    pub(super) fn people(&self, html: &mut Html) {
        let people = &self.would_refuse;
        if people.rows.is_empty() {
            if self.would_refuse_asked {
                html.raw(
                    "<section><h2>Whom enforcement would refuse</h2><p class=\"none\">Nobody.</p></section>",
                );
            }
            return;
        }
        html.raw(
            "<section><h2>Whom enforcement would refuse</h2><p>These messages passed, because the mode is ",
        );
        html.raw(
            "<code>observe</code>. Each is a grant that is missing, or mail that should not be sent.</p>",
        );
        for person in &people.rows {
            html.raw("<details class=\"person\"").raw(if self.would_refuse_asked { " open" } else { "" });
            html.raw("><summary><h3>").text(&cell(&person.login)).raw("</h3> <span>");
            html.text(&times(person.messages)).raw("</span></summary><div class=\"hits\">");
            for hit in &person.addresses {
                self.hit(html, hit);
            }
            html.raw("</div></details>");
        }
        others(html, people.others);
        html.raw("</section>");
    }

    fn hit(&self, html: &mut Html, hit: &Hit) {
        html.raw("<div class=\"hit-row\"><p><b>").text(&cell(&hit.address)).raw("</b> <i>").text(&hit.rule);
        html.raw("</i> <span>").text(&times(hit.when.messages)).raw(", last ");
        html.text(&minute(hit.when.last, self.zone())).raw("</span></p><p class=\"reply\">").text(&hit.reply);
        html.raw("</p><dl>");
        if let Some(look) = &hit.look {
            html.raw("<dt>Look</dt><dd><code>").text(look).raw("</code></dd>");
        }
        html.raw("<dt>Then</dt><dd>").raw(hit.advice);
        if let Some(grant) = &hit.grant {
            html.raw("<br><code>").text(grant).raw("</code>");
        }
        html.raw("</dd></dl></div>");
    }

    pub(super) fn tables(&self, html: &mut Html) {
        let head = [MESSAGES, LOGIN, AUTHOR, ("Rule", ""), ("Grant", ""), FIRST, LAST];
        self.table(html, "Who sent for whom", &head, &self.senders, |row| {
            vec![cell(&row.login), cell(&row.address), row.rule.clone(), cell(&row.grant)]
        });
        let head =
            [MESSAGES, LOGIN, ("Address", ""), ("Rule", ""), ("Verdict", ""), ("Client", ""), FIRST, LAST];
        self.table(html, "Who was refused", &head, &self.refusals, |row| {
            let [login, address, client] = [&row.login, &row.address, &row.client].map(|value| cell(value));
            vec![login, address, row.rule.clone(), row.verdict.clone(), client]
        });
        let head = [MESSAGES, ("Rule", ""), ("Verdict", ""), ("The last reason", ""), FIRST, LAST];
        self.table(html, "What could not be judged", &head, &self.deferrals, |row| {
            vec![row.rule.clone(), row.verdict.clone(), cell(&row.reason)]
        });
        let head = [MESSAGES, LOGIN, AUTHOR, ("What", ""), FIRST, LAST];
        self.table(html, "What enforcement would change", &head, &self.would_change, |row| {
            vec![cell(&row.login), cell(&row.address), row.changes.clone()]
        });
        let head = [MESSAGES, LOGIN, AUTHOR, FIRST, LAST];
        self.table(html, "Who sent as themselves", &head, &self.own, |row| {
            vec![cell(&row.login), cell(&row.address)]
        });
    }

    fn table<T: Counted>(
        &self,
        html: &mut Html,
        title: &'static str,
        head: &[Column],
        rows: &Rows<T>,
        cells: impl Fn(&T) -> Vec<String>,
    ) {
        if rows.rows.is_empty() {
            return;
        }
        html.raw("<details open><summary><h2>")
            .raw(title)
            .raw("</h2> <span>")
            .text(&thousands(rows.rows.len() as u64));
        html.raw(if rows.rows.len() == 1 { " row" } else { " rows" }).raw("</span></summary>");
        html.raw("<div class=\"scroll\" tabindex=\"0\"><table><caption>")
            .raw(title)
            .raw("</caption><thead><tr>");
        for (name, class) in head {
            html.raw("<th scope=\"col\" class=\"").raw(class).raw("\">").raw(name).raw("</th>");
        }
        html.raw("</tr></thead><tbody>");
        for row in &rows.rows {
            self.row(html, row.when(), &cells(row));
        }
        html.raw("</tbody></table></div>");
        others(html, rows.others);
        html.raw("</details>");
    }

    fn row(&self, html: &mut Html, when: &Seldom, cells: &[String]) {
        html.raw("<tr><td class=\"n\">").text(&thousands(when.messages)).raw("</td>");
        for cell in cells {
            html.raw("<td>").text(cell).raw("</td>");
        }
        for at in [when.first, when.last] {
            html.raw("<td class=\"t\">").text(&minute(at, self.zone())).raw("</td>");
        }
        html.raw("</tr>");
    }
}

fn others(html: &mut Html, others: u64) {
    if others > 0 {
        html.raw("<p class=\"note\">And ")
            .text(&times(others))
            .raw(" of rows that are too rare to be kept apart.</p>");
    }
}
