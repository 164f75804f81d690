//! Mail addresses from anybody: see checks/address.rs.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../checks/address.rs"]
mod address;

fuzz_target!(|octets: &[u8]| address::check(octets));
