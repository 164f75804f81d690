//! Who may send what, and how it goes out: the tables of the specification through a real Postfix.
//!
//! Each test is one configuration and a table of messages (`tests/support/decisions.rs` says what a row is), tried with a
//! file as the directory and with a server. The people are those of `tests/fixtures/company.ldif`.

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

/// The company, which all tests share.
fn check(knobs: &str, table: &str) {
    static COMPANY: LazyLock<Company> = LazyLock::new(|| Company::of("company.ldif", &[]));
    COMPANY.check(knobs, table);
}

#[test]
fn own_mail_is_left_alone() {
    check(
        "",
        r#"
        anna | <anna@example.org>           | From: anna@example.org                      | as sent
        anna | <anna@example.org>           | From: Anyone At All <a.adams@example.org>   | as sent
        anna | <a.adams@example.org>        | From: ANNA@EXAMPLE.ORG                      | as sent
        anna | <"anna"@example.org>         | From: "anna"@example.org                    | envelope <anna@example.org>
        anna | <anna+bounce@example.org>    | From: anna+list@example.org                 | as sent
        anna | <>                           | From: anna@example.org                      | as sent
        anna | <anna@example.org> BODY=8BITMIME RET=HDRS ENVID=x+2By | From: anna@example.org | as sent
        anna@example.org | <anna@example.org> | From: anna@example.org                    | as sent
        ANNA | <anna@example.org>           | From: anna@example.org                      | as sent
        "#,
    );
}

#[test]
fn own_mail_keeps_only_an_honest_sender() {
    check(
        "",
        r#"
        anna | <anna@example.org> | From: anna@example.org\r\nSender: anna@example.org                 | as sent
        anna | <anna@example.org> | From: anna@example.org\r\nSender: Anna Adams <a.adams@example.org> | as sent
        anna | <anna@example.org> | From: anna@example.org\r\nSender: "Anna Adams" <anna@example.org>  | as sent
        anna | <anna@example.org> | From: anna@example.org\r\nSender: The Boss <anna@example.org>      | no Sender
        anna | <anna@example.org> | From: anna@example.org\r\nSender: anna@example.org (the boss)      | no Sender
        anna | <anna@example.org> | From: anna@example.org\r\nSender: boss@example.org                 | no Sender
        anna | <anna@example.org> | From: anna@example.org\r\nSender: x@elsewhere.example              | no Sender
        anna | <anna@example.org> | From: anna@example.org\r\nSender: anna@example.org, a.adams@example.org | no Sender
        anna | <anna@example.org> | From: anna@example.org\r\nSender: <anna@example.org> junk          | no Sender
        anna | <anna@example.org> | From: anna@example.org\r\nSender:                                  | no Sender
        anna | <anna@example.org> | From: anna@example.org\r\nSender: anna@example.org\r\nSENDER: anna@example.org | no Sender
        anna | <anna@example.org> | Sender: boss@example.org\r\nFrom: anna@example.org\r\nSender: boss@example.org\r\nX: y\r\nSender: Boss\r\n <boss@example.org> | no Sender
        anna | <anna@example.org> | From: anna@example.org, a.adams@example.org                        | Sender: "Anna Adams" <anna@example.org>
        anna | <anna@example.org> | From: anna@example.org, a.adams@example.org\r\nSender: a.adams@example.org | as sent
        anna | <anna@example.org> | From: anna@example.org, a.adams@example.org\r\nSender: boss@example.org    | Sender: "Anna Adams" <anna@example.org>
        "#,
    );
}

