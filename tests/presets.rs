//! One table of decisions that every preset passes, each on the people of its own fixture (`tests/fixtures/presets`), in
//! the product's own classes, attributes and forms of values, on a server with the product's own schema and as a file.
//!
//! Another preset is a [`Preset`], a fixture with the same logins, addresses and roles, and a test.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test that panics has failed; clippy.toml excepts the test functions, not what they call"
)]

mod support;

use std::process::Command;

use support::decisions::Company;
use support::project;

/// What is decided, and the rows that show it (`tests/support/decisions.rs` says what a row is).
///
/// Anna is the delegate who is named; bob is in the security group helpdesk, carl in the group night, which is in
/// helpdesk; dora is in distribution lists alone; fred is in nothing. The principals are named for what they grant.
const TABLE: [(&str, &str); 23] = [
    (
        "own addresses",
        r#"
        anna             | <anna@example.org>    | From: anna@example.org                | as sent
        anna             | <a.adams@example.org> | From: Anna Adams <a.adams@example.org> | as sent
        anna@example.org | <anna@example.org>    | From: anna@example.org                | as sent
        fred             | <fred@example.org>    | From: fred@example.org                | as sent
        "#,
    ),
    (
        "letters of either case",
        r#"
        ANNA             | <ANNA@example.org>    | From: A.Adams@EXAMPLE.ORG             | as sent
        anna             | <anna@example.org>    | From: BOSS@Example.Org                | envelope <boss@example.org>
        Bob              | <bob@example.org>     | From: Chief@example.org               | envelope <chief@example.org>
        "#,
    ),
    (
        "nobody's address",
        r#"
        anna | <anna@example.org>   | From: nobody@example.org     | 550 5.7.1 <nobody@example.org>: you may not send as or on behalf of this address
        anna | <nobody@example.org> | From: anna@example.org       | 550 5.7.1 <nobody@example.org>: you may not send as or on behalf of this address (in MAIL FROM)
        "#,
    ),
    (
        "no login of anybody's",
        r#"
        nobody | <anna@example.org> | From: anna@example.org       | 550 5.7.1 …
        news   | <news@example.org> | From: news@example.org       | 550 5.7.1 …
        "#,
    ),
    (
        "no grant",
        r#"
        fred | <fred@example.org>   | From: boss@example.org       | 550 5.7.1 <boss@example.org>: you may not send as or on behalf of this address
        fred | <fred@example.org>   | From: lead@example.org       | 550 5.7.1 …
        fred | <fred@example.org>   | From: anna@example.org       | 550 5.7.1 …
        fred | <boss@example.org>   | From: fred@example.org       | 550 5.7.1 …
        boss | <boss@example.org>   | From: anna@example.org       | 550 5.7.1 …
        "#,
    ),
    (
        "send-as, a person",
        r#"
        anna | <anna@example.org>   | From: boss@example.org       | envelope <boss@example.org>
        anna | <boss@example.org>   | From: The Boss <boss@example.org> | as sent
        anna | <anna@example.org>   | From: boss@example.org\r\nSender: anna@example.org | no Sender + envelope <boss@example.org>
        bob  | <bob@example.org>    | From: boss@example.org       | 550 5.7.1 …
        "#,
    ),
    (
        "send-as, a group",
        r#"
        bob  | <bob@example.org>    | From: chief@example.org      | envelope <chief@example.org>
        anna | <anna@example.org>   | From: chief@example.org      | 550 5.7.1 …
        dora | <dora@example.org>   | From: chief@example.org      | 550 5.7.1 …
        "#,
    ),
    (
        "send-as, a group in a group",
        r#"
        carl | <carl@example.org>   | From: chief@example.org      | envelope <chief@example.org>
        "#,
    ),
    (
        "on behalf, a person",
        r#"
        anna | <anna@example.org>   | From: lead@example.org       | Sender: "Anna Adams" <anna@example.org>
        anna | <lead@example.org>   | From: lead@example.org       | Sender: "Anna Adams" <anna@example.org>
        anna | <anna@example.org>   | From: lead@example.org\r\nSender: a.adams@example.org | as sent
        bob  | <bob@example.org>    | From: lead@example.org       | 550 5.7.1 …
        "#,
    ),
    (
        "on behalf, a group",
        r#"
        bob  | <bob@example.org>    | From: head@example.org       | Sender: "Bob Berg" <bob@example.org>
        anna | <anna@example.org>   | From: head@example.org       | 550 5.7.1 …
        dora | <dora@example.org>   | From: head@example.org       | 550 5.7.1 …
        "#,
    ),
    (
        "on behalf, a group in a group",
        r#"
        carl | <carl@example.org>   | From: head@example.org       | Sender: "Carl Clausen" <carl@example.org>
        "#,
    ),
    (
        "both rights",
        r#"
        anna | <anna@example.org>   | From: both@example.org       | Sender: "Anna Adams" <anna@example.org>
        bob  | <bob@example.org>    | From: both@example.org       | 550 5.7.1 …
        "#,
    ),
    (
        "both rights, several authors",
        r#"
        anna | <anna@example.org>   | From: boss@example.org, lead@example.org | Sender: "Anna Adams" <anna@example.org>
        anna | <anna@example.org>   | From: boss@example.org, head@example.org | 550 5.7.1 …
        "#,
    ),
    (
        "a distribution list as delegate",
        r#"
        dora | <dora@example.org>   | From: tolist@example.org     | 550 5.7.1 …
        "#,
    ),
    (
        "a distribution list in a security group",
        r#"
        dora | <dora@example.org>   | From: through@example.org    | 550 5.7.1 …
        "#,
    ),
    (
        "a security group in a distribution list",
        r#"
        bob  | <bob@example.org>    | From: toall@example.org      | 550 5.7.1 …
        carl | <carl@example.org>   | From: toall@example.org      | 550 5.7.1 …
        dora | <dora@example.org>   | From: toall@example.org      | 550 5.7.1 …
        "#,
    ),
    (
        "a grant that names nothing",
        r#"
        anna | <anna@example.org>   | From: nothing@example.org    | 550 5.7.1 …
        gone | <nothing@example.org> | From: nothing@example.org   | 550 5.7.1 …
        "#,
    ),
    (
        "a grant to itself",
        r#"
        self | <self@example.org>   | From: self@example.org       | as sent
        anna | <anna@example.org>   | From: self@example.org       | 550 5.7.1 …
        "#,
    ),
    (
        "a shared mailbox",
        r#"
        anna | <anna@example.org>   | From: shared@example.org     | envelope <shared@example.org>
        bob  | <bob@example.org>    | From: shared@example.org     | Sender: "Bob Berg" <bob@example.org>
        fred | <fred@example.org>   | From: shared@example.org     | 550 5.7.1 …
        "#,
    ),
    (
        "a group as principal",
        r#"
        anna | <anna@example.org>   | From: sales@example.org      | envelope <sales@example.org>
        dora | <dora@example.org>   | From: sales@example.org      | 550 5.7.1 …
        "#,
    ),
    (
        "scheduling alone, and this is none",
        r#"
        anna | <anna@example.org>   | From: planner@example.org    | 550 5.7.1 …
        "#,
    ),
    (
        "a name in other letters",
        r#"
        anna | <anna@example.org>   | From: upper@example.org      | Sender: "Anna Adams" <anna@example.org>
        "#,
    ),
    (
        "delegation switched off",
        r#"
        anna | <anna@example.org>   | From: muted@example.org      | 550 5.7.1 …
        bob  | <bob@example.org>    | From: muted@example.org      | envelope <muted@example.org>
        "#,
    ),
];

