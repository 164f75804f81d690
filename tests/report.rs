//! `report`: what it makes of the lines that the program wrote, in each format and from wherever they come; and its page,
//! in a browser, with values that mean harm.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test that panics has failed; clippy.toml excepts the test functions, not what they call"
)]

mod support;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use flate2::Compression;
use flate2::write::GzEncoder;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use support::TempDir;
use support::milter::Setup;
use support::submission::Submission;

/// Runs the command in UTC, with this on standard input.
fn report(words: &[&str], input: &[u8]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_delegation-milter"));
    command.arg("report").args(words).env("TZ", "UTC");
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn json(words: &[&str], input: &[u8]) -> Value {
    let output = report(&[&["--json"], words].concat(), input);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

/// What a milter with this configuration logs of these messages.
fn logged(knobs: &str, messages: &[Submission]) -> String {
    let files = TempDir::new();
    let mut milter = Setup::unix(&files.path("milter.sock"), "company.ldif").knobs(knobs).start();
    for message in messages {
        message.send(&milter);
    }
    milter.signal(Signal::SIGTERM);
    assert!(milter.wait_for_end().success());
    milter.log()
}

fn messages() -> Vec<Submission> {
    [
        ("carl", "carl@example.org"),
        ("carl", "bea@example.org"),
        ("carl", "bea@example.org"),
        ("carl", "dora@example.org"),
        ("carl", "boss@example.org"),
        ("nobody-known", "carl@example.org"),
        ("carl", "bea@example.org, carl@example.org"),
    ]
    .map(|(login, from)| Submission::new("192.0.2.1", login, from))
    .into()
}

/// The text of a field in each row, joined.
fn rows(report: &Value, table: &str, fields: &[&str]) -> Vec<String> {
    let cell = |row: &Value, field: &&str| {
        row[*field].as_str().map_or_else(|| row[*field].to_string(), str::to_owned)
    };
    let row = |row: &Value| fields.iter().map(|field| cell(row, field)).collect::<Vec<_>>().join(" ");
    report[table]["rows"].as_array().unwrap().iter().map(row).collect()
}

#[test]
fn what_the_program_logs_is_what_is_reported() {
    for format in ["text", "json"] {
        let log = logged(&format!("log.format = \"{format}\""), &messages());
        let report = json(&["-"], log.as_bytes());
        assert_eq!(report["messages"], 7, "{log}");
        assert_eq!(
            (&report["lines"]["damaged"], &report["lines"]["foreign"]),
            (&json!(0), &json!(0)),
            "{log}"
        );
        assert_eq!((&report["verdicts"]["accept"], &report["verdicts"]["refuse"]), (&json!(5), &json!(2)));
        let grant = "uid=bea,dc=example,dc=org to uid=carl,dc=example,dc=org";
        let senders = rows(&report, "senders", &["messages", "login", "address", "rule", "grant"]);
        assert_eq!(
            senders,
            [
                format!("3 carl bea@example.org on-behalf {grant}"),
                format!("1 carl dora@example.org send-as {}", grant.replace("bea", "dora")),
            ]
        );
        assert_eq!(rows(&report, "own", &["messages", "login", "address"]), ["2 carl carl@example.org"]);
        assert_eq!(
            rows(&report, "refusals", &["messages", "login", "address", "rule", "verdict", "client"]),
            [
                "1 carl boss@example.org author refuse 192.0.2.1",
                "1 nobody-known carl@example.org unknown-login refuse 192.0.2.1",
            ]
        );
        assert_eq!(report["milliseconds"]["messages"], 7);
        assert!(report["milliseconds"]["median"].as_f64().unwrap() > 0.0);
        let hours = report["timeline"].as_array().unwrap();
        let accepted: u64 = hours.iter().map(|hour| hour["accept"].as_u64().unwrap()).sum();
        assert_eq!(accepted, 5);
    }
}

/// The refused message would pass: the commands that the report names are run.
#[test]
fn whom_enforcement_would_hit_and_what_to_do() {
    let mut hit = messages();
    hit.push(Submission::new("192.0.2.1", "carl", "\"boss@example.org\" <carl@example.org>"));
    hit.push(Submission::new("192.0.2.1", "o'neill $(reboot)", "carl@example.org"));
    let log = logged("policy.mode = \"observe\"", &hit);
    let output = report(&["--would-refuse", "-"], log.as_bytes());
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let shown = text(&output);
    for part in [
        "  carl: 2 messages",
        "boss@example.org (author): 1 message",
        "delegation-milter explain carl boss@example.org",
        "delegation-milter grant send-on-behalf --for boss@example.org --to carl",
        "boss@example.org (display-name): 1 message",
        "delegation-milter explain 'o'\\''neill $(reboot)' carl@example.org",
        "give the login an entry in the directory, or an [[account]]",
        "what enforcement would change",
        "bea@example.org",
        "Sender",
    ] {
        assert!(shown.contains(part), "{part}:\n{shown}");
    }
    let report = json(&["-"], log.as_bytes());
    let people = report["would_refuse"]["rows"].as_array().unwrap();
    let logins: Vec<_> = people.iter().map(|person| &person["login"]).collect();
    assert_eq!(logins, ["carl", "nobody-known", "o'neill $(reboot)"], "{report:#}");
    assert!(people[0]["addresses"][0]["reply"].as_str().unwrap().starts_with("550 5.7.1 <boss@example.org>"));
    let changed = rows(&report, "would_change", &["messages", "login", "address", "changes"]);
    assert!(changed.contains(&"2 carl bea@example.org Sender".to_owned()), "{changed:?}");
    // Nobody: that is good news.
    let log = logged("policy.mode = \"observe\"", &messages()[..1]);
    let output = self::report(&["--would-refuse", "-"], log.as_bytes());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(text(&output).contains("whom enforcement would refuse\n  nobody"), "{output:?}");
}

const LINE: &str = "queue_id=\"4Xq\" client=\"192.0.2.1\" login=\"carl\" mail_from=\"<carl@example.org>\" \
                    from=\"bea@example.org\" verdict=\"accept\" rule=\"on-behalf\" body=false grant=\"B to C\" ms=0.5";

fn at(time: &str) -> String {
    format!("{time}  INFO {LINE}\n")
}

/// As `journalctl -o json` has it.
fn entry(microseconds: u64) -> String {
    let mut entry =
        json!({ "__REALTIME_TIMESTAMP": microseconds.to_string(), "SYSLOG_IDENTIFIER": "delegation-milter" });
    entry["MESSAGE"] = json!("queue_id=\"4Xq\"");
    for (name, value) in [
        ("LOGIN", "carl"),
        ("FROM", "bea@example.org"),
        ("VERDICT", "accept"),
        ("RULE", "on-behalf"),
        ("GRANT", "B to C"),
    ] {
        entry[name] = json!(value);
    }
    entry.to_string() + "\n"
}

#[test]
fn logs_of_any_kind_in_any_order() {
    let files = TempDir::new();
    let mut gz = GzEncoder::new(Vec::new(), Compression::default());
    gz.write_all(at("2026-11-20T10:00:00Z").as_bytes()).unwrap();
    let mut compressed = gz.finish().unwrap();
    // Two members (RFC 1952 section 2.2): as "cat a.gz b.gz".
    let mut gz = GzEncoder::new(Vec::new(), Compression::default());
    gz.write_all(at("2026-11-20T11:00:00Z").as_bytes()).unwrap();
    compressed.extend(gz.finish().unwrap());
    let old = files.write("mail.log.2.gz", compressed);
    let syslog = format!(
        "Nov 22 17:00:00 host postfix/smtpd[1]: x\nNov 22 17:00:00 host delegation-milter[1]: {}Nov 22 17:00:01 host \
         delegation-milter[1]: 2026-11-22T17:00:01Z  INFO ready\n",
        at("2026-11-22T17:00:00Z")
    );
    let new = files.write("mail.log", syslog);
    let link = files.path("link");
    std::os::unix::fs::symlink(&new, &link).unwrap();
    let [old, new, link] = [&old, &new, &link].map(|path| path.to_str().unwrap());
    // 2026-11-21T10:00:00Z.
    let found = json(&[new, "-", old, link, new], entry(1_795_255_200_000_000).as_bytes());
    let lines = &found["lines"];
    assert_eq!((&lines["messages"], &lines["others"], &lines["foreign"]), (&json!(4), &json!(1), &json!(1)));
    assert_eq!(lines["again"], json!([link, new]));
    assert_eq!(
        (&found["first"], &found["last"]),
        (&json!("2026-11-20T10:00:00Z"), &json!("2026-11-22T17:00:00Z"))
    );
    let hours: Vec<_> =
        found["timeline"].as_array().unwrap().iter().map(|hour| hour["hour"].as_str().unwrap()).collect();
    assert_eq!(hours, ["2026-11-20T10:00", "2026-11-20T11:00", "2026-11-21T10:00", "2026-11-22T17:00"]);
    for (since, messages) in
        [("2026-11-20", 3), ("2026-11-20 10:30", 2), ("2026-11-22T18:00:00+01:00", 1), ("1s", 0)]
    {
        let found = json(&["--since", since, old, new], b"");
        assert_eq!(
            (&found["messages"], &found["lines"]["earlier"]),
            (&json!(messages), &json!(3 - messages)),
            "{since}"
        );
    }
}

#[test]
fn what_cannot_be_read_is_told() {
    let files = TempDir::new();
    let whole = at("2026-11-22T17:00:00Z");
    let log = files.write(
        "log",
        format!("{whole}{}\n{}{whole}", &whole[..90], whole.replace("\"accept\"", "\"maybe\"")),
    );
    let log = log.to_str().unwrap();
    let output = report(&[log], b"");
    let shown = text(&output);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(shown.contains("2 of messages, 2 damaged"), "{shown}");
    assert!(shown.contains(&format!("{log}, line 2: it is cut off")), "{shown}");
    assert!(shown.contains(&format!("{log}, line 3: its verdict is none")), "{shown}");
    for (words, told) in [
        (&["/nowhere/log"][..], "/nowhere/log: cannot be read"),
        (&["/"], "/: cannot be read"),
        (&["--since", "yesterday", log], "--since \"yesterday\": write a date"),
        (&["--html", "/nowhere/page.html", log], "/nowhere/page.html: cannot be written"),
    ] {
        let output = report(words, b"");
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), error.contains(told)), (Some(2), true), "{error}");
    }
    // The page does not take the place of a log, by whatever name.
    let other = files.path("other name");
    std::os::unix::fs::symlink(log, &other).unwrap();
    let before = std::fs::read(log).unwrap();
    for page in [log, other.to_str().unwrap()] {
        let output = report(&["--html", page, log], b"");
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("this is one of the logs"), "{output:?}");
    }
    assert_eq!(std::fs::read(log).unwrap(), before);
    let broken = files.write("broken.gz", b"\x1f\x8b\x08\0garbage");
    assert_eq!(report(&[broken.to_str().unwrap()], b"").status.code(), Some(2));
    let empty = report(&["-"], b"");
    assert!(text(&empty).contains("no messages") && empty.status.success(), "{empty:?}");
    // That there is nobody does not show where nothing was read.
    for words in [&["--would-refuse", "-"][..], &["--would-refuse", "--since", "2999-01-01", log]] {
        assert_eq!(report(words, b"").status.code(), Some(1), "{words:?}");
    }
}

