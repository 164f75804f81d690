//! Debian's Prometheus: promtool for files and pages, and a server of its own for a test.

use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::TempDir;
use super::http::try_to_ask;
use super::milter::free_port;
use super::wait::wait_for;

const INSTALL: &str = "install it with: contrib/testbed/install prometheus";

/// Runs promtool with this on its standard input, and gives back what it said; a failure fails the test.
pub(crate) fn promtool(words: &[&str], directory: &Path, input: &str) -> String {
    let mut process = Command::new("promtool")
        .args(words)
        .current_dir(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("promtool: {error}; {INSTALL}"));
    process.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = process.wait_with_output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success(), "promtool {words:?}: {said}");
    said
}

/// A Prometheus that scrapes one target twice a second; dropped, it ends.
pub(crate) struct Prometheus {
    process: Child,
    port: u16,
    files: TempDir,
}

impl Prometheus {
    /// Watches a port of 127.0.0.1, with this file of rules.
    pub(crate) fn start(target: u16, rules: &Path) -> Self {
        let (files, port) = (TempDir::new(), free_port());
        let config = format!(
            "global: {{scrape_interval: 500ms, evaluation_interval: 500ms}}\nrule_files: ['{}']\n\
             scrape_configs: [{{job_name: delegation-milter, static_configs: [{{targets: ['127.0.0.1:{target}']}}]}}]\n",
            rules.display()
        );
        let config = files.write("prometheus.yml", config);
        let log = std::fs::File::create(files.path("log")).unwrap();
        let process = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", files.path("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("prometheus: {error}; {INSTALL}"));
        Self { process, port, files }
    }

    /// Asks its API, as soon as it answers.
    pub(crate) fn ask(&self, path: &str) -> Value {
        wait_for("Prometheus answers", || {
            let page = try_to_ask(self.port, &format!("GET /api/v1/{path} HTTP/1.0\r\n\r\n"))?;
            (page.status != 503).then(|| {
                serde_json::from_str(&page.text).unwrap_or_else(|error| panic!("{path}: {error}: {page:?}"))
            })
        })
    }

    /// The values of an expression.
    pub(crate) fn query(&self, expression: &str) -> Vec<Value> {
        let answer = self.ask(&format!("query?query={}", utf8_percent_encode(expression, NON_ALPHANUMERIC)));
        assert_eq!(answer["status"], "success", "{expression}: {answer}");
        answer["data"]["result"].as_array().unwrap_or_else(|| panic!("{expression}: {answer}")).clone()
    }

    /// The only value of an expression, if it has one.
    pub(crate) fn number(&self, expression: &str) -> Option<f64> {
        let values = self.query(expression);
        values.first()?["value"][1].as_str()?.parse().ok()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.files.path("log")).unwrap_or_default();
            eprintln!("what Prometheus said:\n{log}");
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