#[test]
fn without_a_grant_it_is_refused() {
    check(
        "",
        r#"
        anna | <anna@example.org> | From: boss@example.org                              | 550 5.7.1 <boss@example.org>: you may not send as or on behalf of this address
        anna | <anna@example.org> | From: Bruno Boss <BOSS@Example.org>                 | 550 5.7.1 <BOSS@example.org>: you may not send as or on behalf of this address
        anna | <anna@example.org> | From: boss+x@example.org                            | 550 5.7.1 <boss+x@example.org>: you may not send as or on behalf of this address
        anna | <anna@example.org> | From: nobody@example.org                            | 550 5.7.1 <nobody@example.org>: you may not send as or on behalf of this address
        anna | <anna@example.org> | From: x@elsewhere.example                           | 550 5.7.1 <x@elsewhere.example>: you may not send as or on behalf of this address
        anna | <anna@example.org> | From: anna@[127.0.0.1]                              | 550 5.7.1 <anna@[127.0.0.1]>: you may not send as or on behalf of this address
        anna | <anna@example.org> | From: 50%off@example.org                            | 550 5.7.1 <50%off@example.org>: you may not send as or on behalf of this address
        anna | <anna@example.org> | From: anna@example.org, boss@example.org            | 550 5.7.1 <boss@example.org>: you may not send as or on behalf of this address
        anna | <anna@example.org> | From: boss@example.org, anna@example.org\r\nSender: anna@example.org | 550 5.7.1 <boss@example.org>: you may not send as or on behalf of this address
        carl | <carl@example.org> | From: bea@example.org, boss@example.org             | 550 5.7.1 <boss@example.org>: you may not send as or on behalf of this address
        anna | <anna@example.org> | From: bea@example.org                               | 550 5.7.1 <bea@example.org>: you may not send as or on behalf of this address
        anna | <anna@example.org> | From: bea@example.org\r\nSender: carl@example.org   | 550 5.7.1 <bea@example.org>: you may not send as or on behalf of this address
        carl | <carl@example.org> | From: hana@example.org                              | 550 5.7.1 <hana@example.org>: you may not send as or on behalf of this address
        anna | <>                 | From: boss@example.org                              | 550 5.7.1 <boss@example.org>: you may not send as or on behalf of this address
        anna | <anna@example.org> | Subject: no From                                    | 554 5.6.0 there is no From field
        ghost | <ghost@example.org> | From: ghost@example.org                           | 550 5.7.1 the login ghost may not send mail here: nothing is known of it
        sam  | <sam@example.org>  | From: sam@example.org                               | 451 4.3.0 …
        "#,
    );
}

#[test]
fn on_behalf_shows_the_submitter_as_sender() {
    check(
        "",
        r#"
        carl | <carl@example.org>   | From: bea@example.org                                                     | Sender: "Carl Clausen" <carl@example.org>
        carl | <carl@example.org>   | From: Bea Brandt <b.brandt@example.org>                                   | Sender: "Carl Clausen" <carl@example.org>
        carl | <carl@example.org>   | From: bea+x@example.org                                                   | Sender: "Carl Clausen" <carl@example.org>
        carl | <bea@example.org>    | From: bea@example.org                                                     | Sender: "Carl Clausen" <carl@example.org>
        carl | <>                   | From: bea@example.org                                                     | Sender: "Carl Clausen" <carl@example.org>
        carl | <dora@example.org>   | From: bea@example.org                                                     | Sender: "Carl Clausen" <carl@example.org>
        carl | <carl@example.org>   | From: carl@example.org, bea@example.org                                   | Sender: "Carl Clausen" <carl@example.org>
        carl | <carl@example.org>   | From: dora@example.org, bea@example.org                                   | Sender: "Carl Clausen" <carl@example.org>
        carl | <carl@example.org>   | From: frida@example.org                                                   | Sender: "Carl Clausen" <carl@example.org>
        carl | <carl@example.org>   | From: bea@example.org\r\nSender: carl@example.org                         | as sent
        carl | <carl@example.org>   | From: bea@example.org\r\nSender: Carl Clausen <c.clausen@example.org>     | as sent
        carl | <carl@example.org>   | From: bea@example.org\r\nSender: Bea Brandt <c.clausen@example.org>       | Sender: "Carl Clausen" <c.clausen@example.org>
        carl | <carl@example.org>   | From: bea@example.org\r\nSender: Carl Clausen <bea@example.org>           | Sender: "Carl Clausen" <carl@example.org>
        carl | <carl@example.org>   | Sender: carl@example.org\r\nFrom: bea@example.org\r\nSender: x@y.example  | Sender: "Carl Clausen" <carl@example.org>
        carl | <carl@example.org>   | From: bea@example.org\r\nSender: a@x.example\r\nSender: b@x.example\r\nSender: c@x.example\r\nSender: carl@example.org | Sender: "Carl Clausen" <carl@example.org>
        "#,
    );
}

