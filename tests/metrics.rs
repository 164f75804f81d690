//! What `metrics.listen` shows: every number against what really happened, whether all is well while things go wrong,
//! that no reader slows mail, and that promtool and a real Prometheus read it, with the dashboard and the alerts of
//! contrib/monitoring.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test that panics has failed; clippy.toml excepts the test functions, not what they call"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::net::TcpStream;
use std::path::Path;

use serde_json::Value;
use support::http::{Page, ask, get, try_to_ask, values};
use support::milter::{Milter, Setup, free_port};
use support::prometheus::{Prometheus, promtool};
use support::slapd::Slapd;
use support::wait::{wait_for, wait_until};
use support::wire::{ACTIONS, Packet, STEPS, Wire};
use support::{TempDir, project};

/// A milter that tells how it is.
struct Scene {
    milter: Milter,
    port: u16,
    files: TempDir,
}

impl Scene {
    fn with(knobs: &str) -> Self {
        Self::set(knobs, |setup| setup)
    }

    fn set(knobs: &str, setup: impl FnOnce(Setup) -> Setup) -> Self {
        let files = TempDir::new();
        let port = free_port();
        let begun = Setup::unix(&files.path("milter.sock"), "company.ldif").knobs(&listening(port, knobs));
        Self { milter: setup(begun).start(), port, files }
    }

    /// A message of somebody who logged in; the letter of the answer at its end.
    fn send(&self, login: &str, from: &str) -> char {
        send(&self.files.path("milter.sock"), login, from)
    }

    fn page(&self) -> Page {
        get(self.port, "/metrics")
    }

    fn values(&self) -> BTreeMap<String, f64> {
        values(&self.page().text)
    }

    /// The value of one series.
    fn value(&self, series: &str) -> f64 {
        *self.values().get(series).unwrap_or_else(|| panic!("no {series}"))
    }

    /// Waits until a series has a value.
    fn wait_for(&self, series: &str, value: f64) {
        let mut last = 0.0;
        wait_until(&format!("{series} {value}"), || {
            last = self.value(series);
            (last - value).abs() < 1e-9
        });
    }

    fn health(&self) -> (u16, String) {
        let page = get(self.port, "/healthz");
        (page.status, page.text)
    }

    /// Waits until /healthz says this, and gives all of it back.
    fn wait_for_health(&self, status: u16, word: &str, says: &str) -> String {
        wait_for(&format!("{status} {word}: {says}"), || {
            let (code, text) = self.health();
            (code == status && text.starts_with(word) && text.contains(says)).then_some(text)
        })
    }
}

fn listening(port: u16, knobs: &str) -> String {
    format!("metrics.listen = \"127.0.0.1:{port}\"\n{knobs}")
}

fn send(socket: &Path, login: &str, from: &str) -> char {
    let (mut wire, _) = Wire::negotiate(socket, ACTIONS, STEPS);
    let end = send_over(&mut wire, login, &[("From", from)]);
    wire.finish();
    end
}

fn send_over(wire: &mut Wire, login: &str, fields: &[(&str, &str)]) -> char {
    let Packet(letter, _) = wire.mail(login, &format!("<{login}@example.org>"));
    if letter != 'c' {
        return letter;
    }
    wire.send_strings('R', &["<to@sink.example>"]);
    fields.iter().for_each(|(name, value)| wire.send_strings('L', &[name, &format!(" {value}")]));
    wire.send('N', b"");
    wire.send('E', b"");
    let modifies = |letter: char| "+-2bhimqe".contains(letter);
    std::iter::from_fn(|| Some(wire.receive().0)).find(|letter| !modifies(*letter)).unwrap()
}

fn verdict(verdict: &str, rule: &str) -> String {
    format!("delegation_milter_messages_total{{verdict=\"{verdict}\",rule=\"{rule}\"}}")
}

/// The verdicts that were counted at all.
fn verdicts(scene: &Scene) -> BTreeMap<String, f64> {
    let mut values = scene.values();
    values.retain(|series, count| series.starts_with("delegation_milter_messages_total") && *count > 0.0);
    values
}

/// Logins with authors, and what becomes of them in both modes.
const MESSAGES: [(&str, &str, &str, &str, &str); 8] = [
    ("carl", "carl@example.org", "accept", "accept", "own"),
    ("carl", "carl@example.org", "accept", "accept", "own"),
    ("carl", "bea@example.org", "accept", "would change", "on-behalf"),
    ("carl", "carl@example.org, bea@example.org", "accept", "would change", "on-behalf"),
    ("carl", "dora@example.org", "accept", "would change", "send-as"),
    ("carl", "boss@example.org", "refuse", "would refuse", "author"),
    ("carl", "nobody", "refuse", "would refuse", "from"),
    ("stranger", "stranger@example.org", "refuse", "would refuse", "unknown-login"),
];

