//! Lines of logs from anywhere: see checks/log.rs.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../checks/log.rs"]
mod log;

fuzz_target!(|octets: &[u8]| log::check(octets));