/// The name is the directory's, made fit for a header field; an address that is not ASCII needs SMTPUTF8.
#[test]
fn the_senders_name_and_address() {
    check(
        "",
        r#"
        zoe     | <zoe@example.org>    | From: bea@example.org | Sender: =?utf-8?B?Wm/DqyBaw7xuZGVs?= <zoe@example.org>
        edwin   | <edwin@example.org>  | From: bea@example.org | Sender: "Edwin Elm" <edwin@example.org>
        faye    | <faye@example.org>   | From: bea@example.org | Sender: <faye@example.org>
        ian     | <ian@example.org>    | From: bea@example.org | Sender: "Ian (the \"boss\"), Ivory" <ian@example.org>
        nomail  | <>                   | From: bea@example.org | 550 5.7.1 the message needs a Sender, and the directory has no mail address for you
        mueller | <>                   | From: bea@example.org | 550 5.6.7 <m\u{fc}ller@example.org> must be written into the message, which needs SMTPUTF8
        mueller | <müller@example.org> SMTPUTF8 | From: bea@example.org | Sender: "Mara Mueller" <müller@example.org>
        juergen | <>                   | From: bea@example.org | Sender: "Jay Jung" <mr.jung@example.org>
        juergen | <jürgen@example.org> SMTPUTF8 | From: bea@example.org | Sender: "Jay Jung" <jürgen@example.org>
        juergen | <mr.jung@example.org> | From: bea@example.org\r\nSender: mr.jung@example.org | as sent
        long    | <long@example.org>   | From: bea@example.org | Sender: =?us-ascii?Q?Long_Long_Long_Long_Long_Long_Long_Long_Long_Long_Lon?= =?us-ascii?Q?g_Long_Long_Long_Long_Long_Long_Long_Long_Long_Long_Long_Lon?= =?us-ascii?Q?g_Long_Long_Lon?= <long@example.org>
        "#,
    );
}

#[test]
fn send_as_shows_the_principal_alone() {
    check(
        "",
        r#"
        carl | <carl@example.org>   | From: dora@example.org                              | envelope <dora@example.org>
        carl | <carl@example.org> BODY=8BITMIME RET=HDRS ENVID=x+2By | From: d.dahl@example.org | envelope <dora@example.org>
        carl | <dora@example.org>   | From: dora@example.org                              | as sent
        carl | <d.dahl@example.org> | From: dora@example.org                              | as sent
        carl | <dora+x@example.org> | From: dora@example.org                              | as sent
        carl | <>                   | From: dora@example.org                              | as sent
        carl | <bea@example.org>    | From: dora@example.org                              | envelope <dora@example.org>
        carl | <dora@example.org>   | From: dora@example.org\r\nSender: carl@example.org  | no Sender
        carl | <dora@example.org>   | Sender: dora@example.org\r\nFrom: dora@example.org\r\nSender: x@y.example\r\nSender: carl@example.org | no Sender
        carl | <carl@example.org>   | From: carl@example.org, dora@example.org            | Sender: "Dora Dahl" <dora@example.org> + envelope <dora@example.org>
        carl | <carl@example.org>   | From: d.dahl@example.org, dora@example.org          | Sender: "Dora Dahl" <d.dahl@example.org> + envelope <dora@example.org>
        carl | <dora@example.org>   | From: dora@example.org, carl@example.org\r\nSender: Dora Dahl <dora@example.org> | as sent
        carl | <carl@example.org>   | From: sales@example.org                             | envelope <sales@example.org>
        emil | <emil@example.org>   | From: sales@example.org                             | 550 5.7.1 <sales@example.org>: you may not …
        emil | <emil@example.org>   | From: gero@example.org                              | envelope <gero@example.org>
        carl | <carl@example.org>   | From: info@acme.example                             | envelope <info@acme.example>
        "#,
    );
}

#[test]
fn groups_are_delegates_and_lists_are_not() {
    check(
        "",
        r#"
        lena | <lena@example.org> | From: info@example.org     | envelope <info@example.org>
        olga | <olga@example.org> | From: info@example.org     | 550 5.7.1 <info@example.org>: you may not …
        olga | <olga@example.org> | From: press@example.org    | 550 5.7.1 <press@example.org>: you may not …
        olga | <olga@example.org> | From: everyone@example.org | 550 5.7.1 <everyone@example.org>: you may not …
        mia  | <mia@example.org>  | From: support@example.org  | 550 5.7.1 <support@example.org>: you may not …
        "#,
    );
    check(
        "directory.group_depth = 1",
        r#"
        lena | <lena@example.org> | From: info@example.org    | 550 5.7.1 <info@example.org>: you may not …
        "#,
    );
}

