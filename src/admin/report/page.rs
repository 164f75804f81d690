//! The report as a page: one file that asks for nothing else. It is whole without its few lines of script, which sort
//! and filter tables.
//!
//! What it shows comes from messages of anybody: every value is escaped ([`Html::text`]), and whatever came through
//! would be neither run nor fetched (Content Security Policy Level 3, hashes of the one style and the one script).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};

use super::answer::Report;
use super::cells::{milliseconds, minute, thousands};
use super::line::Verdict;

mod bars;
mod columns;
mod html;
mod tables;

use html::Html;

const STYLE: &str = include_str!("page/report.css");
const SCRIPT: &str = include_str!("page/report.js");

impl Report {
    /// The page.
    pub(super) fn page(&self) -> String {
        let mut html = Html::default();
        self.head(&mut html);
        html.raw("<body><main>");
        self.title(&mut html);
        self.cards(&mut html);
        self.notes(&mut html);
        if self.would_refuse_asked {
            self.people(&mut html);
            self.charts(&mut html);
        } else {
            self.charts(&mut html);
            self.people(&mut html);
        }
        self.tables(&mut html);
        html.raw("</main><script>").raw(SCRIPT).raw("</script></body></html>\n");
        html.done()
    }

    fn charts(&self, html: &mut Html) {
        if self.messages == 0 {
            return;
        }
        columns::verdicts(self, html);
        html.raw("<div class=\"two\">");
        bars::pairs(self, html);
        bars::reasons(self, html);
        html.raw("</div>");
        columns::latency(self, html);
    }

    fn head(&self, html: &mut Html) {
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; base-uri 'none'; form-action 'none'",
            hash(STYLE),
            hash(SCRIPT)
        );
        html.raw("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">");
        html.raw("<meta http-equiv=\"Content-Security-Policy\" content=\"").text(&policy).raw("\">");
        html.raw("<meta name=\"referrer\" content=\"no-referrer\"><meta name=\"color-scheme\" content=\"light dark\">");
        html.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">");
        html.raw("<title>Who sent for whom</title><style>").raw(STYLE).raw("</style></head>");
    }

    fn title(&self, html: &mut Html) {
        let zone = self.zone();
        html.raw("<header><h1>Who sent for whom</h1><p>");
        match (self.first, self.last) {
            (Some(first), Some(last)) => {
                html.raw("<strong>").text(&minute(first, zone)).raw("</strong> to <strong>");
                html.text(&minute(last, zone)).raw("</strong> (").text(&self.zone).raw(")");
            }
            _ => {
                html.raw("There are no messages in these logs.");
            }
        }
        html.raw(" &middot; made ").text(&minute(self.made, zone)).raw("</p></header>");
    }

    fn cards(&self, html: &mut Html) {
        let count = |verdicts: &[Verdict]| verdicts.iter().map(|verdict| self.count(*verdict)).sum::<u64>();
        let cards = [
            ("messages", self.messages, "", true),
            ("times for somebody else", self.senders.messages, "", true),
            ("refused", count(&[Verdict::Refuse, Verdict::Bounce]), "refuse", true),
            ("would be refused", count(&[Verdict::WouldRefuse]), "would-refuse", false),
            ("could not be judged", count(&[Verdict::Defer, Verdict::WouldDefer]), "defer", true),
        ];
        html.raw("<ul class=\"cards\">");
        for (name, number, class, always) in cards {
            if always || number > 0 {
                card(html, &thousands(number), name, class);
            }
        }
        if let (Some(median), Some(p99)) = (self.milliseconds.median, self.milliseconds.p99) {
            card(html, &format!("{} ms", milliseconds(median)), "median", "");
            card(html, &format!("{} ms", milliseconds(p99)), "99th percentile", "");
        }
        html.raw("</ul>");
    }

    fn notes(&self, html: &mut Html) {
        let lines = &self.lines;
        html.raw("<p class=\"note\">Lines: ").text(&self.told_lines()).raw(".");
        for log in &lines.again {
            html.raw(" ").text(log).raw(" was named twice, and read once.");
        }
        html.raw("</p>");
        if lines.damaged == 0 {
            return;
        }
        html.raw("<details class=\"warning\"><summary>").text(&thousands(lines.damaged));
        html.raw(" damaged lines are not counted</summary><ul>");
        for damaged in &lines.damages {
            html.raw("<li><code>").text(&damaged.log).raw("</code>, line ").text(&damaged.line.to_string());
            html.raw(": ").text(&damaged.why).raw("</li>");
        }
        html.raw("</ul></details>");
    }
}

fn hash(text: &str) -> String {
    STANDARD.encode(digest(&SHA256, text.as_bytes()))
}

fn card(html: &mut Html, number: &str, name: &str, class: &'static str) {
    html.raw("<li class=\"")
        .raw(class)
        .raw("\"><b>")
        .text(number)
        .raw("</b> <span>")
        .text(name)
        .raw("</span></li>");
}
