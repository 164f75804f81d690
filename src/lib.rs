//! delegation-milter: send on behalf and send as, for Postfix.
//!
//! For each message that somebody logged in to send, it looks up who may write for whom, and lets the message pass, sets
//! `Sender`, or refuses it. A map of the crate:
//!
//! - The core is plain values; it knows neither the milter protocol nor LDAP. [`address`] compares addresses, [`dn`]
//!   names of entries, [`mailbox`] reads From, [`display`] looks at display text, [`message`] is what a message claims,
//!   [`grant`] what the directory grants, [`policy`] decides, [`actions`] plans what changes, [`reply`] says it. [`mime`]
//!   finds the parts of a body, [`calendar`] reads and changes iTIP, [`scheduling`] ties the two together.
//! - [`directory`] is what we ask of the world: a trait, the file and the server that answer it, and the cache before it.
//! - [`config`] is a configuration that cannot be wrong; [`site`] is one in force; [`open`] wires the two to a directory.
//! - The milter's edge: [`listener`] accepts connections, [`callbacks`] translates the protocol, [`session`] remembers a
//!   message and has it judged, [`bodies`] and [`transactions`] count what is under way, [`serve()`] runs it all.
//! - [`health`] is how the program is, [`metrics`] is what it counts; [`monitor`] shows both over HTTP, `service` tells
//!   systemd.
//! - [`bounce`] makes the report on a refused message and hands it to a relay.
//! - [`admin`] is the administrator's edge.
#![cfg_attr(test, allow(clippy::too_many_lines, reason = "tables of cases are long"))]

pub mod actions;
pub mod address;
pub mod admin;
pub mod bodies;
pub mod bounce;
pub mod calendar;
pub mod callbacks;
pub mod config;
pub mod directory;
pub mod display;
pub mod dn;
mod gather;
pub mod grant;
pub mod health;
mod judge;
pub mod listener;
pub mod logging;
pub mod mailbox;
pub mod message;
pub mod metrics;
pub mod mime;
mod monitor;
pub mod open;
pub mod policy;
pub mod reply;
pub mod scheduling;
mod serve;
mod service;
pub mod session;
pub mod site;
pub mod transactions;
mod workers;

pub use serve::{ServeError, serve};