#[test]
fn policy_group_members() {
    check(
        r#"policy.group_members = "send-on-behalf""#,
        r#"
        mia  | <mia@example.org>  | From: support@example.org  | Sender: "Mia Moser" <mia@example.org>
        olga | <olga@example.org> | From: everyone@example.org | 550 5.7.1 <everyone@example.org>: you may not …
        "#,
    );
    check(
        r#"policy.group_members = "send-as""#,
        r#"
        mia  | <mia@example.org>  | From: support@example.org  | envelope <support@example.org>
        olga | <olga@example.org> | From: everyone@example.org | 550 5.7.1 <everyone@example.org>: you may not …
        "#,
    );
}

#[test]
fn policy_prefer() {
    check(
        r#"policy.prefer = "send-as""#,
        r#"
        carl | <carl@example.org> | From: frida@example.org | envelope <frida@example.org>
        carl | <carl@example.org> | From: bea@example.org   | Sender: "Carl Clausen" <carl@example.org>
        "#,
    );
}

#[test]
fn policy_unknown_author() {
    check(
        r#"policy.unknown_author = "accept""#,
        r#"
        anna | <anna@example.org>   | From: nobody@example.org                               | as sent
        anna | <anna@example.org>   | From: x@elsewhere.example                              | as sent
        anna | <anna@example.org>   | From: x@elsewhere.example\r\nSender: boss@example.org  | no Sender
        anna | <anna@example.org>   | From: x@elsewhere.example, y@elsewhere.example         | Sender: "Anna Adams" <anna@example.org>
        anna | <anna@example.org>   | From: boss@example.org                                 | 550 5.7.1 <boss@example.org>: you may not …
        anna | <anna@example.org>   | From: x@elsewhere.example, boss@example.org            | 550 5.7.1 <boss@example.org>: you may not …
        anna | <nobody@example.org> | From: anna@example.org                                 | 550 5.7.1 <nobody@example.org>: you may not …
        "#,
    );
}

#[test]
fn policy_unknown_submitter() {
    check(
        r#"policy.unknown_submitter = "accept""#,
        r#"
        ghost | <> | From: ghost@example.org | 550 5.7.1 <ghost@example.org>: you may not …
        ghost | <> | From: anna@example.org  | 550 5.7.1 <anna@example.org>: you may not …
        "#,
    );
    check(
        "policy.unknown_submitter = \"accept\"\npolicy.unknown_author = \"accept\"",
        r#"
        ghost | <>                  | From: ghost@example.org | as sent
        ghost | <ghost@example.org> | From: ghost@example.org | 550 5.7.1 <ghost@example.org>: you may not …
        ghost | <>                  | From: anna@example.org  | 550 5.7.1 <anna@example.org>: you may not …
        "#,
    );
}

#[test]
fn resent_from_must_be_own_or_granted_and_waives_nothing() {
    check(
        "",
        r#"
        anna | <anna@example.org> | Resent-From: anna@example.org\r\nFrom: anna@example.org      | as sent
        carl | <carl@example.org> | Resent-From: bea@example.org\r\nFrom: carl@example.org       | as sent
        anna | <anna@example.org> | Resent-From: boss@example.org\r\nFrom: anna@example.org      | 550 5.7.1 <boss@example.org>: you may not send as or on behalf of this address (in Resent-From)
        anna | <anna@example.org> | Resent-From: x@y.example\r\nFrom: anna@example.org           | 550 5.7.1 <x@y.example>: you may not send as or on behalf of this address (in Resent-From)
        anna | <anna@example.org> | Resent-From: boss\r\nFrom: anna@example.org                  | 554 5.6.0 the Resent-From field …
        anna | <anna@example.org> | Resent-From: anna@example.org\r\nFrom: x@elsewhere.example   | 550 5.7.1 <x@elsewhere.example>: you may not …
        anna | <anna@example.org> | Resent-From: anna@example.org\r\nFrom: boss@example.org      | 550 5.7.1 <boss@example.org>: you may not …
        anna | <anna@example.org> | Resent-From: anna@example.org\r\nResent-From: x@y.example\r\nFrom: anna@example.org | as sent
        "#,
    );
}