/// A preset with its fixture.
struct Preset {
    /// As `directory.preset` has it; the fixture is called so, too.
    name: &'static str,
    /// Whether the product has a schema besides the standard ones and ours.
    has_schema: bool,
    /// Parts of the table that decide otherwise: with these rows, or with none where the product cannot say it.
    differs: &'static [(&'static str, &'static str)],
}

impl Preset {
    /// Passes the table, and then these rows of its own.
    fn passes(&self, own: &str) {
        let Self { name, .. } = self;
        let fixture = format!("tests/fixtures/presets/{name}.schema.ldif");
        let schema = format!("--schema={}", project(&fixture).display());
        let options = if self.has_schema { vec![schema.as_str()] } else { vec![] };
        let company = Company::of(&format!("presets/{name}.ldif"), &options);
        company.check(&format!("directory.preset = \"{name}\""), &(self.table() + own));
    }

    /// The table, as it is for this preset.
    fn table(&self) -> String {
        for (what, _) in self.differs {
            assert!(TABLE.iter().any(|(known, _)| known == what), "no such part of the table: {what}");
        }
        let own = |what| self.differs.iter().find(|(other, _)| *other == what).map(|(_, rows)| *rows);
        TABLE.iter().map(|(what, rows)| own(*what).unwrap_or(rows)).collect()
    }
}

#[test]
fn delegation() {
    Preset { name: "delegation", has_schema: false, differs: &[] }.passes("");
}

#[test]
fn kopano() {
    Preset { name: "kopano", has_schema: true, differs: &[] }.passes(
        r#"
        shared | <shared@example.org> | From: shared@example.org  | 550 5.7.1 …
        anna | <anna@example.org>   | From: bylogin@example.org   | envelope <bylogin@example.org>
        anna | <anna@example.org>   | From: byaddress@example.org | envelope <byaddress@example.org>
        anna | <anna@example.org>   | From: byalias@example.org   | 550 5.7.1 …
        bob  | <bob@example.org>    | From: bygroup@example.org   | envelope <bygroup@example.org>
        1001 | <digits@example.org> | From: digits@example.org    | as sent
        1001 | <digits@example.org> | From: boss@example.org      | 550 5.7.1 …
        "#,
    );
}