#[test]
fn verdicts_are_those_of_the_log_and_outlive_reloads() {
    let scene = Scene::with("");
    let mut expected = BTreeMap::new();
    let mut logged = 0;
    for observed in [false, true] {
        for (login, from, enforced, watched, rule) in MESSAGES {
            let word = if observed { watched } else { enforced };
            *expected.entry(verdict(word, rule)).or_insert(0.0) += 1.0;
            let accepted = observed || enforced == "accept";
            assert_eq!(scene.send(login, from) != 'y', accepted, "{login} {from}");
            // The same words as in the log.
            logged += 1;
            let line = wait_for("its line", || {
                let log = scene.milter.log();
                let mut lines = log.lines().filter(|line| line.contains(" verdict="));
                lines.nth(logged - 1).map(str::to_owned)
            });
            assert!(line.contains(&format!("verdict=\"{word}\"")) && line.contains(rule), "{line}");
        }
        assert_eq!(verdicts(&scene), expected);
        scene.milter.reconfigure(&listening(scene.port, "policy.mode = \"observe\"\n"));
        scene.milter.reload();
    }
    let sent = 2.0 * MESSAGES.len() as f64;
    scene.wait_for("delegation_milter_connections_open", 0.0);
    scene.wait_for("delegation_milter_messages_open", 0.0);
    let values = scene.values();
    for (series, value) in [
        ("delegation_milter_decision_seconds_count", sent),
        ("delegation_milter_decision_seconds_bucket{le=\"+Inf\"}", sent),
        ("delegation_milter_connections_total", sent),
        ("delegation_milter_messages_begun_total", sent),
        ("delegation_milter_reloads_total{outcome=\"done\"}", 2.0),
        ("delegation_milter_faults_total", 0.0),
    ] {
        assert_eq!(values[series], value, "{series}");
    }
    assert!(values["delegation_milter_decision_seconds_sum"] > 0.0);
}

/// What no message with a verdict of its own shows.
#[test]
fn the_rest_of_what_messages_do() {
    let scene = Scene::with(
        "unauthenticated = \"accept\"\npolicy.local_domains = [\"example.org\"]\n\
         sent_copy.address = \"{local}+Sent@{domain}\"\npolicy.recipient_delimiter = \"+\"\n",
    );
    let (mut wire, _) = Wire::negotiate(&scene.files.path("milter.sock"), ACTIONS, STEPS);
    scene.wait_for("delegation_milter_connections_open", 1.0);
    wire.macros('M', &["{mail_addr}", "a@sink.example"]);
    wire.send_strings('M', &["<a@sink.example>"]);
    assert_eq!(wire.receive().0, 'a');
    assert_eq!(scene.value("delegation_milter_without_login_total"), 1.0);
    assert_eq!(send_over(&mut wire, "carl", &[("From", "bea@example.org")]), 'a');
    assert_eq!(scene.value("delegation_milter_copies_total"), 1.0);
    // A body that could hold a calendar is read, and held until its end.
    assert_eq!(wire.mail("carl", "<carl@example.org>").0, 'c');
    wire.send_strings('R', &["<to@sink.example>"]);
    wire.send_strings('L', &["From", " bea@example.org"]);
    wire.send_strings('L', &["Content-Type", " text/calendar"]);
    wire.send('N', b"");
    wire.send('B', &[b'a'; 1000]);
    assert_eq!(wire.receive().0, 'c');
    let values = scene.values();
    assert_eq!(values["delegation_milter_messages_open"], 1.0);
    assert_eq!(values["delegation_milter_bodies_read_total"], 1.0);
    assert!(values["delegation_milter_bodies_held_bytes"] >= 1000.0);
    drop(wire);
    scene.wait_for("delegation_milter_bodies_held_bytes", 0.0);
    scene.wait_for("delegation_milter_connections_open", 0.0);
    // Without a login, where that is refused.
    scene.milter.reconfigure(&listening(scene.port, "unauthenticated = \"refuse\"\n"));
    scene.milter.reload();
    let (mut wire, _) = Wire::negotiate(&scene.files.path("milter.sock"), ACTIONS, STEPS);
    wire.macros('M', &["{mail_addr}", "a@sink.example"]);
    wire.send_strings('M', &["<a@sink.example>"]);
    assert_eq!(wire.receive().0, 'y');
    assert_eq!(scene.value(&verdict("refuse", "unauthenticated")), 1.0);
    // An MTA that offers no change of the envelope sender: what would need one is deferred.
    let (mut narrow, _) = Wire::negotiate(&scene.files.path("milter.sock"), 0, STEPS);
    assert_eq!(send_over(&mut narrow, "carl", &[("From", "dora@example.org")]), 'y');
    assert_eq!(scene.value("delegation_milter_faults_total"), 1.0);
}