#[test]
fn policy_redirect() {
    check(
        r#"policy.redirect = "accept""#,
        r#"
        anna | <anna@example.org> | Resent-From: anna@example.org\r\nFrom: x@elsewhere.example | as sent
        anna | <anna@example.org> | Resent-From: anna@example.org\r\nFrom: x@elsewhere.example\r\nSender: y@elsewhere.example | as sent
        anna | <anna@example.org> | Resent-From: anna@example.org\r\nFrom: x@elsewhere.example, z@elsewhere.example\r\nSender: x@elsewhere.example | as sent
        anna | <anna@example.org> | Resent-From: anna@example.org\r\nSender: y@elsewhere.example\r\nFrom: x@elsewhere.example\r\nSender: x@elsewhere.example | no Sender
        anna | <anna@example.org> | Resent-From: anna@example.org\r\nFrom: anna@example.org\r\nSender: y@elsewhere.example | no Sender
        anna | <anna@example.org> | Resent-From: anna@example.org\r\nFrom: boss@example.org    | 550 5.7.1 <boss@example.org>: you may not …
        anna | <anna@example.org> | From: x@elsewhere.example                                  | 550 5.7.1 <x@elsewhere.example>: you may not …
        carl | <carl@example.org> | Resent-From: bea@example.org\r\nFrom: x@elsewhere.example  | 550 5.7.1 <x@elsewhere.example>: you may not …
        "#,
    );
}

#[test]
fn policy_display_name_address() {
    let misleading = r#"
        anna | <anna@example.org> | From: "boss@example.org" <anna@example.org>                               | {}
        anna | <anna@example.org> | From: Boss boss@example.org via <anna@example.org>                        | 554 5.6.0 …
        anna | <anna@example.org> | From: anna@example.org (nobody@example.org)                               | {}
        anna | <anna@example.org> | From: =?utf-8?B?Ym9zc0BleGFtcGxlLm9yZw==?= <anna@example.org>             | 554 5.6.0 …
        anna | <anna@example.org> | From: "=?utf-8?B?Ym9zc0BleGFtcGxlLm9yZw==?=" <anna@example.org>           | {}
        anna | <anna@example.org> | From: "bo\xe2\x80\x8bss\xef\xbc\xa0example.org" <anna@example.org>        | {}
    "#;
    let harmless = r#"
        anna | <anna@example.org> | From: "anna@example.org" <anna@example.org>                               | as sent
        anna | <anna@example.org> | From: "x@elsewhere.example" <anna@example.org>                            | as sent
        anna | <anna@example.org> | From: "Anna @ home" <anna@example.org>                                    | as sent
    "#;
    let backwards = r#"
        anna | <anna@example.org> | From: "\xe2\x80\xaegro.elpmaxe" <anna@example.org>                        | 550 5.7.1 the display name holds characters that change the direction of text; take them out
    "#;
    let refused = "550 5.7.1 the display name shows …";
    check("", &[&misleading.replace("{}", refused), harmless, backwards].concat());
    check(
        r#"policy.display_name_address = "accept""#,
        &[&misleading.replace("{}", "as sent"), harmless, backwards].concat(),
    );
}

#[test]
fn policy_local_domains() {
    let table = r#"anna | <anna@example.org> | From: "ceo@acme.example" <anna@example.org> | "#;
    check("", &format!("{table}as sent"));
    check(
        r#"policy.local_domains = ["ACME.example"]"#,
        &format!(
            "{table}550 5.7.1 the display name shows ceo@acme.example, an address that you may not use; take it out"
        ),
    );
}

#[test]
fn policy_recipient_delimiter() {
    check(
        "",
        r#"
        carl | <carl+x@example.org> | From: carl+x@example.org    | as sent
        carl | <carl@example.org>   | From: carl+plus@example.org | 550 5.7.1 <carl+plus@example.org>: you may not …
        carl | <carl@example.org>   | From: carl-x@example.org    | 550 5.7.1 <carl-x@example.org>: you may not …
        "#,
    );
    check(
        r#"policy.recipient_delimiter = """#,
        r#"
        carl | <carl@example.org>   | From: carl+x@example.org    | 550 5.7.1 <carl+x@example.org>: you may not …
        carl | <carl+x@example.org> | From: carl@example.org      | 550 5.7.1 <carl+x@example.org>: you may not …
        "#,
    );
    check(
        r#"policy.recipient_delimiter = "+-""#,
        r#"
        carl | <carl@example.org>   | From: carl-x@example.org    | as sent
        carl | <carl@example.org>   | From: carl+x@example.org    | as sent
        "#,
    );
}

