//! `[scheduling]`: calendars in mail.

use super::fault::Fault;
use super::table::Table;
use super::value::BODY_SIZE;
use crate::policy::SchedulingRules;

/// `scheduling.max_body`, in octets: invitations with some files.
const MAX_BODY: u64 = 10 << 20;

const NOT_READ: &str = "calendars are not read with scheduling.enabled = false, and so not checked";

/// What decides.
pub(super) fn read(table: &Table<'_>) -> SchedulingRules {
    let enabled = table.flag("enabled").unwrap_or(true);
    let check_own = table.flag("check_own").unwrap_or(false);
    if check_own && !enabled {
        table.complain(
            "check_own",
            Fault::Contradiction { what: NOT_READ.to_owned(), remedy: "set enabled, or remove it" },
        );
    }
    SchedulingRules { enabled, check_own }
}

/// `scheduling.max_body`, in octets.
pub(super) fn max_body(table: &Table<'_>) -> usize {
    let size = table.text("max_body", &BODY_SIZE).unwrap_or(MAX_BODY);
    usize::try_from(size).unwrap_or(usize::MAX)
}
