//! delegation-milter: send on behalf and send as, for Postfix.
#![cfg_attr(test, allow(clippy::too_many_lines, reason = "tables of cases are long"))]

pub mod actions;
pub mod address;
pub mod config;
pub mod directory;
pub mod display;
pub mod dn;
pub mod grant;
pub mod mailbox;
pub mod message;
pub mod policy;
pub mod reply;
