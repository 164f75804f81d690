//! The administrator's edge: commands that answer questions about the rules in force.

pub mod change;
pub mod check;
pub mod explain;
pub mod list;
mod roll;
mod standing;
