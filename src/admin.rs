//! The administrator's edge: commands that answer questions about the rules in force.

pub mod check;
pub mod explain;
