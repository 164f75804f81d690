//! Every way in which a grant can name a delegate, and every kind of group, through a real Postfix, with a file as the
//! directory and with a server. The people are those of `tests/fixtures/grants.ldif`.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test that panics has failed; clippy.toml excepts the test functions, not what they call"
)]

mod support;

use std::sync::LazyLock;

use support::decisions::Company;
use support::project;

/// A table of who may send as which principals, and who may not.
fn check(knobs: &str, table: &[(&str, &str, bool)]) {
    static COMPANY: LazyLock<Company> = LazyLock::new(|| {
        let schema = project("tests/fixtures/text-grants.ldif");
        Company::of("grants.ldif", &[&format!("--schema={}", schema.display())])
    });
    let row = |(login, principal, may): &(&str, &str, bool)| {
        let may =
            if *may { format!("envelope <{principal}@example.org>") } else { "550 5.7.1 …".to_owned() };
        format!("{login} | <{login}@example.org> | From: {principal}@example.org | {may}\n")
    };
    COMPANY.check(knobs, &table.iter().map(row).collect::<String>());
}

const TEXT_TOO: &str = "directory.attributes.send_as = [\"delegationSendAs\", \"textSendAs\"]";

#[test]
fn a_grant_names_an_entry_by_its_name_however_written() {
    check(
        TEXT_TOO,
        &[
            ("carl", "dn-plain", true),
            ("carl", "dn-case", true),
            ("carl", "dn-spaces", true),
            ("carl", "dn-escapes", true),
            ("carl", "dn-semicolons", true),
            ("ida", "dn-odd", true),
            ("carl", "dn-odd", false),
            ("carl", "dn-below", false),
            ("carl", "dn-above", false),
            ("carl", "dn-prefix", false),
            ("carl", "dn-cut", false),
            ("carl", "own-case", true),
            ("carl", "own-escapes", true),
            ("una", "own-case", false),
        ],
    );
}

#[test]
fn a_grant_names_an_entry_by_its_primary_address_or_its_login() {
    check(
        TEXT_TOO,
        &[
            ("carl", "address", true),
            ("carl", "address-case", true),
            ("una", "address", false),
            // An alias is no name for anybody, and a list no delegate.
            ("carl", "address-alias", false),
            ("carl", "address-group", true),
            ("una", "address-group", false),
            ("carl", "address-list", false),
            ("list", "address-list", false),
            ("carl", "login", true),
            ("carl", "login-case", true),
            ("una", "login", false),
            ("carl", "login-star", false),
            ("carl", "login-none", false),
            ("carl", "self", false),
            ("carl", "several", true),
        ],
    );
}

#[test]
fn groups_of_every_kind() {
    check(
        "",
        &[
            ("carl", "to-names", true),
            ("ida", "to-names", true),
            ("una", "to-names", false),
            ("una", "to-unique", true),
            // A name with a UID is another name (RFC 4517 section 4.2.31).
            ("carl", "to-unique", false),
            ("pete", "to-posix", true),
            // RFC 2307 section 2.4: memberUid has regard to case.
            ("carl", "to-posix", false),
            ("carl", "to-nested", true),
            ("una", "to-nested", true),
            ("pete", "to-nested", true),
            ("nest", "to-nested", false),
            ("nest", "to-mixed", true),
            ("pete", "to-mixed", true),
            ("ring", "to-rings", true),
            ("carl", "to-rings", false),
            ("carl", "to-help", true),
            ("carl", "to-through-list", false),
            ("list", "to-through-list", false),
            ("deep", "to-deep16", true),
            ("deep", "to-deep17", false),
        ],
    );
    check("directory.group_depth = 17", &[("deep", "to-deep17", true)]);
    check("directory.group_depth = 1", &[("carl", "to-names", true), ("carl", "to-nested", false)]);
    check("directory.group_depth = 0", &[("carl", "to-names", false), ("carl", "own-case", true)]);
}
