//! `[cache]`: what is remembered of an LDAP server's answers.

use std::time::Duration;

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
    /// `cache.watch`: whether the server is asked to tell of changes.
    pub watch: bool,
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self {
            ttl: Duration::from_secs(5 * 60),
            negative_ttl: Duration::from_secs(30),
            stale: Duration::from_secs(60 * 60),
            capacity: 100_000,
            watch: true,
        }
    }
}

pub(super) fn read(table: &Table<'_>) -> CacheConfig {
    let default = CacheConfig::default();
    let capacity = table.number("capacity", 1..=100_000_000).and_then(|capacity| capacity.try_into().ok());
    CacheConfig {
        ttl: table.text("ttl", &TTL).unwrap_or(default.ttl),
        negative_ttl: table.text("negative_ttl", &NEGATIVE_TTL).unwrap_or(default.negative_ttl),
        stale: table.text("stale", &STALE).unwrap_or(default.stale),
        capacity: capacity.unwrap_or(default.capacity),
        watch: table.flag("watch").unwrap_or(default.watch),
    }
}
