//! Search filters, and values in them, from anybody: see checks/filter.rs.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../checks/filter.rs"]
mod filter;

fuzz_target!(|octets: &[u8]| filter::check(octets));
