//! What is asked of Active Directory, and what it answers in its own way.

use super::*;

fn domain(server: &FakeServer) -> LdapDirectory {
    with_schema(server, Schema::preset("active-directory").unwrap())
}

fn user(name: &str, more: &[(&str, &[&str])]) -> Vec<u8> {
    let login: (&str, &[&str]) = ("sAMAccountName", &[name]);
    entry(format!("cn={name},dc=org"), &[&[login], more].concat())
}

#[tokio::test]
async fn references_to_other_partitions_are_ignored() {
    let server = FakeServer::start();
    let directory = domain(&server);
    let acts = [
        reference("ldap://example.org/CN=Configuration,DC=example,DC=org"),
        user("anna", &[]),
        reference("ldap://DomainDnsZones.example.org/DC=DomainDnsZones,DC=example,DC=org"),
        done(0),
    ];
    server.on_search(move |_| acts.clone().map(Act::Say).to_vec());
    assert!(directory.by_login("anna", None).await.unwrap().is_some());
    // RFC 4511 section 4.1.10: a server that sends us elsewhere has not answered.
    server.on_search(|_| vec![Act::Say(result(0x65, 10, "elsewhere", &["ldap://other/dc=org"]))]);
    match directory.by_login("anna", None).await {
        Err(Failure::BadAnswer(why)) => assert!(why.contains("referral (10)"), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn descriptors_are_asked_for_where_they_grant() {
    let server = FakeServer::start();
    let directory = domain(&server);
    let member = [Arc::new(anna())];
    let of = async |question| match question {
        "by_login" => directory.by_login("anna", None).await.map(drop),
        "by_address" => directory.by_address(&[address("anna@example.org")], None).await.map(drop),
        "security groups" => directory.groups_of(&member, Groups::Security).await.map(drop),
        "other groups" => directory.groups_of(&member, Groups::Others).await.map(drop),
        _ => directory.by_dn(&dn("cn=anna,dc=org")).await.map(drop),
    };
    for question in ["by_login", "by_address", "security groups", "other groups", "by_dn"] {
        of(question).await.unwrap();
        let of_groups = question.ends_with("groups");
        for request in server.searches() {
            let has = |name: &str| request.attrs.iter().any(|asked| asked == name);
            assert!(has("objectSid") && has("primaryGroupID"), "{question}: {:?}", request.attrs);
            assert_ne!(has("nTSecurityDescriptor"), of_groups, "{question}: {:?}", request.attrs);
        }
    }
}

#[tokio::test]
async fn addresses_are_asked_for_with_their_type() {
    let server = FakeServer::start();
    let directory = domain(&server);
    let asked = address("anna@example.org");
    for (name, attributes, found) in [
        ("a proxy address", &[("proxyAddresses", &["X500:/o=x", "smtp:Anna@Example.org"][..])][..], Ok(1)),
        ("no proxy addresses", &[("mail", &["anna@example.org"][..])], Ok(1)),
        (
            "mail that does not count",
            &[("mail", &["anna@example.org"][..]), ("proxyAddresses", &["SMTP:other@example.org"][..])],
            Ok(0),
        ),
        ("a proxy address of another kind", &[("proxyAddresses", &["sip:anna@example.org"][..])], Err(())),
    ] {
        server.holds(&[user("anna", attributes)]);
        let answer = directory.by_address(std::slice::from_ref(&asked), None).await;
        assert_eq!(answer.map(|entries| entries.len()).map_err(drop), found, "{name}");
        let filter = format!("{:?}", server.searches()[0].filter);
        assert!(filter.contains("smtp:anna@example.org"), "{filter}");
    }
}
