//! The seeds of the fuzz targets for bodies, and what the fuzzer once found: each is checked as the fuzzer checks it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a panic is a failed test, and what the fuzzer looks for"
)]

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

/// Those of one target are bodies for the other too.
#[test]
fn replayed() {
    for seed in seeds("mime").into_iter().chain(seeds("splice")) {
        mime::check(&seed);
        splice::check(&seed);
    }
}
