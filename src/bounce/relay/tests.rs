use std::time::Instant;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// What a server says: the greeting, then the reply to each command; to the last of them it says nothing if that is
/// empty, and then it hangs up if `hangs_up`.
struct Script {
    replies: &'static [&'static str],
    hangs_up: bool,
}

const EHLO: &str = "250-mail\r\n250-8BITMIME\r\n250 SMTPUTF8";
const PLAIN: &str = "250 mail";

async fn server(script: Script) -> (u16, tokio::task::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (port, tokio::spawn(async move { serve(listener.accept().await.unwrap().0, script).await }))
}

/// A server that says the same to each client, and hangs up.
pub(in crate::bounce) async fn servers(replies: &'static [&'static str]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            serve(stream, Script { replies, hangs_up: true }).await;
        }
    });
    port
}

/// Gives back what it was sent.
async fn serve(stream: TcpStream, script: Script) -> Vec<String> {
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::new(reader).lines();
    let mut heard: Vec<String> = Vec::new();
    for reply in script.replies {
        if reply.is_empty() {
            break;
        }
        writer.write_all(format!("{reply}\r\n").as_bytes()).await.unwrap();
        let in_data = reply.starts_with("354");
        while let Ok(Some(line)) = lines.next_line().await {
            let last = !in_data || line == ".";
            heard.push(line);
            if last {
                break;
            }
        }
    }
    if !script.hangs_up {
        std::future::pending::<()>().await;
    }
    heard
}

fn report(to: &str, text: &str) -> Report {
    Report {
        to: crate::address::Address::parse(to).unwrap(),
        message_id: "1@example.org".into(),
        octets: format!("Subject: {text}\r\n\r\n.dot\r\n").into_bytes(),
    }
}

fn ascii() -> Report {
    report("anna@example.org", "x")
}

async fn outcome(
    replies: &'static [&'static str],
    hangs_up: bool,
    report: &Report,
) -> Result<(), RelayError> {
    let (port, task) = server(Script { replies, hangs_up }).await;
    let result = Relay::new("127.0.0.1", port).hand_over(report, Some("mail.example.org")).await;
    task.abort();
    result
}

#[tokio::test]
async fn what_is_said() {
    let replies = &["220 hello", EHLO, "250 ok", "250 ok", "354 go", "250 taken", "221 bye"];
    let (port, task) = server(Script { replies, hangs_up: true }).await;
    let relay = Relay::new("127.0.0.1", port);
    relay.hand_over(&report("änna@example.org", "ü"), Some("mail.example.org")).await.unwrap();
    assert_eq!(
        task.await.unwrap(),
        [
            "EHLO mail.example.org",
            "MAIL FROM:<> BODY=8BITMIME SMTPUTF8",
            "RCPT TO:<änna@example.org>",
            "DATA",
            "Subject: ü",
            "",
            "..dot",
            "",
            ".",
            "QUIT"
        ]
    );
}

#[tokio::test]
async fn what_is_answered() {
    use RelayError as E;
    type Check = fn(&RelayError) -> bool;
    let table: [(&'static [&'static str], Check); 13] = [
        (&["421 too busy"], |e| matches!(e, E::Later { .. })),
        (&["554 not you"], |e| matches!(e, E::Never { .. })),
        (&["220 hello", "502 what"], |e| matches!(e, E::Never { .. })),
        (&["220 hello", EHLO, "451 no"], |e| matches!(e, E::Later { .. })),
        (&["220 hello", EHLO, "530 log in"], |e| matches!(e, E::Never { .. })),
        (&["220 hello", EHLO, "250 ok", "450 no"], |e| matches!(e, E::Later { .. })),
        (
            &["220 hello", EHLO, "250 ok", "550 5.1.1 nobody"],
            |e| matches!(e, E::Never { reply, .. } if reply.contains("5.1.1 nobody")),
        ),
        (&["220 hello", EHLO, "250 ok", "250 ok", "354 go", "452 full"], |e| matches!(e, E::Later { .. })),
        (&["220 hello", EHLO, "250 ok", "250 ok", "354 go", "552 large"], |e| matches!(e, E::Never { .. })),
        // It may have taken it, and did not say so.
        (&["220 hello", EHLO, "250 ok", "250 ok", "354 go", ""], |e| matches!(e, E::Unanswered { .. })),
        (&["220 hello", EHLO, "250 ok", "250 ok", ""], |e| matches!(e, E::Unreachable { .. })),
        (&["SSH-2.0-x"], |e| matches!(e, E::Unreachable { .. })),
        (&["220 hello", "250-mail\r\n250-   \r\n250 x"], |e| matches!(e, E::Unreachable { .. })),
    ];
    for (replies, expected) in table {
        let error = outcome(replies, true, &ascii()).await.unwrap_err();
        assert!(expected(&error), "{replies:?}: {error:?}");
        let is_final = matches!(error, E::Never { .. } | E::Lacks { .. });
        assert_eq!(error.is_final(), is_final);
        assert_eq!(error.may_have_gone(), matches!(error, E::Unanswered { .. }));
    }
}