#[test]
fn domain_aliases() {
    let knobs = "[domain_aliases]\n\"example.net\" = \"example.org\"";
    check(
        knobs,
        r#"
        anna | <anna@example.org>   | From: anna@example.net     | as sent
        anna | <anna+x@example.net> | From: anna+y@Example.NET   | as sent
        anna | <anna@example.org>   | From: boss@example.net     | 550 5.7.1 <boss@example.net>: you may not …
        carl | <carl@example.net>   | From: bea@example.net      | Sender: "Carl Clausen" <carl@example.org>
        carl | <dora@example.net>   | From: dora@example.org     | as sent
        anna | <anna@example.org>   | From: "boss@example.net" <anna@example.org> | 550 5.7.1 the display name shows …
        "#,
    );
    check(
        "",
        "anna | <anna@example.org> | From: anna@example.net | 550 5.7.1 <anna@example.net>: you may not …",
    );
}

#[test]
fn envelope_check() {
    let refused = r#"
        anna | <boss@example.org>      | From: anna@example.org | 550 5.7.1 <boss@example.org>: you may not send as or on behalf of this address (in MAIL FROM)
        anna | <nobody@example.org>    | From: anna@example.org | 550 5.7.1 <nobody@example.org>: you may not send as or on behalf of this address (in MAIL FROM)
        anna | <x@elsewhere.example>   | From: anna@example.org | 550 5.7.1 <x@elsewhere.example>: you may not send as or on behalf of this address (in MAIL FROM)
        carl | <boss@example.org>      | From: bea@example.org  | 550 5.7.1 <boss@example.org>: you may not send as or on behalf of this address (in MAIL FROM)
        carl | <hana@example.org>      | From: carl@example.org | 550 5.7.1 <hana@example.org>: you may not send as or on behalf of this address (in MAIL FROM)
        anna | <plain>                 | From: anna@example.org | 553 5.1.7 <plain>: MAIL FROM must be an address with a domain
    "#;
    check("", refused);
    check(
        "",
        r#"
        carl | <bea@example.org>                | From: carl@example.org | as sent
        carl | <dora@example.org>               | From: carl@example.org | as sent
        anna | <@a.example,@b.example:anna@example.org> | From: anna@example.org | envelope <anna@example.org>
        anna | <@a.example:boss@example.org>    | From: anna@example.org | 550 5.7.1 <boss@example.org>: you may not …
        "#,
    );
    check(
        "envelope.check = false",
        r#"
        anna | <boss@example.org>      | From: anna@example.org | as sent
        anna | <x@elsewhere.example>   | From: anna@example.org | as sent
        anna | <plain>                 | From: anna@example.org | envelope <plain@example.org>
        anna | <anna@example.org>      | From: boss@example.org | 550 5.7.1 <boss@example.org>: you may not …
        "#,
    );
}

#[test]
fn envelope_on_behalf() {
    check(
        r#"envelope.on_behalf = "delegate""#,
        r#"
        carl | <bea@example.org>       | From: bea@example.org  | Sender: "Carl Clausen" <carl@example.org> + envelope <carl@example.org>
        carl | <c.clausen@example.org> | From: bea@example.org  | Sender: "Carl Clausen" <carl@example.org>
        carl | <>                      | From: bea@example.org  | Sender: "Carl Clausen" <carl@example.org>
        carl | <carl@example.org>      | From: dora@example.org | envelope <dora@example.org>
        "#,
    );
    check(
        r#"envelope.on_behalf = "principal""#,
        r#"
        carl | <carl@example.org>      | From: b.brandt@example.org | Sender: "Carl Clausen" <carl@example.org> + envelope <bea@example.org>
        carl | <b.brandt@example.org>  | From: bea@example.org  | Sender: "Carl Clausen" <carl@example.org>
        carl | <>                      | From: bea@example.org  | Sender: "Carl Clausen" <carl@example.org>
        carl | <carl@example.org>      | From: carl@example.org, bea@example.org, dora@example.org | Sender: "Carl Clausen" <carl@example.org> + envelope <bea@example.org>
        carl | <bea@example.org>       | From: carl@example.org | as sent
        "#,
    );
}

