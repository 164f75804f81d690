//! Security descriptors from anybody: see checks/descriptor.rs.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../checks/descriptor.rs"]
mod descriptor;

fuzz_target!(|octets: &[u8]| descriptor::check(octets));
