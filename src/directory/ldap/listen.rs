//! Follows the changes over a connection of its own, to the same address as the searches: at the start all entries come
//! over it, and nobody who asks has to wait behind them.

use std::convert::Infallible;
use std::future::pending;
use std::net::SocketAddr;
use std::time::Duration;

use ldap3::exop::WhoAmI;
use tokio::time::{Instant, sleep, timeout};

use super::connect::{Connected, Connector, unless_it_panics};
use super::follow::Follower;
use super::link::{Connection, Fault};
use super::pauses::{LASTING, Pauses};

/// How long nothing may be heard before the server is asked for a sign of life.
const QUIET: Duration = Duration::from_secs(2);

/// Follows the changes, if anybody wants to, as long as this goes on.
pub(super) async fn listen(
    follower: Option<&mut Follower>,
    server: &Connector,
    peer: Option<SocketAddr>,
    patience: Duration,
) -> Infallible {
    let Some(follower) = follower else { return pending().await };
    let mut pauses = Pauses::new();
    loop {
        match server.connect(peer, patience).await {
            Ok(connected) => {
                let begun = Instant::now();
                over(connected, follower, patience).await;
                follower.untold();
                if begun.elapsed() >= LASTING {
                    pauses = Pauses::new();
                }
            }
            Err(error) => follower.refused(&server.server().to_string(), error.to_string()),
        }
        pauses.pass().await;
    }
}

async fn over(connected: Connected, follower: &mut Follower, patience: Duration) {
    let Connected { ldap, mut driver, server, peer: _ } = connected;
    let connection = Connection::new(ldap, server);
    tokio::select! {
        // In this order no more is read than is understood: what is read waits in memory, however much it is.
        biased;
        () = follower.follow(&connection) => {}
        _ = driver.ended() => {}
        _ = connection.given_up() => {}
        never = probe(&connection, patience) => match never {},
    }
}

/// Gives the connection up when the server gives no sign of life.
pub(super) async fn probe(connection: &Connection, patience: Duration) -> Infallible {
    let quiet = QUIET.min(patience / 2);
    let mut ldap = connection.ldap.clone();
    loop {
        sleep(quiet).await;
        if connection.heard().elapsed() < quiet {
            continue;
        }
        let asked = Instant::now();
        // RFC 4532; a server that does not know it answers that.
        let sign = unless_it_panics(ldap.extended(WhoAmI));
        match timeout(patience, sign).await {
            Ok(Ok(Ok(_))) => connection.hear(),
            Ok(Ok(Err(_)) | Err(_)) => connection.give_up(Fault::Broken),
            Err(_) if connection.heard() < asked => connection.give_up(Fault::Silent),
            Err(_) => {}
        }
    }
}
