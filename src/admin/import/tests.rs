//! Plans and comparisons without Postfix.

use std::path::Path;

use super::*;
use crate::address::Address;
use crate::admin::roll::Found;

/// A configuration in `conf`: its directory is read from beside it.
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/conf/test.toml");

const CONFIG: &str = "[directory]\nurls = [\"file:demo.ldif\"]\n[delegation]\nenabled = true\n";

/// The demo, and who is in it.
pub(super) async fn company() -> (Config, Vec<Found>) {
    let config = Config::parse(CONFIG, Path::new(FILE)).unwrap();
    let backend = open::command(config.clone()).unwrap().lookup.directory;
    let company = Roll::new(&backend, &config).unwrap().company().await.unwrap();
    (config, company)
}

/// Who has how many addresses, and what they amount to.
const MANY: [(&[&str], usize, Amounts); 3] = [
    (&["anna"], 8_000, Amounts::Alias),
    (&["scanner"], 4_000, Amounts::Account),
    (&["bea", "carl"], 2_000, Amounts::Account),
];

/// What takes a step for each other address, for each of them, does not end within minutes.
#[tokio::test]
async fn thousands_of_addresses_of_one_login() {
    let (config, company) = company().await;
    let site = open::command(config.clone()).unwrap();
    let roll = Roll::new(&site.lookup.directory, &config).unwrap();
    let maps = LoginMaps::of(MANY.iter().enumerate().flat_map(|(kind, (logins, count, _))| {
        (0..*count).map(move |number| {
            let address = Address::parse(&format!("a{number}.{kind}@example.org")).unwrap();
            (address, logins.iter().map(|login| (*login).to_owned()).collect())
        })
    }));
    let planner = Planner::new(&config, &site, &roll, &company, None, false).await.unwrap();
    let plan = planner.plan(&maps).await.unwrap();
    for (logins, count, amounts_to) in MANY {
        for login in logins {
            let of_login: Vec<_> = plan.rows.iter().filter(|row| row.login == *login).collect();
            assert_eq!(of_login.len(), count, "{login}");
            assert!(of_login.iter().all(|row| row.amounts_to == amounts_to), "{login}");
        }
    }
    let ldif = ldif::write(&plan);
    assert_eq!(ldif.lines().filter(|line| line.starts_with("delegationAlias: ")).count(), 8_000);
    assert_eq!(accounts::write(&plan).matches("@example.org\"").count(), 4_000 + 2 * 2_000);
    let compared = verdicts::compare(config, plan, &maps, &company, true).await.unwrap();
    assert_eq!(compared.lost.len(), 0);
}
