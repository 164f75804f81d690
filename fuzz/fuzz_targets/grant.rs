//! The values of grants from anybody: see checks/grant.rs.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../checks/grant.rs"]
mod grant;

fuzz_target!(|octets: &[u8]| grant::check(octets));
