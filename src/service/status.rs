//! How the program is, in one line for `systemctl status`.

use crate::health::{Changes, Directory, Phase, State};
use crate::reply::printable_within;

/// The most of a reason that is said; the log says it whole.
const MOST: usize = 300;

/// The line: what the program is about, and what an administrator should know, worst first.
pub(super) fn status(state: &State) -> String {
    let parts = [
        Some(phase(state.phase).to_owned()),
        stuck(state),
        reload(state),
        directory(&state.directory),
        changes(state),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Starting => "starting",
        Phase::Serving => "serving",
        Phase::Ending => "ending: no new connections, messages under way are finished",
    }
}

fn stuck(state: &State) -> Option<String> {
    state.stuck.map(|since| format!("a thread that serves connections does nothing since {since}"))
}

fn reload(state: &State) -> Option<String> {
    let reload = state.reload.as_ref()?;
    let mut mistakes = reload.failure.as_ref()?.lines();
    let first = said(mistakes.next().unwrap_or_default());
    let more = match mistakes.count() {
        0 => String::new(),
        more => format!(" (and {more} more; see the log)"),
    };
    Some(format!("NOT reloaded at {}, the old configuration stays in force: {first}{more}", reload.at))
}

fn directory(directory: &Directory) -> Option<String> {
    match directory {
        Directory::File => None,
        Directory::Connecting { since } => Some(format!("connecting to the directory since {since}")),
        Directory::Up { server, .. } => Some(format!("the directory {} answers", said(server))),
        Directory::Down { since, why, .. } => {
            Some(format!("the directory does not answer since {since}: {}", said(why)))
        }
    }
}

/// A directory that does not answer tells nothing either.
fn changes(state: &State) -> Option<String> {
    match (&state.directory, &state.changes) {
        (Directory::File | Directory::Connecting { .. } | Directory::Down { .. }, _) => None,
        (_, Changes::NotAsked) => None,
        (_, Changes::Waiting { .. }) => Some("its changes are not told yet".to_owned()),
        (_, Changes::Told { .. }) => Some("its changes count at once".to_owned()),
        (_, Changes::Refused { why, .. }) => {
            Some(format!("its changes count after cache.ttl, for it does not tell of them: {}", said(why)))
        }
    }
}

/// What somebody else said: no line end in it may become another assignment (sd_notify(3)).
fn said(text: &str) -> String {
    printable_within(text, MOST)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::health::{Reload, Time};

    #[test]
    fn what_is_said() {
        let since = Time(UNIX_EPOCH + Duration::from_secs(1_795_349_584));
        let serving = State { phase: Phase::Serving, ..State::default() };
        let up = Directory::Up { since, server: "ldap://a".into() };
        let down = Directory::Down {
            since,
            servers: "ldap://a".into(),
            why: "ldap://a cannot be reached: \nREADY=1".into(),
        };
        let refused = Changes::Refused { since, why: "size limit".into() };
        let told = Changes::Told { since };
        let failed = |failure: &str| Some(Reload { at: since, failure: Some(failure.into()) });
        let table = [
            (State::default(), "starting"),
            (serving.clone(), "serving"),
            (State { reload: Some(Reload { at: since, failure: None }), ..serving.clone() }, "serving"),
            (
                State {
                    directory: Directory::Connecting { since },
                    changes: told.clone(),
                    ..serving.clone()
                },
                "serving; connecting to the directory since 2026-11-22T12:13:04Z",
            ),
            (State { directory: up.clone(), ..serving.clone() }, "serving; the directory ldap://a answers"),
            (
                State { directory: up.clone(), changes: Changes::Waiting { since }, ..serving.clone() },
                "serving; the directory ldap://a answers; its changes are not told yet",
            ),
            (
                State { directory: up.clone(), changes: told.clone(), ..serving.clone() },
                "serving; the directory ldap://a answers; its changes count at once",
            ),
            (
                State { directory: up, changes: refused, ..serving.clone() },
                "serving; the directory ldap://a answers; its changes count after cache.ttl, for it does not tell of \
                 them: size limit",
            ),
            (
                State { directory: down, changes: told, ..serving.clone() },
                "serving; the directory does not answer since 2026-11-22T12:13:04Z: ldap://a cannot be reached: \
                 \\nREADY=1",
            ),
            (
                State { reload: failed("a.toml: line 1\na.toml: line 2"), ..serving.clone() },
                "serving; NOT reloaded at 2026-11-22T12:13:04Z, the old configuration stays in force: a.toml: line 1 \
                 (and 1 more; see the log)",
            ),
            (
                State { stuck: Some(since), phase: Phase::Ending, ..serving },
                "ending: no new connections, messages under way are finished; a thread that serves connections does \
                 nothing since 2026-11-22T12:13:04Z",
            ),
        ];
        for (state, line) in table {
            assert_eq!(status(&state), line);
        }
    }
}
