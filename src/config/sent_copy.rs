//! `[sent_copy]`: copies for the principal.

use super::table::Table;
use super::value::COPY_ADDRESS;
use crate::policy::CopyRules;

/// None without an address: there are no copies then.
pub(super) fn read(table: &Table<'_>) -> Option<CopyRules> {
    let on_behalf = table.flag("on_behalf").unwrap_or(true);
    let send_as = table.flag("send_as").unwrap_or(true);
    let form = table.text("address", &COPY_ADDRESS)?;
    (on_behalf || send_as).then_some(CopyRules { on_behalf, send_as, form })
}