#[test]
fn envelope_send_as() {
    check(
        r#"envelope.send_as = "keep""#,
        r#"
        carl | <carl@example.org> | From: dora@example.org                             | as sent
        carl | <carl@example.org> | From: dora@example.org\r\nSender: carl@example.org | no Sender
        carl | <carl@example.org> | From: carl@example.org, dora@example.org           | Sender: "Dora Dahl" <dora@example.org>
        "#,
    );
}

#[test]
fn delegation_enabled_and_decided_by() {
    let table = |bea: &str, gero: &str, team: &str| {
        let on_behalf = r#"Sender: "Carl Clausen" <carl@example.org>"#;
        let row = |name: &str, may: &str| {
            let refused = format!("550 5.7.1 <{name}@example.org>: you may not …");
            let outcome = if may == "yes" { on_behalf } else { &refused };
            format!("carl | <carl@example.org> | From: {name}@example.org | {outcome}\n")
        };
        let send_as = "carl | <carl@example.org> | From: dora@example.org | envelope <dora@example.org>";
        [row("bea", bea), row("gero", gero), row("team", team), send_as.to_owned()].concat()
    };
    let knobs = |enabled, decided_by, context| {
        let context = match context {
            "" => String::new(),
            enabled => {
                format!("[[context]]\nname = \"all\"\nbase_dn = \"dc=example,dc=org\"\nenabled = {enabled}")
            }
        };
        format!("delegation.enabled = {enabled}\ndelegation.decided_by = \"{decided_by}\"\n{context}")
    };
    // The server says, who decides, the context says: bea (silent), gero (off), team (on).
    for (enabled, decided_by, context, bea, gero, team) in [
        ("true", "principal", "", "yes", "no", "yes"),
        ("false", "principal", "", "no", "no", "yes"),
        ("true", "principal", "false", "no", "no", "yes"),
        ("false", "principal", "true", "yes", "no", "yes"),
        ("true", "context", "false", "no", "no", "no"),
        ("false", "context", "true", "yes", "yes", "yes"),
        ("true", "context", "", "yes", "yes", "yes"),
        ("true", "server", "false", "yes", "yes", "yes"),
        ("false", "server", "true", "no", "no", "no"),
    ] {
        check(&knobs(enabled, decided_by, context), &table(bea, gero, team));
    }
}

const TWO_COMPANIES: &str = r#"
    directory.realms = ["acme.example"]
    [[context]]
    name = "example"
    base_dn = "dc=example,dc=org"
    domains = ["example.org"]
    [[context]]
    name = "acme"
    base_dn = "ou=acme,dc=example,dc=org"
    domains = ["acme.example"]
"#;

#[test]
fn contexts_are_never_crossed() {
    check(
        TWO_COMPANIES,
        r#"
        alice            | <alice@acme.example> | From: ceo@acme.example  | Sender: "Alice Acker" <alice@acme.example>
        carl             | <carl@example.org>   | From: info@acme.example | 550 5.7.1 <info@acme.example>: you may not …
        carl             | <carl@example.org>   | From: bea@example.org   | Sender: "Carl Clausen" <carl@example.org>
        sam@acme.example | <sam@acme.example>   | From: sam@acme.example  | as sent
        sam@acme.example | <>                   | From: sam@example.org   | 550 5.7.1 <sam@example.org>: you may not …
        "#,
    );
    let acme_alone = "[[context]]\nname = \"acme\"\nbase_dn = \"ou=acme,dc=example,dc=org\"";
    check(
        acme_alone,
        r#"
        alice | <alice@acme.example> | From: ceo@acme.example | Sender: "Alice Acker" <alice@acme.example>
        carl  | <carl@example.org>   | From: bea@example.org  | 550 5.7.1 <bea@example.org>: you may not …
        carl  | <carl@example.org>   | From: dora@example.org | 550 5.7.1 <dora@example.org>: you may not …
        lena  | <lena@example.org>   | From: info@example.org | 550 5.7.1 <info@example.org>: you may not …
        carl  | <carl@example.org>   | From: carl@example.org | as sent
        "#,
    );
}

