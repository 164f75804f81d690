//! Directories in files from anybody: see checks/ldif.rs.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../checks/ldif.rs"]
mod ldif;

fuzz_target!(|octets: &[u8]| ldif::check(octets));
