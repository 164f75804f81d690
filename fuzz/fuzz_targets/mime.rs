//! The parts of bodies from anybody: see checks/mime.rs.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../checks/message.rs"]
mod message;
#[path = "../checks/mime.rs"]
mod mime;

fuzz_target!(|octets: &[u8]| mime::check(octets));
