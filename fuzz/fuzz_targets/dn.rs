//! Names of entries from anybody: see checks/dn.rs.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../checks/dn.rs"]
mod dn;

fuzz_target!(|octets: &[u8]| dn::check(octets));