#[test]
fn a_reload_that_fails_is_told_until_one_succeeds() {
    let scene = Scene::with("");
    assert_eq!(scene.health(), (200, "ok\n".to_owned()));
    scene.milter.reconfigure(&listening(scene.port, "policy.mode = \"obey\"\n"));
    scene.milter.reload();
    let says = scene.wait_for_health(200, "degraded", "reload: since ");
    assert!(says.contains("milter.toml:") && says.contains("policy.mode"), "{says}");
    let values = scene.values();
    assert_eq!(values["delegation_milter_config_last_reload_successful"], 0.0);
    assert_eq!(values["delegation_milter_reloads_total{outcome=\"failed\"}"], 1.0);
    assert_eq!(values["delegation_milter_health{state=\"degraded\"}"], 1.0);
    for request in
        ["GET /healthz?json HTTP/1.0\r\n\r\n", "GET /healthz HTTP/1.0\r\nAccept: application/json\r\n\r\n"]
    {
        let page = ask(scene.port, request);
        let json: Value = serde_json::from_str(&page.text).unwrap();
        assert!(page.head.contains("content-type: application/json"), "{page:?}");
        assert_eq!((&json["status"], &json["findings"][0]["about"]), (&"degraded".into(), &"reload".into()));
    }
    scene.milter.reconfigure(&listening(scene.port, ""));
    scene.milter.reload();
    scene.wait_for_health(200, "ok", "");
    assert_eq!(scene.value("delegation_milter_config_last_reload_successful"), 1.0);
}

/// It listens where it was told when it began, and nowhere without that.
#[test]
fn where_it_listens() {
    let scene = Scene::with("");
    let other = free_port();
    scene.milter.reconfigure(&listening(other, ""));
    scene.milter.reload();
    scene.milter.wait_for_log("the new \"metrics.listen\" counts from the next start");
    assert!(try_to_ask(other, "GET / HTTP/1.0\r\n\r\n").is_none());
    assert_eq!(get(scene.port, "/").status, 200);
    // Of two that want the same port, the second does not start, and says why.
    let files = TempDir::new();
    let setup = Setup::unix(&files.path("milter.sock"), "company.ldif").knobs(&listening(scene.port, ""));
    let mut second = setup.launch();
    assert_eq!(second.wait_for_end().code(), Some(2));
    let says =
        format!("metrics: cannot listen on inet:127.0.0.1:{}: another program listens there", scene.port);
    assert!(second.log().contains(&says), "{}", second.log());
}

const SEARCHES: &str = "delegation_milter_ldap_searches_total{outcome=\"answered\"}";

#[test]
fn a_server_that_goes_and_comes_back() {
    let slapd = Slapd::start(&[&Slapd::ldif("tests/fixtures/company.ldif")]);
    let scene = Scene::set("directory.timeout = \"1s\"\n", |setup| setup.server(&slapd));
    scene.wait_for("delegation_milter_watch_up", 1.0);
    answers(&scene, &slapd);
    let searches = scene.value(SEARCHES);
    slapd.stop();
    is_away(&scene, &slapd);
    slapd.start_again();
    scene.wait_for_health(200, "ok", "");
    scene.wait_for("delegation_milter_directory_up", 1.0);
    scene.wait_for("delegation_milter_watch_up", 1.0);
    assert!(scene.value(SEARCHES) >= searches, "counted on, after the reload");
}