/// Whatever stands in the log, a terminal gets printable ASCII.
#[test]
fn text_is_printable() {
    let mut log = String::new();
    for value in ["\u{1b}[2J", "\u{202e}x", "\u{9b}31m\u{7f}", "a\nb", "\u{e9}"] {
        log += &at("2026-11-22T17:00:00Z").replace("\"carl\"", &format!("{value:?}"));
        let mut object = json!({ "timestamp": "2026-11-22T17:00:00Z", "level": "INFO", "login": value });
        object["verdict"] = json!("would refuse");
        object["rule"] = json!(value);
        object["reply"] = json!(value);
        log += &format!("{object}\n");
    }
    for words in [&["-"][..], &["--would-refuse", "-"], &["--json", "-"]] {
        let output = report(words, log.as_bytes());
        let plain = |octet: &u8| matches!(octet, b'\n' | b' '..=b'~');
        assert!(output.stdout.iter().all(plain), "{}", text(&output));
        assert!(text(&output).contains("u{1b}[2J") || words[0] == "--json", "{}", text(&output));
    }
}

/// What a client may write to have it run or fetched where the page is read. What is run says so in the document.
fn harm(port: u16) -> Vec<String> {
    let run = "document.documentElement.setAttribute('data-run','1')";
    let place = format!("http://127.0.0.1:{port}/");
    vec![
        format!("<script>{run}</script>"),
        format!("</script><script>{run}</script>"),
        format!("</title></style></code><img src=x onerror=\"{run}\">"),
        format!("\"><svg onload=\"{run}\">"),
        format!("' onmouseover='{run}' autofocus onfocus='{run}"),
        format!("<img src={place}image>"),
        format!("<link rel=stylesheet href={place}style><style>@import '{place}import';</style>"),
        format!("<iframe src={place}frame></iframe><meta http-equiv=refresh content='0;url={place}refresh'>"),
        format!("<script src={place}script></script><base href={place}>"),
        "<!--".into(),
        "]]>&lt;&#60;b&#62;&amp;".into(),
        "\u{202e}evil\u{2066}".into(),
        "\u{1b}[31mred".into(),
    ]
}

