//! What the task that keeps the connection does with it: several servers, of which some are no good, and what is told.

use futures_util::future::join_all;

use super::connection::in_the_end;
use super::*;

fn both(servers: [&FakeServer; 2], timeout: Duration) -> LdapDirectory {
    let servers = servers.map(|server| reached(server, Bind::Anonymous, timeout));
    LdapDirectory::open(&servers, schema(), dn("dc=org"), Arc::default(), false).unwrap()
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
