//! Configurations from anybody: see checks/config.rs.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../checks/config.rs"]
mod config;

fuzz_target!(|octets: &[u8]| config::check(octets));
