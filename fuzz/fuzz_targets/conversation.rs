//! Conversations with anybody: see checks/conversation.rs.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../checks/conversation.rs"]
mod conversation;

fuzz_target!(|octets: &[u8]| conversation::check(octets));