#[test]
fn kolab() {
    // Who is a delegate in Kolab may also write: there is no such thing as scheduling alone.
    Preset { name: "kolab", has_schema: true, differs: &[("scheduling alone, and this is none", "")] }
        .passes(
            r#"
        a.adams@example.org | <anna@example.org> | From: anna@example.org | as sent
        anna | <anna@example.org>   | From: bylogin@example.org   | Sender: "Anna Adams" <anna@example.org>
        anna | <anna@example.org>   | From: byaddress@example.org | Sender: "Anna Adams" <anna@example.org>
        anna | <anna@example.org>   | From: byalias@example.org   | 550 5.7.1 …
        "#,
        );
}

#[test]
fn univention() {
    // Values that are not as the connector writes them grant nothing; nor do they take anything from those beside them.
    Preset { name: "univention", has_schema: true, differs: &[] }.passes(
        r#"
        anna | <anna@example.org>   | From: three@example.org     | 550 5.7.1 …
        anna | <anna@example.org>   | From: five@example.org      | 550 5.7.1 …
        anna | <anna@example.org>   | From: bare@example.org      | 550 5.7.1 …
        anna | <anna@example.org>   | From: letters@example.org   | 550 5.7.1 …
        anna | <anna@example.org>   | From: true@example.org      | 550 5.7.1 …
        anna | <anna@example.org>   | From: no@example.org        | 550 5.7.1 …
        anna | <anna@example.org>   | From: viewer@example.org    | 550 5.7.1 …
        anna | <anna@example.org>   | From: mixed@example.org     | 550 5.7.1 …
        bob  | <bob@example.org>    | From: mixed@example.org     | Sender: "Bob Berg" <bob@example.org>
        "#,
    );
}

#[test]
fn active_directory() {
    let written = Command::new(project("tests/fixtures/presets/active-directory.py")).output().unwrap();
    let fixture = std::fs::read(project("tests/fixtures/presets/active-directory.ldif")).unwrap();
    assert!(written.stdout == fixture, "active-directory.ldif is not what active-directory.py writes");
    // Send-as wins, as in Exchange; there is nothing like scheduling alone, and nobody switches delegation off.
    let differs = &[
        (
            "both rights",
            "
        anna | <anna@example.org>   | From: both@example.org       | envelope <both@example.org>
        bob  | <bob@example.org>    | From: both@example.org       | 550 5.7.1 …
        ",
        ),
        ("scheduling alone, and this is none", ""),
        ("delegation switched off", ""),
    ];
    Preset { name: "active-directory", has_schema: true, differs }.passes(
        r#"
        shared   | <shared@example.org> | From: shared@example.org     | 550 5.7.1 …
        pc$      | <pc$@example.org>    | From: pc$@example.org        | 550 5.7.1 …
        moved    | <moved@example.org>  | From: moved@example.org      | as sent
        moved    | <moved@example.org>  | From: yesterday@example.org  | 550 5.7.1 …
        yesterday@example.org | <moved@example.org> | From: moved@example.org | as sent
        multi    | <second@example.org> | From: another@example.org    | as sent
        second@example.org | <multi@example.org> | From: led@example.org | Sender: "Mia Multi" <multi@example.org>
        bob      | <bob@example.org>    | From: helpdesk@example.org   | 550 5.7.1 …
        anna     | <anna@example.org>   | From: denied@example.org     | 550 5.7.1 …
        anna     | <anna@example.org>   | From: overruled@example.org  | envelope <overruled@example.org>
        anna     | <anna@example.org>   | From: inherited@example.org  | envelope <inherited@example.org>
        anna     | <anna@example.org>   | From: kept@example.org       | 550 5.7.1 …
        anna     | <anna@example.org>   | From: toeveryone@example.org | 550 5.7.1 …
        anna     | <anna@example.org>   | From: tousers@example.org    | 550 5.7.1 …
        anna     | <anna@example.org>   | From: all-denied@example.org | 550 5.7.1 …
        anna     | <anna@example.org>   | From: group-denied@example.org | envelope <group-denied@example.org>
        carl     | <carl@example.org>   | From: group-denied@example.org | 550 5.7.1 …
        anna     | <anna@example.org>   | From: conditional@example.org | 550 5.7.1 …
        anna     | <anna@example.org>   | From: full@example.org       | envelope <full@example.org>
        bob      | <bob@example.org>    | From: full@example.org       | envelope <full@example.org>
        anna     | <anna@example.org>   | From: forheirs@example.org   | 550 5.7.1 …
        anna     | <anna@example.org>   | From: audited@example.org    | envelope <audited@example.org>
        anna     | <anna@example.org>   | From: receive@example.org    | 550 5.7.1 …
        anna     | <anna@example.org>   | From: broken@example.org     | Sender: "Anna Adams" <anna@example.org>
        admin    | <admin@example.org>  | From: fred@example.org       | envelope <fred@example.org>
        "#,
    );
}
