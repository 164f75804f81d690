//! From fields from anybody: see checks/from.rs.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../checks/from.rs"]
mod from;

fuzz_target!(|octets: &[u8]| from::check(octets));
