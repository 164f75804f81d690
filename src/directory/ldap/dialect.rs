//! What a kind of server is told with every search.

use ldap3::controls::RawControl;

use crate::directory::schema::Dialect;

/// `LDAP_SERVER_SD_FLAGS_OID` (MS-ADTS section 3.1.1.3.4.1.11): which parts of a security descriptor are wanted. Who asks
/// for all of them, and may not see what is audited, is shown none. The value is BER: `SEQUENCE { INTEGER }` of
/// `DACL_SECURITY_INFORMATION`.
const SD_FLAGS: &str = "1.2.840.113556.1.4.801";
const ACCESS_LIST: [u8; 5] = [0x30, 0x03, 0x02, 0x01, 0x04];

/// `LDAP_SERVER_DOMAIN_SCOPE_OID` (MS-ADTS section 3.1.1.3.4.1.2): no references to other domains and partitions.
const DOMAIN_SCOPE: &str = "1.2.840.113556.1.4.1339";

/// The controls of a search. None is critical: who does not know them shows no descriptor, which grants nothing, or
/// refers, which is ignored.
pub(super) fn controls(dialect: Dialect) -> Vec<RawControl> {
    let mut controls = access_list(dialect);
    controls.extend(match dialect {
        Dialect::Standard => None,
        Dialect::ActiveDirectory => Some(control(DOMAIN_SCOPE, None)),
    });
    controls
}

/// That a security descriptor is its access list, the owner and the rest being as they are. A server that does not know
/// the control has given the whole, and gets the whole.
pub(super) fn access_list(dialect: Dialect) -> Vec<RawControl> {
    match dialect {
        Dialect::Standard => Vec::new(),
        Dialect::ActiveDirectory => vec![control(SD_FLAGS, Some(ACCESS_LIST.to_vec()))],
    }
}

fn control(name: &str, val: Option<Vec<u8>>) -> RawControl {
    RawControl { ctype: name.to_owned(), crit: false, val }
}