fn answers(scene: &Scene, slapd: &Slapd) {
    let port = slapd.port("ldap");
    let server = format!("delegation_milter_directory_server_info{{server=\"ldap://127.0.0.1:{port}\"}}");
    assert_eq!(scene.value(&server), 1.0);
    // As many searches as slapd has seen.
    let (mark, before) = (slapd.mark(), scene.value(SEARCHES));
    assert_eq!(scene.send("carl", "bea@example.org"), 'a');
    let asked = slapd.searches_since(mark).len() as f64;
    assert!(asked >= 2.0, "{asked}");
    scene.wait_for(SEARCHES, before + asked);
    let values = scene.values();
    assert_eq!(values["delegation_milter_ldap_search_seconds_count"], values[SEARCHES]);
    let hits = values["delegation_milter_cache_hits_total{kind=\"login\"}"];
    for (series, value) in [
        ("delegation_milter_cache_entries{kind=\"login\",found=\"yes\"}", 1.0),
        ("delegation_milter_cache_capacity_entries", 100_000.0),
        ("delegation_milter_ldap_connections_opened_total", 1.0),
    ] {
        assert_eq!(values[series], value, "{series}");
    }
    assert_eq!(scene.send("carl", "bea@example.org"), 'a');
    assert!(scene.value("delegation_milter_cache_hits_total{kind=\"login\"}") > hits);
    assert_eq!(scene.value(SEARCHES), before + asked, "it is remembered");
    // What the directory tells.
    let told = scene.value("delegation_milter_changes_total{of=\"entry\"}");
    slapd.modify("dn: uid=emil,dc=example,dc=org\nchangetype: modify\nreplace: cn\ncn: Emil\n\n");
    scene.wait_for("delegation_milter_changes_total{of=\"entry\"}", told + 1.0);
}

fn is_away(scene: &Scene, slapd: &Slapd) {
    let says = scene.wait_for_health(200, "degraded", "does not answer");
    assert!(says.contains("directory: since 20") && says.contains("what is remembered serves"), "{says}");
    assert!(says.contains(&format!("ldap://127.0.0.1:{}", slapd.port("ldap"))), "{says}");
    let values = scene.values();
    for (series, value) in [
        ("delegation_milter_directory_up", 0.0),
        ("delegation_milter_watch_up", 0.0),
        ("delegation_milter_watch_asked", 1.0),
        ("delegation_milter_ldap_connections_lost_total{reason=\"ended\"}", 1.0),
    ] {
        assert_eq!(values[series], value, "{series}");
    }
    assert!(!values.keys().any(|series| series.starts_with("delegation_milter_directory_server_info")));
    scene.send("emil", "emil@example.org");
    scene.wait_for(&verdict("defer", "directory"), 1.0);
    assert!(scene.value("delegation_milter_cache_load_failures_total{kind=\"login\"}") >= 1.0);
    // A reload makes all of it due, and it serves all the same.
    scene.milter.reload();
    assert_eq!(scene.send("carl", "bea@example.org"), 'a');
    assert!(scene.value("delegation_milter_cache_stale_total{kind=\"login\"}") >= 1.0);
}

/// Nobody is remembered, and everybody is deferred.
#[test]
fn without_a_directory_from_the_start_it_is_down() {
    let slapd = Slapd::start(&[]);
    slapd.stop();
    let scene = Scene::set("", |setup| setup.server(&slapd));
    let says = scene.wait_for_health(503, "down", "directory: since ");
    assert!(says.contains("mail is deferred"), "{says}");
    assert_eq!(scene.value("delegation_milter_health{state=\"down\"}"), 1.0);
    assert!(scene.value("delegation_milter_ldap_connect_failures_total") >= 1.0);
}

/// Who is asked too often, or never asked, or shouted at, still checks mail; and answers others when they are gone.
#[test]
fn no_reader_slows_mail() {
    let scene = Scene::with("");
    let idle = scene.milter.open_descriptors();
    let mut hostile: Vec<_> =
        (0..300).map(|_| TcpStream::connect(("127.0.0.1", scene.port)).unwrap()).collect();
    for (number, stream) in hostile.iter_mut().enumerate() {
        // Nothing, the half of a request, or more than anybody reads.
        let _ = match number % 3 {
            0 => Ok(()),
            1 => stream.write_all(b"GET /metrics HTTP/1.1\r\nHost:"),
            _ => stream.set_nonblocking(true).and_then(|()| stream.write_all(&[b'a'; 100_000])),
        };
    }
    wait_until("some are let in", || scene.milter.open_descriptors() > idle + 8);
    let before = std::time::Instant::now();
    for _ in 0..100 {
        assert_eq!(scene.send("carl", "bea@example.org"), 'a');
    }
    // Most wait outside, and cost neither descriptors nor memory.
    assert!(scene.milter.open_descriptors() <= idle + 40, "{} from {idle}", scene.milter.open_descriptors());
    assert!(before.elapsed() < support::wait::PATIENCE / 2, "{:?}", before.elapsed());
    drop(hostile);
    wait_until("it answers again", || try_to_ask(scene.port, "GET /metrics HTTP/1.0\r\n\r\n").is_some());
    assert_eq!(scene.value(&verdict("accept", "on-behalf")), 100.0);
}

