//! Text that becomes HTML: what is ours as it is, everything else escaped.

use super::super::line::Verdict;

/// A page in the making.
#[derive(Default)]
pub(super) struct Html(String);

impl Html {
    /// Markup of ours: no value gets here, for it does not live as long.
    pub(super) fn raw(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Text, within an element or a quoted attribute (HTML Living Standard, section 13.3).
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        for c in text.chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                c => self.0.push(c),
            }
        }
        self
    }

    /// An attribute that is a share of the whole, in percent.
    pub(super) fn percent(&mut self, name: &'static str, percent: f64) -> &mut Self {
        self.raw(" ").raw(name).raw("=\"").text(&format!("{percent:.3}")).raw("%\"")
    }

    pub(super) fn done(self) -> String {
        self.0
    }
}

/// The class of a verdict in the style.
pub(super) fn class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Accept => "accept",
        Verdict::WouldChange => "would-change",
        Verdict::Refuse => "refuse",
        Verdict::Bounce => "bounce",
        Verdict::WouldRefuse => "would-refuse",
        Verdict::Defer => "defer",
        Verdict::WouldDefer => "would-defer",
    }
}

/// A verdict in words for people.
pub(super) fn words(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Accept => "accepted",
        Verdict::WouldChange => "accepted, would be changed",
        Verdict::Refuse => "refused",
        Verdict::Bounce => "refused by a report",
        Verdict::WouldRefuse => "would be refused",
        Verdict::Defer => "put off",
        Verdict::WouldDefer => "would be put off",
    }
}

/// What the colours mean.
pub(super) fn legend(html: &mut Html, verdicts: &[Verdict]) {
    html.raw("<ul class=\"legend\">");
    for verdict in verdicts {
        html.raw("<li><svg class=\"").raw(class(*verdict)).raw("\" aria-hidden=\"true\"><rect/></svg>");
        html.raw(words(*verdict)).raw("</li>");
    }
    html.raw("</ul>");
}

#[allow(clippy::cast_precision_loss, reason = "for a picture")]
pub(super) fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { 100.0 * part as f64 / whole as f64 }
}
