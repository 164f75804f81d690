//! `[cache]`: what is remembered of an LDAP server's answers.

use std::time::Duration;

use super::directory::Source;
use super::fault::Fault;
use super::table::Table;
use super::value::{NEGATIVE_TTL, STALE, TTL};

/// `[cache]`. A file is held in memory as it is: with it, nothing is cached.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CacheConfig {
    /// `cache.ttl`: how long an answer serves.
    pub ttl: Duration,
    /// `cache.negative_ttl`: how long "there is none" serves; zero for not at all.
    pub negative_ttl: Duration,
    /// `cache.stale`: how old an answer may serve while the directory is away; zero for not at all.
    pub stale: Duration,
    /// `cache.capacity`: how many answers are kept; at least one.
    pub capacity: u64,
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self {
            ttl: Duration::from_secs(5 * 60),
            negative_ttl: Duration::from_secs(30),
            stale: Duration::from_secs(60 * 60),
            capacity: 100_000,
        }
    }
}

/// `source` is none if it was wrong: what depends on it is then not checked.
pub(super) fn read(table: &Table<'_>, source: Option<&Source>) -> CacheConfig {
    let default = CacheConfig::default();
    let watch = table.flag("watch") == Some(true);
    if watch && matches!(source, Some(Source::Server(_))) {
        let what = "asking the server to tell of changes is".to_owned();
        table.complain("watch", Fault::NotYet { what, instead: "allowed is false" });
    }
    let capacity = table.number("capacity", 1..=100_000_000).and_then(|capacity| capacity.try_into().ok());
    CacheConfig {
        ttl: table.text("ttl", &TTL).unwrap_or(default.ttl),
        negative_ttl: table.text("negative_ttl", &NEGATIVE_TTL).unwrap_or(default.negative_ttl),
        stale: table.text("stale", &STALE).unwrap_or(default.stale),
        capacity: capacity.unwrap_or(default.capacity),
    }
}