#[test]
fn requests_that_are_none() {
    let scene = Scene::with("");
    let long = format!("GET /metrics HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "a".repeat(20_000));
    let many = format!("GET /metrics HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: a\r\n".repeat(200));
    for (request, status) in [
        ("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n", 200),
        ("GET /metrics?x=y HTTP/1.1\r\nHost: a\r\n\r\n", 200),
        ("GET http://a/healthz HTTP/1.1\r\nHost: a\r\n\r\n", 200),
        ("HEAD /metrics HTTP/1.1\r\nHost: a\r\n\r\n", 200),
        ("POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", 405),
        ("GET /metrics/ HTTP/1.1\r\nHost: a\r\n\r\n", 404),
        ("GET /../etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n", 404),
        (&long, 431),
        (&many, 431),
        ("hello\r\n\r\n", 400),
    ] {
        let page = ask(scene.port, request);
        assert_eq!(page.status, status, "{}: {page:?}", &request[..30.min(request.len())]);
        assert!(page.head.contains("connection: close") || status == 400, "{page:?}");
    }
    // Nobody else's site may make a browser send more than that, and nothing of it is kept.
    assert!(scene.page().head.contains("cache-control: no-store"));
    assert!(scene.page().head.contains("content-type: text/plain; version=0.0.4; charset=utf-8"));
}

// contrib/monitoring

#[test]
fn promtool_finds_nothing() {
    let scene = Scene::with("");
    scene.send("carl", "bea@example.org");
    let monitoring = project("contrib/monitoring");
    assert_eq!(promtool(&["check", "metrics"], &monitoring, &scene.page().text), "");
    for words in [
        &["check", "config", "prometheus.yml"][..],
        &["check", "rules", "alerts.yml"],
        &["test", "rules", "alerts-test.yml"],
    ] {
        assert!(promtool(words, &monitoring, "").contains("SUCCESS"), "{words:?}");
    }
}

/// An expression of the dashboard or of an alert, and where it stands.
type Expression = (String, String);

#[test]
fn a_prometheus_evaluates_dashboard_and_alerts() {
    let slapd = Slapd::start(&[&Slapd::ldif("tests/fixtures/company.ldif")]);
    let scene = Scene::set("", |setup| setup.server(&slapd));
    scene.wait_for("delegation_milter_watch_up", 1.0);
    let prometheus = Prometheus::start(scene.port, &project("contrib/monitoring/alerts.yml"));
    let scraped = |times: f64| {
        wait_until("it is scraped", || {
            prometheus.number("count_over_time(delegation_milter_build_info[1m])") >= Some(times)
        });
    };
    scraped(1.0);
    for (login, from, ..) in MESSAGES {
        scene.send(login, from);
    }
    let sent = MESSAGES.len() as f64;
    wait_until("its numbers are ours", || {
        prometheus.number("sum(delegation_milter_messages_total)") == Some(sent)
            && prometheus.number("sum(delegation_milter_decision_seconds_count)") == Some(sent)
    });
    scraped(4.0);
    let (panels, alerts) = (panels(), alerts(&prometheus));
    for (place, expression) in panels.iter().chain(&alerts) {
        // Nobody has misspelt a name, a label or a word: each is there, if only as zero.
        for selector in selectors(expression) {
            assert!(!prometheus.query(&selector).is_empty(), "{place}: there is no {selector}");
        }
    }
    for (place, expression) in &panels {
        let all = expression.strip_suffix(" > 0").unwrap_or(expression);
        assert!(!prometheus.query(all).is_empty(), "{place}: {all} shows nothing");
        prometheus.query(expression);
    }
    // All that is shown is of use to somebody.
    let used: BTreeSet<_> = panels.iter().chain(&alerts).flat_map(|(_, text)| selectors(text)).collect();
    let unused: Vec<_> = names(&scene.page().text)
        .into_iter()
        .filter(|name| !used.iter().any(|selector| selector.starts_with(name.as_str())))
        .collect();
    assert_eq!(unused, [""; 0], "neither in the dashboard nor in an alert");
}

/// The metrics of a page.
fn names(page: &str) -> Vec<String> {
    let types = page.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types.map(|line| line.split(' ').next().unwrap().to_owned()).collect()
}

/// The expressions of the dashboard, with its variables filled in.
fn panels() -> Vec<Expression> {
    let text = std::fs::read_to_string(project("contrib/monitoring/grafana.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter().filter(|panel| panel["type"] != "row");
    let mut expressions = Vec::new();
    for panel in panels {
        let title = panel["title"].as_str().unwrap();
        let unit = panel["fieldConfig"]["defaults"]["unit"].as_str();
        assert!(
            panel["description"].as_str().is_some_and(|text| text.len() > 20) && unit.is_some(),
            "{title}"
        );
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
        for target in panel["targets"].as_array().unwrap() {
            expressions.push((title.to_owned(), filled(target["expr"].as_str().unwrap())));
        }
    }
    let reloads = dashboard["annotations"]["list"][0]["expr"].as_str().unwrap();
    let reloads = filled(reloads).trim_end_matches(" > 0").to_owned();
    expressions.push(("annotations".to_owned(), reloads));
    assert!(expressions.len() > 40, "{}", expressions.len());
    let names: Vec<_> = dashboard["templating"]["list"]
        .as_array()
        .unwrap()
        .iter()
        .map(|variable| &variable["name"])
        .collect();
    assert_eq!(names, ["datasource", "instance"]);
    expressions
}

fn filled(expression: &str) -> String {
    let filled = expression.replace("$__rate_interval", "1m").replace("$instance", ".*");
    assert!(!filled.contains('$'), "{filled}");
    filled
}

/// The expressions of the alerts, as Prometheus understood them; it has evaluated each, and none fires.
fn alerts(prometheus: &Prometheus) -> Vec<Expression> {
    let rules = wait_for("all rules are evaluated", || {
        let groups = prometheus.ask("rules?type=alert");
        let rules = groups["data"]["groups"][0]["rules"].as_array()?.clone();
        rules.iter().all(|rule| rule["health"] != "unknown").then_some(rules)
    });
    let tests = std::fs::read_to_string(project("contrib/monitoring/alerts-test.yml")).unwrap();
    for rule in &rules {
        let name = rule["name"].as_str().unwrap();
        assert_eq!((&rule["health"], rule["lastError"].as_str()), (&"ok".into(), None), "{name}");
        for told in ["summary", "reason", "action"] {
            assert!(rule["annotations"][told].as_str().is_some_and(|text| text.len() > 20), "{name}: {told}");
        }
        assert!(
            tests.contains(&format!("alertname=\"{name}\", alertstate=\"firing\"")),
            "no case for {name}"
        );
    }
    assert_eq!(prometheus.query("ALERTS{alertstate=\"firing\"}"), [Value::Null; 0]);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    rules.iter().map(|rule| (text(&rule["name"]), text(&rule["query"]))).collect()
}

/// The names of metrics in an expression, each with the labels that stand behind it.
fn selectors(expression: &str) -> Vec<String> {
    let mut selectors = Vec::new();
    let mut rest = expression;
    while let Some(start) = rest.find(|c: char| c.is_ascii_alphabetic() || c == '_') {
        rest = &rest[start..];
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        let (word, behind) = rest.split_at(end);
        let labels = behind.starts_with('{').then(|| behind.find('}').map(|end| &behind[..=end])).flatten();
        let is_name = ["delegation_milter_", "process_"].iter().any(|start| word.starts_with(start));
        if is_name || word == "up" {
            selectors.push(format!("{word}{}", labels.unwrap_or_default()));
        }
        rest = behind.strip_prefix(labels.unwrap_or_default()).unwrap();
    }
    assert!(!selectors.is_empty(), "{expression}");
    selectors
}

/// contrib/monitoring/README.md lists the metrics of the page, and no others.
#[test]
fn every_metric_is_listed() {
    let scene = Scene::with("");
    let readme = std::fs::read_to_string(project("contrib/monitoring/README.md")).unwrap();
    let (_, numbers) = readme.split_once("## The numbers").unwrap();
    let first_column =
        |line: &str| line.strip_prefix('|').map(|row| row.split('|').next().unwrap().to_owned());
    let own: String = numbers.lines().filter_map(first_column).collect();
    let own = quoted(&own).into_iter().filter(|name| !name.contains('…'));
    let mut listed: Vec<_> = own.map(|name| format!("delegation_milter_{name}")).collect();
    listed.extend(quoted(numbers).into_iter().filter(|name| name.starts_with("process_")));
    let mut shown = names(&scene.page().text);
    listed.sort();
    shown.sort();
    assert_eq!(listed, shown);
}

/// What stands between backquotes.
fn quoted(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}
