//! What this machine's other LDAP programs use: ldap.conf(5).

const FILES: [&str; 3] = ["/etc/ldap/ldap.conf", "/etc/openldap/ldap.conf", "/etc/ldap.conf"];

/// Where a directory most likely is.
pub(super) fn url() -> String {
    let uris = value("URI").unwrap_or_default();
    let usable = |uri: &&str| ["ldap://", "ldaps://", "ldapi://"].iter().any(|start| uri.starts_with(start));
    uris.split_ascii_whitespace()
        .find(usable)
        .unwrap_or("ldap://127.0.0.1:389")
        .trim_end_matches('/')
        .to_owned()
}

/// Where its entries are.
pub(super) fn base() -> Option<String> {
    value("BASE")
}

fn value(name: &str) -> Option<String> {
    let named = std::env::var("LDAPCONF").ok();
    let files = named.iter().map(String::as_str).chain(FILES);
    let text = files.filter_map(|file| std::fs::read_to_string(file).ok()).next()?;
    of(&text, name)
}

/// ldap.conf(5): a name in either case, and the value, in a line; the last one counts.
fn of(text: &str, name: &str) -> Option<String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let pairs = lines.filter_map(|line| line.split_once(|c: char| c.is_ascii_whitespace()));
    let mut own = pairs.filter(|(own, _)| own.eq_ignore_ascii_case(name));
    own.next_back().map(|(_, value)| value.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_ldap_conf() {
        let text =
            "# URI ldap://no\nBASE\tdc=example,dc=com\nuri  ldap://a ldap://b \nbase dc=example,dc=org\n";
        assert_eq!(of(text, "URI").as_deref(), Some("ldap://a ldap://b"));
        assert_eq!(of(text, "BASE").as_deref(), Some("dc=example,dc=org"));
        assert_eq!(of(text, "TLS_CACERT"), None);
    }
}
