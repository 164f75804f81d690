//! The calendars of bodies from anybody: see checks/splice.rs.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../checks/message.rs"]
mod message;
#[path = "../checks/splice.rs"]
mod splice;

fuzz_target!(|octets: &[u8]| splice::check(octets));