#[tokio::test(start_paused = true)]
async fn silence_has_an_end() {
    for (replies, may_have_gone) in
        [(&[""][..], false), (&["220 hello", EHLO, "250 ok", "250 ok", "354 go", ""], true)]
    {
        let begun = tokio::time::Instant::now();
        let error = outcome(replies, false, &ascii()).await.unwrap_err();
        let is_slow = matches!(error, RelayError::Slow { .. });
        assert_eq!(
            (is_slow, error.may_have_gone()),
            (!may_have_gone, may_have_gone),
            "{replies:?}: {error:?}"
        );
        assert!(!error.is_final());
        assert!(begun.elapsed() <= LIMIT + Duration::from_secs(1));
    }
}

#[tokio::test]
async fn what_must_be_offered() {
    let all =
        |ehlo| [&["220 hello", ehlo, "250 ok", "250 ok", "354 go", "250 ok", "221 bye"][..]].concat().leak();
    for (ehlo, report, missing) in [
        (PLAIN, ascii(), None),
        (PLAIN, report("anna@example.org", "ü"), Some("8BITMIME")),
        ("250-mail\r\n250 8BITMIME", report("anna@example.org", "ü"), None),
        ("250-mail\r\n250 8BITMIME", report("änna@example.org", "x"), Some("SMTPUTF8")),
        (EHLO, report("änna@example.org", "x"), None),
    ] {
        let found = match outcome(all(ehlo), true, &report).await {
            Ok(()) => None,
            Err(RelayError::Lacks { extension, .. }) => Some(extension),
            Err(error) => panic!("{ehlo}: {error}"),
        };
        assert_eq!(found, missing, "{ehlo}");
    }
}

#[tokio::test]
async fn a_server_that_took_it_need_not_say_good_bye() {
    let begun = Instant::now();
    let replies = &["220 hello", EHLO, "250 ok", "250 ok", "354 go", "250 ok", ""];
    outcome(replies, false, &ascii()).await.unwrap();
    assert!(begun.elapsed() < GOOD_BYE);
}

#[tokio::test]
async fn nobody_there() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let relay = Relay::new("127.0.0.1", port);
    let error = relay.hand_over(&ascii(), None).await.unwrap_err();
    assert!(matches!(error, RelayError::Unreachable { .. }), "{error:?}");
    assert!(error.to_string().starts_with(&format!("127.0.0.1:{port}: ")), "{error}");
    assert_eq!(Relay::new("::1", 25).to_string(), "[::1]:25");
    assert!(relay.probe().await.is_err());
}

#[tokio::test]
async fn a_probe_sends_nothing() {
    let replies = &["220 hello", EHLO, "250 ok", "221 bye"];
    let (port, task) = server(Script { replies, hangs_up: true }).await;
    let offers = Relay::new("127.0.0.1", port).probe().await.unwrap();
    assert_eq!(offers, Offers { smtputf8: true, eight_bit: true });
    assert_eq!(task.await.unwrap(), ["EHLO [127.0.0.1]", "MAIL FROM:<>", "QUIT"]);
}

/// As Postfix does that asks this program too, with `unauthenticated = "refuse"`.
#[tokio::test]
async fn a_server_that_takes_no_mail_is_found_out() {
    let replies = &["220 hello", EHLO, "530 5.7.0 authentication required", "221 bye"];
    let (port, task) = server(Script { replies, hangs_up: true }).await;
    let error = Relay::new("127.0.0.1", port).probe().await.unwrap_err();
    assert!(error.is_final(), "{error}");
    task.abort();
}
