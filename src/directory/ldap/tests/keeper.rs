//! What the task that keeps the connection does with it: several servers, of which some are no good, and what is told.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use futures_util::future::join_all;

use super::connection::in_the_end;
use super::server::message;
use super::*;
use crate::health::{Changes, Directory as State};

fn both(servers: [&FakeServer; 2], timeout: Duration) -> LdapDirectory {
    let servers = servers.map(|server| reached(server, Bind::Anonymous, timeout));
    LdapDirectory::open(&servers, schema(), dn("dc=org"), Arc::default(), false, &Health::default()).unwrap()
}

fn well(server: &FakeServer) {
    server.holds(&[person("anna", &[("uid", &["anna"])])]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_lets_in_and_answers_nobody() {
    // Not to a search, but to an addition (RFC 4511 section 4.7).
    let garbage = result(0x69, 0, "", &[]);
    let manners = [("it hangs up on every question", Act::Close), ("it answers another", Act::Say(garbage))];
    join_all(manners.map(async |(what, act)| {
        let (first, second) = (FakeServer::start(), FakeServer::start());
        first.on_search(move |_| vec![act.clone()]);
        well(&second);
        let directory = both([&first, &second], PATIENCE);
        // It is tried again, and nobody is the worse for it.
        in_the_end(what, async || {
            let anna = directory.by_login("anna", None).await;
            assert!(matches!(anna, Ok(Some(_))), "{what}: {anna:?}");
            (first.connections().len() > 2).then_some(())
        })
        .await;
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_comes_back_does_not_wait_for_one_that_is_silent() {
    let (mut first, second) = (FakeServer::start(), FakeServer::start());
    first.away().await;
    second.greet(vec![Act::Hang]);
    well(&first);
    let directory = both([&first, &second], Duration::from_secs(9));
    assert!(directory.trouble().await.is_some());
    // Both are tried again, and the second keeps an attempt for as long as one may take.
    let attempts = second.connections().len();
    in_the_end("the second is tried again", async || (second.connections().len() > attempts).then_some(()))
        .await;
    first.back();
    let begun = Instant::now();
    in_the_end("the first answers", async || directory.by_login("anna", None).await.ok()).await;
    assert!(begun.elapsed() < Duration::from_secs(2), "after {:?}", begun.elapsed());
}

/// Notifications of Active Directory come between its names, of which there is more than one page.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_names_are_read_whatever_is_told_meanwhile() {
    /// What the searches for changes and for names are called: before them there are a bind, and looks at the server's
    /// own entry.
    const CHANGES: i32 = 3;
    const NAMES: i32 = 5;
    let server = FakeServer::start();
    let pages = AtomicUsize::new(0);
    server.on_search(move |search| {
        if search.scope != LdapSearchScope::Subtree {
            return vec![Act::Say(done(0))];
        }
        if search.attrs != ["objectGUID"] || pages.fetch_add(1, SeqCst) > 0 {
            return vec![];
        }
        // The end of the first page (RFC 2696), then entries that may not be read, while the next page is asked for.
        let cookie = tlv(0x30, &[tlv(0x02, &[0]), octets("more")].concat());
        let control = tlv(0x30, &[octets("1.2.840.113556.1.4.319"), octets(cookie)].concat());
        let page = message(NAMES, &[done(0), tlv(0xa0, &control)].concat());
        let hidden = || message(CHANGES, &entry::<&str>("cn=hidden,dc=org", &[]));
        [page].into_iter().chain((0..5).map(|_| hidden())).map(Act::Raw).collect()
    });
    let schema = Schema::preset("active-directory").unwrap();
    let at = reached(&server, Bind::Anonymous, PATIENCE);
    let _directory =
        LdapDirectory::open(&[at], schema, dn("dc=org"), Arc::default(), true, &Health::default()).unwrap();
    // Each is told once, and they need not come between the same two looks.
    let mut pages = 0;
    in_the_end("the second page is asked for", async || {
        let asked = server.searches().into_iter().filter(|search| search.attrs == ["objectGUID"]);
        pages += asked.filter(|search| search.scope == LdapSearchScope::Subtree).count();
        (pages >= 2).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_watches_the_program_is_told() {
    let mut server = FakeServer::start();
    server.away().await;
    // To a search for changes: it does not have them (RFC 4511 appendix A.2).
    server.on_search(|_| vec![Act::Say(done(12))]);
    let at = reached(&server, Bind::Anonymous, PATIENCE);
    let health = Health::default();
    let directory =
        LdapDirectory::open(&[at], schema(), dn("dc=org"), Arc::default(), true, &health).unwrap();
    assert!(matches!(health.now().changes, Changes::Waiting { .. }));
    let mut told = health.follow();
    let away = told.wait_for(|state| matches!(state.directory, State::Down { .. })).await.unwrap().clone();
    let State::Down { since, servers, why } = away.directory else { panic!("{away:?}") };
    assert!(servers.starts_with("ldapi://") && why.contains(&*servers), "{servers}: {why}");
    server.back();
    told.wait_for(|state| matches!(state.directory, State::Up { .. })).await.unwrap();
    let refused = told.wait_for(|state| matches!(state.changes, Changes::Refused { .. })).await.unwrap();
    assert!(format!("{:?}", refused.changes).contains("12"), "{:?}", refused.changes);
    drop(refused);
    server.away().await;
    let away = told.wait_for(|state| matches!(state.directory, State::Down { .. })).await.unwrap().clone();
    assert!(!matches!(away.directory, State::Down { since: again, .. } if again == since));
    drop(directory);
}
