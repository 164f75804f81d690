//! Servers that hang, close, speak something else and come back.

use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::join_all;
use proptest::prelude::*;

use super::server::message;
use super::*;

/// A time limit that tests wait for.
const SHORT: Duration = Duration::from_millis(500);

/// "Well again within ten seconds" (issue 3), the server being there.
const WELL: Duration = Duration::from_secs(10);

/// Waits until `condition` gives something.
pub(super) async fn in_the_end<T>(what: &str, mut condition: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(begun.elapsed() < PATIENCE, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn within(server: &FakeServer, timeout: Duration) -> LdapDirectory {
    LdapDirectory::open(
        &[reached(server, Bind::Anonymous, timeout)],
        schema(),
        dn("dc=org"),
        Arc::default(),
        false,
        &Health::default(),
    )
    .unwrap()
}

/// The failure that a question meets, which says that the directory is not available.
async fn unavailable(directory: &LdapDirectory) -> String {
    match directory.by_login("anna", None).await {
        Err(Failure::Unavailable(why)) => why,
        other => panic!("{other:?}"),
    }
}

/// Finds anna, sooner than a restart would help.
async fn well_again(what: &str, directory: &LdapDirectory) {
    let begun = Instant::now();
    in_the_end(what, async || directory.by_login("anna", None).await.ok()).await;
    assert!(begun.elapsed() < WELL, "{what}: {:?}", begun.elapsed());
}

fn found() -> Vec<Vec<u8>> {
    vec![person("anna", &[("uid", &["anna"])])]
}

fn half(octets: &[u8]) -> Vec<u8> {
    octets[..octets.len() / 2].to_vec()
}

/// A way to behave, with its name.
type Manner = (&'static str, fn(&FakeServer));

/// Where a server may stop.
fn silences() -> [Manner; 7] {
    [
        ("it accepts and says nothing", |server| server.greet(vec![Act::Hang])),
        ("it does not answer the bind", |server| server.on_bind(|_| vec![Act::Hang])),
        ("it does not answer the search", |server| server.on_search(|_| vec![Act::Hang])),
        ("it stops in the middle of an entry", |server| {
            server.on_search(|_| vec![Act::Raw(half(&message(2, &found()[0]))), Act::Hang]);
        }),
        ("it stops after an entry", |server| {
            server.on_search(|_| vec![Act::Say(found().remove(0)), Act::Hang]);
        }),
        ("it answers other questions only", |server| {
            server.on_search(|_| vec![Act::Raw(message(7, &done(0))), Act::Hang]);
        }),
        ("it sends a message that never ends", |server| {
            server.greet(vec![Act::Raw(vec![0x30, 0x84, 0, 0xff, 0xff, 0xff, 1]), Act::Hang]);
        }),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silence_is_noticed_and_over_when_it_ends() {
    join_all(silences().into_iter().map(async |(what, silence)| {
        let server = FakeServer::start();
        silence(&server);
        let directory = within(&server, SHORT);
        let begun = Instant::now();
        let why = unavailable(&directory).await;
        let took = begun.elapsed();
        assert!(took < SHORT * 2, "{what}: {took:?}");
        assert!(why.contains("did not answer within 0.5 s"), "{what}: {why}");
        // Now it is known: nobody else waits.
        let begun = Instant::now();
        let answers = join_all((0..20).map(|_| directory.by_login("anna", None))).await;
        let failed = answers.iter().filter(|answer| answer.is_err()).count();
        let connected = server.connections().len();
        assert!(failed == 20 || connected > 1, "{what}: {answers:?}");
        assert!(begun.elapsed() < SHORT * 2, "{what}: {:?}", begun.elapsed());

        server.greet(vec![]);
        server.on_bind(|_| vec![Act::Say(bind_response(0, ""))]);
        server.holds(&found());
        well_again(what, &directory).await;
        assert!(server.connections().len() > 1, "{what}: the connection was not thrown away");
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_server_is_away_questions_fail_at_once() {
    let mut server = FakeServer::start();
    server.holds(&found());
    let directory = directory(&server);
    well_again("at first", &directory).await;
    for _ in 0..3 {
        server.away().await;
        // The first may find out; the time limit here is half a minute.
        unavailable(&directory).await;
        let begun = Instant::now();
        for _ in 0..100 {
            unavailable(&directory).await;
        }
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
        server.back();
        well_again("back", &directory).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn away_from_the_beginning() {
    let mut server = FakeServer::start();
    server.away().await;
    let directory = directory(&server);
    let why = unavailable(&directory).await;
    assert!(why.contains("cannot be reached"), "{why}");
    assert_eq!(directory.trouble().await.unwrap().step(), Step::Reach);
    server.holds(&found());
    server.back();
    well_again("there", &directory).await;
    assert!(directory.trouble().await.is_none());
}

/// A server that ends connections, as many do when they are idle, or restart.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_ends_costs_no_answer() {
    let ends =
        ["before the answer", "in the middle of an entry", "after an entry", "with the answer to another"];
    // Often, for who notices first is chance.
    join_all(ends.into_iter().cycle().take(100).map(async |end| {
        let server = FakeServer::start();
        let asked = AtomicBool::new(false);
        server.on_search(move |_| {
            let entry = found().remove(0);
            let again = asked.swap(true, Ordering::Relaxed);
            match end {
                _ if again => vec![Act::Say(entry), Act::Say(done(0))],
                "before the answer" => vec![Act::Close],
                "in the middle of an entry" => vec![Act::Raw(half(&message(2, &entry))), Act::Close],
                "after an entry" => vec![Act::Say(entry), Act::Close],
                _ => vec![Act::Raw(message(99, &done(0))), Act::Close],
            }
        });
        let answer = directory(&server).by_login("anna", None).await;
        assert!(matches!(answer, Ok(Some(_))), "{end}: {answer:?}");
        assert_eq!(server.connections().len(), 2, "{end}");
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_connection_that_ends_costs_no_answer() {
    join_all([false, true].into_iter().cycle().take(100).map(async |noticed| {
        let server = FakeServer::start();
        server.holds(&found());
        let directory = directory(&server);
        assert!(directory.by_login("anna", None).await.unwrap().is_some());
        server.hang_up();
        if noticed {
            in_the_end("another", async || (server.connections().len() > 1).then_some(())).await;
        }
        assert!(directory.by_login("anna", None).await.unwrap().is_some());
    }))
    .await;
}

/// After one question was found to be slow, others are still answered over the same connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_slow_question_is_no_reason_to_hang_up() {
    let server = FakeServer::start();
    server.on_search(|request| {
        let slow = values(&request.filter, "uid") == ["slow"];
        if slow { vec![] } else { [found().remove(0), done(0)].map(Act::Say).to_vec() }
    });
    let directory = within(&server, SHORT);
    let slow = directory.by_login("slow", None);
    let others = async {
        for _ in 0..50 {
            assert!(directory.by_login("anna", None).await.unwrap().is_some());
            tokio::time::sleep(SHORT / 40).await;
        }
    };
    let (slow, ()) = tokio::join!(slow, others);
    assert!(matches!(slow, Err(Failure::Unavailable(_))), "{slow:?}");
    assert_eq!(server.connections().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_questions_over_one_connection() {
    let server = FakeServer::start();
    server.on_search(|request| {
        let login = values(&request.filter, "uid").remove(0);
        [person(&login, &[("uid", &[login.as_str()])]), done(0)].map(Act::Say).to_vec()
    });
    let directory = directory(&server);
    let logins: Vec<_> = (0..2000).map(|n| format!("login{n}")).collect();
    let answers = join_all(logins.iter().map(|login| directory.by_login(login, None))).await;
    for (login, answer) in logins.iter().zip(answers) {
        assert_eq!(answer.unwrap().unwrap().logins().collect::<Vec<_>>(), [login.as_str()]);
    }
    assert_eq!(server.connections().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_questions_at_once_than_servers_take() {
    let server = FakeServer::start();
    server.on_search(|_| vec![]);
    let directory = within(&server, SHORT);
    let begun = Instant::now();
    for answer in join_all((0..IN_FLIGHT * 8).map(|_| directory.by_login("anna", None))).await {
        assert!(matches!(answer, Err(Failure::Unavailable(_))), "{answer:?}");
    }
    assert!(begun.elapsed() < SHORT * 2, "{:?}", begun.elapsed());
    // Where some have just been given up, others take their turns.
    let asked = server.searches().len();
    assert!((IN_FLIGHT..=2 * IN_FLIGHT).contains(&asked), "{asked}");
}

/// Questions that are given up by who asked them take nothing away from others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn questions_may_be_dropped() {
    let server = FakeServer::start();
    server.holds(&found());
    let directory = directory(&server);
    for _ in 0..200 {
        let _ = tokio::time::timeout(Duration::ZERO, directory.by_login("anna", None)).await;
    }
    assert!(directory.by_login("anna", None).await.unwrap().is_some());
    assert_eq!(server.connections().len(), 1);
}

/// The pauses between connections grow while they end at once, and those who ask do not wait for better times.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hangs_up_at_once_is_not_called_all_the_time() {
    let closers: [Manner; 3] = [
        ("after the bind", |server| server.on_bind(|_| vec![Act::Say(bind_response(0, "")), Act::Close])),
        ("instead of the bind", |server| server.on_bind(|_| vec![Act::Close])),
        ("at once", |server| server.greet(vec![Act::Close])),
    ];
    join_all(closers.into_iter().map(async |(what, close)| {
        let server = FakeServer::start();
        close(&server);
        let directory = directory(&server);
        let times =
            in_the_end(what, async || Some(server.connections()).filter(|times| times.len() >= 5)).await;
        for (n, (one, next)) in times.iter().zip(&times[1..]).enumerate() {
            let pause = (Duration::from_millis(100) * (1 << n)).min(Duration::from_millis(500));
            assert!(*next - *one >= pause * 9 / 10, "{what}: {n}: {:?}", *next - *one);
        }
        let begun = Instant::now();
        unavailable(&directory).await;
        assert!(begun.elapsed() < Duration::from_secs(1), "{what}: {:?}", begun.elapsed());
    }))
    .await;
}

// -------------------------------------------------------------------------------------------------------- garbage

/// What other programs, and broken ones, say.
fn garbage() -> Vec<(&'static str, Vec<u8>)> {
    let op = |tag: u8, content: &[u8]| message(2, &tlv(tag, content));
    let result_of = |code: &[u8], name: &[u8], text: &[u8]| {
        tlv(0x65, &[tlv(0x0a, code), octets(name), octets(text)].concat())
    };
    vec![
        ("HTTP", b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n".to_vec()),
        ("SMTP", b"220 mail.example.org ESMTP Postfix\r\n".to_vec()),
        ("SSH", b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n".to_vec()),
        ("a TLS alert", vec![0x15, 3, 3, 0, 2, 2, 80]),
        ("zeroes", vec![0; 1000]),
        ("ones", vec![0xff; 1000]),
        ("a string", octets("anna")),
        ("an empty message", tlv(0x30, b"")),
        ("a message that is a string", tlv(0x10, b"anna")),
        ("a message with a number alone", tlv(0x30, &tlv(0x02, &[2]))),
        ("a number that is a string", tlv(0x30, &[octets("2"), done(0)].concat())),
        ("a number that is a list", tlv(0x30, &[tlv(0x22, b""), done(0)].concat())),
        ("three parts", tlv(0x30, &[tlv(0x02, &[2]), done(0), done(0)].concat())),
        ("controls alone", tlv(0x30, &tlv(0xa0, b""))),
        ("controls and a number", tlv(0x30, &[tlv(0x02, &[2]), tlv(0xa0, b"")].concat())),
        ("controls that are a string", tlv(0x30, &[tlv(0x02, &[2]), done(0), tlv(0x80, b"a")].concat())),
        ("controls of strings", tlv(0x30, &[tlv(0x02, &[2]), done(0), tlv(0xa0, &octets("a"))].concat())),
        ("empty controls", tlv(0x30, &[tlv(0x02, &[2]), done(0), tlv(0xa0, &tlv(0x30, b""))].concat())),
        ("an operation that is none of a search", op(0x61, b"")),
        ("an operation that nobody knows", op(0x7e, b"")),
        ("no result", op(0x65, b"")),
        ("a result that is a string", message(2, &tlv(0x45, b"anna"))),
        ("a result without a code", op(0x65, &[octets(""), octets(""), octets("")].concat())),
        ("a result without a name", op(0x65, &tlv(0x0a, &[0]))),
        ("a result without a text", op(0x65, &[tlv(0x0a, &[0]), octets("")].concat())),
        ("a name that is not UTF-8", message(2, &result_of(&[0], b"\xff", b""))),
        ("a text that is not UTF-8", message(2, &result_of(&[1], b"", b"\xff"))),
        ("references that are a string", op(0x53, b"ldap:")),
        ("references of lists", op(0x73, &tlv(0x30, b""))),
        ("references that are not UTF-8", op(0x73, &octets(b"\xff"))),
        (
            "referrals that are a string",
            op(0x65, &[tlv(0x0a, &[0]), octets(""), octets(""), tlv(0x83, b"")].concat()),
        ),
        ("lengths that do not fit into each other", vec![0x30, 4, 0x30, 0x7f, 0, 0]),
        ("a length of nine octets", vec![0x30, 0x89, 1, 0, 0, 0, 0, 0, 0, 0, 0]),
        ("a length without an end", vec![0x30, 0x80, 0, 0]),
        ("a tag in the long form", vec![0x3f, 0x81, 0x01, 0x00]),
        ("a message longer than any", vec![0x30, 0x84, 0x7f, 0, 0, 0, 1]),
        ("more lists in lists than fit on a stack", nested(50_000)),
        ("more elements than fit into memory", tlv(0x30, &[0x05, 0x00].repeat(300_000))),
        ("lists in lists", (0..200).fold(Vec::new(), |inner, _| tlv(0x30, &inner))),
    ]
}

/// Lists in lists; each names its length in four octets.
fn nested(depth: u32) -> Vec<u8> {
    let head = |inner: u32| [&[0x30, 0x84][..], &(inner * 6).to_be_bytes()].concat();
    (0..depth).rev().flat_map(head).collect()
}

/// When garbage comes.
#[derive(Clone, Copy, Debug)]
enum When {
    Greeting,
    Bind,
    Search,
}

fn speaks(server: &FakeServer, when: When, octets: Vec<u8>) {
    let acts = vec![Act::Raw(octets), Act::Hang];
    match when {
        When::Greeting => server.greet(acts),
        When::Bind => server.on_bind(move |_| acts.clone()),
        When::Search => server.on_search(move |_| acts.clone()),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_is_a_failure_and_over_when_it_ends() {
    let cases = garbage();
    let each =
        cases.iter().flat_map(|case| [When::Greeting, When::Bind, When::Search].map(|when| (case, when)));
    join_all(each.map(async |((what, octets), when)| {
        let what = format!("{what}: {when:?}");
        let server = FakeServer::start();
        speaks(&server, when, octets.clone());
        let directory = within(&server, SHORT * 4);
        let begun = Instant::now();
        let answer = directory.by_login("anna", None).await;
        assert!(answer.is_err(), "{what}: {answer:?}");
        assert!(begun.elapsed() < SHORT * 6, "{what}: {:?}", begun.elapsed());
        server.greet(vec![]);
        server.on_bind(|_| vec![Act::Say(bind_response(0, ""))]);
        server.holds(&found());
        well_again(&what, &directory).await;
    }))
    .await;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Whatever comes, every question ends in time, no answer is made up, and the task that keeps the connection lives.
    #[test]
    fn no_octets_hang_or_end_it(
        octets in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..200),
            broken_message(),
        ],
        at_search in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let server = FakeServer::start();
            speaks(&server, if at_search { When::Search } else { When::Bind }, octets);
            let directory = within(&server, Duration::from_millis(100));
            let begun = Instant::now();
            let answer = directory.by_login("anna", None).await;
            assert!(!matches!(answer, Ok(Some(_))), "{answer:?}");
            assert!(begun.elapsed() < PATIENCE);
            server.on_bind(|_| vec![Act::Say(bind_response(0, ""))]);
            server.holds(&found());
            in_the_end("well", async || directory.by_login("anna", None).await.ok()).await;
        });
    }
}

/// A good answer with some octets changed; never one with the entry whole.
fn broken_message() -> impl Strategy<Value = Vec<u8>> {
    let good =
        [message(2, &reference("ldap://a")), message(2, &result(0x65, 1, "no", &["ldap://a"]))].concat();
    let changes = proptest::collection::vec((0..good.len(), any::<u8>()), 1..6);
    changes.prop_map(move |changes| {
        let mut octets = good.clone();
        for (at, octet) in changes {
            octets[at] = octet;
        }
        octets
    })
}

/// What a connection keeps of the searches that were made over it does not grow with them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_kept_of_a_search_that_is_over() {
    let server = FakeServer::start();
    server.holds(&found());
    let directory = directory(&server);
    for _ in 0..1000 {
        directory.by_login("anna", None).await.unwrap();
    }
    let connection = directory.link.connection(None).await.unwrap();
    // The numbers of what is under way are among what it shows of itself.
    in_the_end("all are over", async || (format!("{:?}", connection.ldap).len() < 1000).then_some(())).await;
}
