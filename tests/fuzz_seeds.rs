//! The seeds of the fuzz targets, and what the fuzzer once found: each is checked as the fuzzer checks it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::wildcard_enum_match_arm,
    reason = "a panic is a failed test, and what the fuzzer looks for"
)]

#[path = "../fuzz/checks/address.rs"]
mod address;
#[path = "../fuzz/checks/config.rs"]
mod config;
#[path = "../fuzz/checks/conversation.rs"]
mod conversation;
#[path = "../fuzz/checks/descriptor.rs"]
mod descriptor;
#[path = "../fuzz/checks/dn.rs"]
mod dn;
#[path = "../fuzz/checks/filter.rs"]
mod filter;
#[path = "../fuzz/checks/from.rs"]
mod from;
#[path = "../fuzz/checks/grant.rs"]
mod grant;
#[path = "../fuzz/checks/ldif.rs"]
mod ldif;
#[path = "../fuzz/checks/log.rs"]
mod log;
#[path = "../fuzz/checks/message.rs"]
mod message;
#[path = "../fuzz/checks/mime.rs"]
mod mime;
#[path = "../fuzz/checks/splice.rs"]
mod splice;

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let directory = format!("{}/fuzz/seeds/{target}", env!("CARGO_MANIFEST_DIR"));
    let seeds: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| std::fs::read(entry.unwrap().path()).unwrap())
        .collect();
    assert!(seeds.len() > 5, "seeds of {target} are missing");
    seeds
}

fn replay(target: &str, check: fn(&[u8])) {
    seeds(target).iter().for_each(|seed| check(seed));
}

/// Those of one target are bodies for the other too.
#[test]
fn bodies() {
    for seed in seeds("mime").into_iter().chain(seeds("splice")) {
        mime::check(&seed);
        splice::check(&seed);
    }
}

#[test]
fn addresses() {
    replay("address", address::check);
}

#[test]
fn configurations() {
    replay("config", config::check);
}

#[test]
fn conversations() {
    replay("conversation", conversation::check);
}

#[test]
fn descriptors() {
    replay("descriptor", descriptor::check);
}

#[test]
fn names_of_entries() {
    replay("dn", dn::check);
}

#[test]
fn filters() {
    replay("filter", filter::check);
}

#[test]
fn from_fields() {
    replay("from", from::check);
}

#[test]
fn grants() {
    replay("grant", grant::check);
}

#[test]
fn files() {
    replay("ldif", ldif::check);
}

#[test]
fn logs() {
    replay("log", log::check);
}