#[test]
fn realms() {
    check(
        r#"directory.realms = ["realm.example"]"#,
        r#"
        anna@realm.example | <anna@example.org> | From: anna@example.org | as sent
        anna@REALM.example | <anna@example.org> | From: anna@example.org | as sent
        anna@other.example | <anna@example.org> | From: anna@example.org | 550 5.7.1 the login anna@other.example may not …
        @realm.example     | <anna@example.org> | From: anna@example.org | 550 5.7.1 the login @realm.example may not …
        "#,
    );
}

#[test]
fn accounts() {
    check(
        r#"
        [[account]]
        login = "scanner"
        may_send = ["scanner@example.org", "*@scans.example"]
        envelope = ["*@bounces.example"]
        [[account]]
        login = "lists"
        may_send = ["*"]
        envelope = ["*"]
        [[account]]
        login = "anna"
        may_send = ["newsletter@example.org"]
        [[account]]
        login = "ghost"
        envelope = ["ghost@example.org"]
        "#,
        r#"
        scanner | <scanner@example.org> | From: Scanner <SCANNER@example.org>    | as sent
        SCANNER | <x@scans.example>     | From: floor-3@Scans.Example            | as sent
        scanner | <17@bounces.example>  | From: scanner@example.org              | as sent
        scanner | <>                    | From: scanner@example.org              | as sent
        scanner | <boss@example.org>    | From: scanner@example.org              | 550 5.7.1 <boss@example.org>: you may not …
        scanner | <scanner@example.org> | From: boss@example.org                 | 550 5.7.1 <boss@example.org>: you may not …
        scanner | <scanner@example.org> | From: x@sub.scans.example              | 550 5.7.1 <x@sub.scans.example>: you may not …
        scanner | <>                    | From: 17@bounces.example               | 550 5.7.1 <17@bounces.example>: you may not …
        scanner | <>                    | From: scanner@example.org, x@scans.example | Sender: <scanner@example.org>
        lists   | <boss@example.org>    | From: boss@example.org                 | as sent
        lists   | <x@elsewhere.example> | From: y@elsewhere.example              | as sent
        anna    | <anna@example.org>    | From: newsletter@example.org           | as sent
        anna    | <anna@example.org>    | From: a.adams@example.org              | as sent
        anna    | <anna@example.org>    | From: boss@example.org                 | 550 5.7.1 <boss@example.org>: you may not …
        carl    | <carl@example.org>    | From: newsletter@example.org           | 550 5.7.1 <newsletter@example.org>: you may not …
        ghost   | <ghost@example.org>   | From: ghost@example.org                | 550 5.7.1 <ghost@example.org>: you may not …
        "#,
    );
}

#[test]
fn denied_contact() {
    check(
        r#"denied.contact = "postmaster@example.org""#,
        r#"
        anna  | <anna@example.org>  | From: boss@example.org | 550 5.7.1 <boss@example.org>: you may not send as or on behalf of this address; ask postmaster@example.org
        ghost | <ghost@example.org> | From: boss@example.org | 550 5.7.1 the login ghost may not send mail here: nothing is known of it; ask postmaster@example.org
        anna  | <anna@example.org>  | Subject: no From       | 554 5.6.0 there is no From field
        "#,
    );
}

#[test]
fn from_is_bounded() {
    let authors = |n: usize| {
        let addresses: Vec<_> = (0..n).map(|i| format!("anna+{i}@example.org")).collect();
        addresses.join(",\\r\\n ")
    };
    let octets = |n: usize| format!("{} <anna@example.org>", vec!["x".repeat(500); n / 500].join("\\r\\n "));
    check(
        "",
        &[
            format!(
                r#"anna | <anna@example.org> | From: {} | Sender: "Anna Adams" <anna@example.org>"#,
                authors(32)
            ),
            format!("anna | <anna@example.org> | From: {} | 554 5.6.0 …", authors(33)),
            format!("anna | <anna@example.org> | From: {} | as sent", octets(8000)),
            format!("anna | <anna@example.org> | From: {} | 554 5.6.0 …", octets(8500)),
        ]
        .join("\n"),
    );
}
