use std::path::Path;

use super::*;
use crate::admin::roll::Roll;

/// A configuration in `conf`: its directory is read from beside it.
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/conf/test.toml");

const CONFIG: &str = "\
[directory]
urls = [\"file:demo.ldif\"]
[delegation]
enabled = true
[policy]
group_members = \"send-on-behalf\"
[[account]]
login = \"scanner\"
may_send = [\"scanner@example.org\", \"copier@example.org\", \"*@example.net\", \"fax@[192.0.2.1]\"]
[[account]]
login = \"anna\"
may_send = [\"press@example.org\"]
";

fn config() -> Config {
    Config::parse(CONFIG, Path::new(FILE)).unwrap()
}

async fn company(config: &Config) -> Vec<Found> {
    let backend = open::command(config.clone()).unwrap().lookup.directory;
    Roll::new(&backend, config).unwrap().company().await.unwrap()
}

async fn told<L: Lookup>(judge: &mut Judge<'_, L>, login: &str, address: &Address) -> (bool, String) {
    match judge.verdict(login, address).await.unwrap() {
        Verdict::Allowed(by) => (true, by.to_owned()),
        Verdict::Refused(why) => (false, why),
    }
}

#[tokio::test]
async fn one_address_of_many_is_judged_as_all() {
    let config = config();
    let company = company(&config).await;
    let site = open::command(config).unwrap();
    let (mut each, mut all) = (Judge::with(&site, 0), Judge::with(&site, usize::MAX));
    let mut addresses: Vec<_> = company.iter().flat_map(|found| found.entry.addresses()).cloned().collect();
    for more in ["copier", "scanner", "press", "nobody", "ANNA", "anna+news", "b\u{f6}ss"] {
        addresses.push(Address::from_parts(more, "example.org").unwrap());
    }
    addresses.extend(
        ["any@example.net", "fax@[192.0.2.1]", "x@[192.0.2.1]"].map(|own| Address::parse(own).unwrap()),
    );
    let mut logins: Vec<_> = company.iter().filter_map(|found| found.entry.logins().next()).collect();
    logins.extend(["scanner", "nobody"]);
    let mut own = 0;
    for login in logins {
        for address in &addresses {
            let narrowed = told(&mut each, login, address).await;
            assert_eq!(narrowed, told(&mut all, login, address).await, "{login} {address}");
            own += usize::from(narrowed == (true, "own".to_owned()));
        }
    }
    assert!(own > 10 && all.own.is_empty() && !each.own.is_empty(), "{own}");
}

#[tokio::test]
async fn principals_by_whom_they_may_grant_to() {
    let config = config();
    let company = company(&config).await;
    let site = open::command(config).unwrap();
    let mut judge = Judge::new(&site);
    let mut found = 0;
    for members_count in [true, false] {
        let principals = Principals::new(company.iter().map(|found| Arc::clone(&found.entry)), members_count);
        let mut rules = site.rules.grants.clone();
        rules.group_members = rules.group_members.filter(|_| members_count);
        for login in company.iter().filter_map(|found| found.entry.logins().next()) {
            // Several have one login, and nobody is it.
            let Ok(submitter) = judge.submitter(login).await else { continue };
            let grants =
                |entry: &&Arc<Entry>| grant::rights_for(entry, &submitter, &rules) != Rights::default();
            let by_name: Vec<_> = principals.of(&submitter).filter(grants).map(|entry| &entry.dn).collect();
            let each: Vec<_> = principals.all.iter().filter(grants).map(|entry| &entry.dn).collect();
            assert_eq!(by_name, each, "{login}");
            found += each.len();
        }
    }
    assert!(found > 2, "{found}");
}
