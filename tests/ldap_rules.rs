//! What `contrib/ldap` says, proven on a real slapd.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test that panics has failed; clippy.toml excepts the test functions, not what they call"
)]

mod support;

use support::slapd::{MILTER, Slapd, Who};

#[test]
fn stopped_and_started_again_it_is_the_same() {
    let slapd = Slapd::start(&[]);
    let before = slapd.uri("ldap");
    let mark = slapd.mark();
    for who in [MILTER, Who::External] {
        assert_eq!(slapd.ldapwhoami(who).succeeded(), "dn:cn=delegation-milter,dc=example,dc=org\n");
    }
    slapd.ldapsearch(MILTER, &["-b", "dc=example,dc=org", "(uid=anna)"]).succeeded();
    assert_eq!(
        slapd.searches_since(mark),
        [r#"base="dc=example,dc=org" scope=2 deref=0 filter="(uid=anna)""#]
    );
    slapd.stop();
    assert_eq!(slapd.ldapwhoami(MILTER).code, 255);
    slapd.start_again();
    slapd.ldapwhoami(MILTER).succeeded();
    assert_eq!(slapd.uri("ldap"), before);
}
