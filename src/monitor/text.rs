//! The text format of Prometheus, version 0.0.4 (prometheus.io, "Exposition formats"): what nearly everything that scrapes
//! reads. tests/metrics.rs has promtool and a Prometheus read it.

use std::fmt::{Display, Write};

use crate::metrics::Histogram;

/// What HTTP calls it.
pub(super) const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What a number means.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
    /// How many were within which bounds.
    Histogram,
}

/// A page of metrics. Writing to a string does not fail.
#[derive(Debug, Default)]
pub(super) struct Page {
    text: String,
    name: &'static str,
}

impl Page {
    /// The text so far.
    pub(super) fn into_text(self) -> String {
        self.text
    }

    /// Begins a metric. `help` is one line, without backslashes.
    pub(super) fn metric(&mut self, kind: Kind, name: &'static str, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        self.name = name;
    }

    /// A value of the metric that was begun last.
    pub(super) fn value(&mut self, labels: &[(&str, &str)], value: impl Display) {
        self.line("", labels, value);
    }

    /// A metric with one value.
    pub(super) fn alone(&mut self, kind: Kind, name: &'static str, help: &str, value: impl Display) {
        self.metric(kind, name, help);
        self.value(&[], value);
    }

    /// A histogram.
    pub(super) fn histogram(&mut self, name: &'static str, help: &str, histogram: &Histogram) {
        self.metric(Kind::Histogram, name, help);
        let shown = histogram.shown();
        for (bound, count) in shown.buckets {
            self.line("_bucket", &[("le", &bound.to_string())], count);
        }
        self.line("_bucket", &[("le", "+Inf")], shown.count);
        self.line("_sum", &[], shown.sum);
        self.line("_count", &[], shown.count);
    }

    fn line(&mut self, suffix: &str, labels: &[(&str, &str)], value: impl Display) {
        let _ = write!(self.text, "{}{suffix}", self.name);
        let mut sign = '{';
        for (label, value) in labels {
            let _ = write!(self.text, "{sign}{label}=\"{}\"", escaped(value));
            sign = ',';
        }
        let end = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.text, "{end} {value}");
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_shape() {
        let mut page = Page::default();
        page.alone(Kind::Counter, "a_total", "All of a.", 3_u64);
        page.metric(Kind::Gauge, "b", "What b is.");
        page.value(&[("one", "x"), ("two", "a\"b\\c\nd")], 1.5);
        let histogram = Histogram::default();
        histogram.observe(Duration::from_millis(2));
        page.histogram("c_seconds", "How long c took.", &histogram);
        let text = page.into_text();
        let lines: Vec<_> = text.lines().collect();
        let (simple, buckets) = lines.split_at(7);
        assert_eq!(
            simple,
            [
                "# HELP a_total All of a.",
                "# TYPE a_total counter",
                "a_total 3",
                "# HELP b What b is.",
                "# TYPE b gauge",
                "b{one=\"x\",two=\"a\\\"b\\\\c\\nd\"} 1.5",
                "# HELP c_seconds How long c took.",
            ]
        );
        for line in [
            "c_seconds_bucket{le=\"0.000025\"} 0",
            "c_seconds_bucket{le=\"0.001\"} 0",
            "c_seconds_bucket{le=\"0.0025\"} 1",
            "c_seconds_bucket{le=\"10\"} 1",
            "c_seconds_bucket{le=\"+Inf\"} 1",
            "c_seconds_sum 0.002",
            "c_seconds_count 1",
        ] {
            assert!(buckets.contains(&line), "{line} in {buckets:?}");
        }
    }
}