/// A log in which each of these stands wherever a value can.
fn hostile_log(values: &[String]) -> String {
    let mut log = String::new();
    for value in values {
        for (verdict, rule) in [
            ("accept", value.as_str()),
            ("refuse", value),
            ("would refuse", "author"),
            ("defer", value),
            ("would change", "own"),
        ] {
            log += &format!(
                "2026-11-22T17:00:00Z  INFO queue_id=\"4Xq\" client={value:?} login={value:?} from={value:?} \
                 verdict={verdict:?} rule={rule:?} address={value:?} grant={value:?} sender={value:?} reply={value:?} \
                 reason={value:?} ms=0.5\n"
            );
        }
    }
    log
}

/// The document of the page as a browser has it after it ran what it runs.
fn browsed(files: &TempDir, page: &Path) -> String {
    let output = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage"])
        .arg(format!("--user-data-dir={}", files.path("profile").display()))
        .args(["--virtual-time-budget=3000", "--dump-dom"])
        .arg(format!("file://{}", page.display()))
        .env("HOME", files.path(""))
        .output()
        .expect("chromium: contrib/testbed/install chromium");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Asks the browser for a page of ours that does what the hostile values want: what the test looks for is to be seen.
fn check_that_harm_shows(files: &TempDir, listener: &TcpListener, port: u16) {
    let bait = format!(
        "<!DOCTYPE html><body><img src=http://127.0.0.1:{port}/bait>\
         <script>document.documentElement.setAttribute('data-run','1')</script></body>"
    );
    let page = files.write("bait.html", bait);
    let dom = std::thread::scope(|scope| {
        let browsing = scope.spawn(|| browsed(files, &page));
        let mut request = [0; 16];
        let (mut stream, _) = listener.accept().unwrap();
        stream.read_exact(&mut request).unwrap();
        assert_eq!(&request[..9], b"GET /bait");
        let _ = stream.write_all(b"HTTP/1.0 404 None\r\nContent-Length: 0\r\n\r\n");
        drop(stream);
        browsing.join().unwrap()
    });
    assert!(dom.contains("data-run=\"1\""), "{dom}");
}

#[test]
fn a_browser_shows_the_page_and_runs_nothing_in_it() {
    let files = TempDir::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    check_that_harm_shows(&files, &listener, port);
    let (page, values) = (files.path("page.html"), harm(port));
    let output =
        report(&["--would-refuse", "--html", page.to_str().unwrap(), "-"], hostile_log(&values).as_bytes());
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let html = std::fs::read_to_string(&page).unwrap();
    assert!(html.is_ascii() && !html.contains("<img") && !html.contains("http://127.0.0.1:0"), "{html}");
    let dom = browsed(&files, &page);
    assert!(!dom.contains("data-run=\"1\""), "{dom}");
    for tag in ["<img", "<iframe", "<link", "<base", "http-equiv=\"refresh\""] {
        assert!(!dom.contains(tag), "{tag}: {dom}");
    }
    assert_eq!(dom.matches("<script").count(), 1, "{dom}");
    // Our script ran: the names of columns are buttons. Each value stands in a row of each table.
    assert!(dom.contains("<th scope=\"col\" class=\"n\"><button type=\"button\">Messages</button>"), "{dom}");
    let first = "&lt;script&gt;document.documentElement.setAttribute('data-run','1')&lt;/script&gt;";
    assert!(dom.matches(&format!("<td>{first}</td>")).count() >= 8, "{dom}");
    assert_eq!(dom.matches("<tr>").count(), 4 + 4 * values.len() + values.len(), "{dom}");
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "the page asked for something");
}

/// A browser that is told of no script shows the same rows.
#[test]
fn the_page_is_whole_without_its_script() {
    let files = TempDir::new();
    let page = files.path("page.html");
    let log = logged("", &messages());
    let output = report(&["--html", page.to_str().unwrap(), "-"], log.as_bytes());
    assert!(output.status.success(), "{output:?}");
    let html = std::fs::read_to_string(&page).unwrap();
    for part in [
        "<td class=\"n\">3</td><td>carl</td><td>bea@example.org</td><td>on-behalf</td>",
        "<td>boss@example.org</td><td>author</td><td>refuse</td><td>192.0.2.1</td>",
        "<h2>How long messages took</h2>",
        "default-src &#39;none&#39;; style-src &#39;sha256-",
    ] {
        assert!(html.contains(part), "{part}: {html}");
    }
    // Nothing is named that would have to be fetched, or that the policy forbids.
    for name in [" src=", " href=", "@import", "url(", " style=", " onclick="] {
        assert!(!html.contains(name), "{name}");
    }
}
