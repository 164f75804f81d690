//! `[metrics]`: where Prometheus and whoever looks after the program find it.

use super::Listen;
use super::fault::Fault;
use super::table::Table;
use super::value::HOST_PORT;

/// Where it listens, always over TCP; none: nowhere.
pub(super) fn read(table: &Table<'_>, listen: &Listen) -> Option<Listen> {
    let (host, port) = table.text("listen", &HOST_PORT)?;
    let own = Listen::Inet { host, port };
    if own == *listen {
        let what = "listen is where Postfix finds this program".to_owned();
        table.complain("listen", Fault::Contradiction { what, remedy: "choose another port" });
    }
    Some(own)
}
