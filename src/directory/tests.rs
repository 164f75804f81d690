use std::sync::Mutex;

use futures_util::FutureExt;

use super::*;

fn dn(name: &str) -> Dn {
    Dn::parse(&format!("cn={name},dc=org")).unwrap()
}

fn entry(name: &str) -> Arc<Entry> {
    let dn = dn(name);
    Arc::new(Entry {
        dn,
        name: None,
        mail: Default::default(),
        aliases: Default::default(),
        logins_but_mail: Default::default(),
        mail_logs_in: false,
        numbers: Default::default(),
        is_group: false,
        enabled: None,
        security: None,
        grants: Default::default(),
    })
}

/// Groups with their members, and the questions that were asked: how many members each.
#[derive(Default)]
struct Groupware {
    groups: Vec<(Groups, Arc<Entry>, Vec<Dn>)>,
    asked: Mutex<Vec<usize>>,
    fails_at: Option<usize>,
}

impl Groupware {
    /// Security groups as `group: member member`; distribution lists as `group; member member`.
    fn of(lines: &[&str]) -> Self {
        let group = |line: &&str| {
            let (kind, (name, members)) = match line.split_once(':') {
                Some(parts) => (Groups::Security, parts),
                None => (Groups::Others, line.split_once(';').unwrap()),
            };
            (kind, entry(name), members.split_whitespace().map(dn).collect())
        };
        Self { groups: lines.iter().map(group).collect(), ..Self::default() }
    }

    fn asked(&self) -> Vec<usize> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

impl Directory for Groupware {
    async fn by_login(&self, _: &str, _: Option<&Dn>) -> Result<Option<Arc<Entry>>, Failure> {
        panic!("the walk asks for groups only");
    }

    async fn by_address(&self, _: &[Address], _: Option<&Dn>) -> Result<Vec<Arc<Entry>>, Failure> {
        panic!("the walk asks for groups only");
    }

    async fn groups_of(&self, members: &[Arc<Entry>], kind: Groups) -> Result<Vec<Arc<Entry>>, Failure> {
        assert!((1..=MEMBERS_A_SEARCH).contains(&members.len()), "{}", members.len());
        let mut asked = self.asked.lock().unwrap();
        if self.fails_at == Some(asked.len()) {
            return Err(Failure::Unavailable("down".to_owned()));
        }
        asked.push(members.len());
        let holds = |names: &[Dn]| members.iter().any(|member| names.contains(&member.dn));
        let groups = self.groups.iter().filter(|(its, _, names)| *its == kind && holds(names));
        Ok(groups.map(|(_, group, _)| Arc::clone(group)).collect())
    }

    async fn by_dn(&self, _: &Dn) -> Result<Option<Arc<Entry>>, Failure> {
        panic!("the walk asks for groups only");
    }

    async fn by_sid(&self, _: &Sid) -> Result<Option<Arc<Entry>>, Failure> {
        panic!("the walk asks for groups only");
    }
}

/// anna's groups, each with the one through which it was found: `office<staff`.
fn walk(
    directory: &Groupware,
    depth: usize,
    batch: usize,
    admits: impl Fn(&Dn) -> bool + Send,
) -> Vec<String> {
    let groups =
        security_groups(directory, &entry("anna"), depth, batch, admits).now_or_never().unwrap().unwrap();
    let name = |index: usize| groups[index].group.dn.as_str().split(['=', ',']).nth(1).unwrap().to_owned();
    let through =
        |membership: &Membership| membership.through.map(|at| format!("<{}", name(at))).unwrap_or_default();
    groups.iter().enumerate().map(|(index, membership)| name(index) + &through(membership)).collect()
}

#[test]
fn upwards_through_security_groups_alone() {
    for (lines, expected) in [
        (vec![], ""),
        (vec!["staff: bea"], ""),
        (vec!["staff: anna bea"], "staff"),
        (vec!["b: anna", "a: anna"], "b a"),
        (vec!["staff: anna", "office: staff", "house: office"], "staff office<staff house<office"),
        // Breadth first: what is near comes before what is far.
        (vec!["far: near", "near: anna", "next: anna"], "near next far<near"),
        // Each once, by the shortest way.
        (vec!["a: anna", "b: anna", "top: a b"], "a b top<a"),
        (vec!["a: anna", "b: a anna", "c: b"], "a b c<b"),
        // Rings end.
        (vec!["a: anna b", "b: a"], "a b<a"),
        (vec!["a: anna a"], "a"),
        (vec!["a: anna c", "b: a", "c: b"], "a b<a c<b"),
        (vec!["a: anna", "anna: a"], "a"),
        (vec!["anna: anna", "a: anna"], "a"),
        // Distribution lists lead nowhere, at any level.
        (vec!["list; anna"], ""),
        (vec!["list; anna", "staff: list"], ""),
        (vec!["staff: anna", "list; staff", "house: list"], "staff"),
        (
            vec!["staff: anna", "office: staff", "list; office", "house: list", "top: house"],
            "staff office<staff",
        ),
        (vec!["list; anna", "staff: list anna"], "staff"),
    ] {
        assert_eq!(walk(&Groupware::of(&lines), 16, 1, |_| true).join(" "), expected, "{lines:?}");
        // In batches the groups are the same; through which is not known.
        let expected: Vec<_> =
            expected.split_whitespace().map(|name| name.split('<').next().unwrap()).collect();
        assert_eq!(walk(&Groupware::of(&lines), 16, 200, |_| true), expected, "{lines:?}");
    }
}

/// One who is in as many groups as may be, and one who is in one more.
#[test]
fn in_too_many_groups() {
    let names: Vec<_> = (0..=MAX_GROUPS).map(|number| format!("g{number}: anna")).collect();
    let lines: Vec<_> = names.iter().map(String::as_str).collect();
    let groups = |directory: &Groupware| {
        let found = security_groups(directory, &entry("anna"), 1, 200, |_| true).now_or_never().unwrap();
        found.map(|found| found.len()).map_err(|failure| failure.to_string())
    };
    assert_eq!(groups(&Groupware::of(&lines[..MAX_GROUPS])), Ok(MAX_GROUPS));
    let why = groups(&Groupware::of(&lines)).unwrap_err();
    assert!(why.contains("cn=anna,dc=org is in more than 10000 security groups"), "{why}");
}

#[test]
fn no_deeper_than_asked() {
    let mut lines = vec!["g1: anna".to_owned()];
    lines.extend((1..30).map(|level| format!("g{}: g{level}", level + 1)));
    let directory = Groupware::of(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    for depth in [0, 1, 2, 16, 29, 30, 31] {
        for batch in [1, 200] {
            assert_eq!(walk(&directory, depth, batch, |_| true).len(), depth.min(30), "{depth} {batch}");
        }
        assert_eq!(directory.asked().len(), 2 * depth.min(31), "one question a level for either walk");
    }
}

#[test]
fn a_question_names_no_more_members_than_the_batch() {
    let names: Vec<_> = (0..450).map(|number| format!("g{number}: anna")).collect();
    let directory = Groupware::of(&names.iter().map(String::as_str).collect::<Vec<_>>());
    for (batch, questions) in [
        (200, vec![1, 200, 200, 50]),
        (150, vec![1, 150, 150, 150]),
        // More than a search may hold, and none at all, are brought into bounds.
        (1000, vec![1, 200, 200, 50]),
        (0, vec![1; 451]),
    ] {
        assert_eq!(walk(&directory, 16, batch, |_| true).len(), 450);
        assert_eq!(directory.asked(), questions, "{batch}");
    }
}

#[test]
fn what_is_not_admitted_leads_no_further() {
    let directory = Groupware::of(&["a: anna", "b: a", "c: b", "x: anna", "c2: x c"]);
    for (refused, expected) in [
        (vec![], "a x b<a c2<x c<b"),
        (vec!["b"], "a x c2<x"),
        (vec!["a"], "x c2<x"),
        (vec!["x"], "a b<a c<b c2<c"),
        (vec!["a", "x"], ""),
    ] {
        let refused: Vec<_> = refused.into_iter().map(dn).collect();
        assert_eq!(walk(&directory, 16, 1, |dn| !refused.contains(dn)).join(" "), expected, "{refused:?}");
    }
}

#[test]
fn a_failure_is_no_absence() {
    for fails_at in 0..3 {
        let mut directory = Groupware::of(&["a: anna", "b: a"]);
        directory.fails_at = Some(fails_at);
        let walk = security_groups(&directory, &entry("anna"), 16, 200, |_| true).now_or_never().unwrap();
        assert!(matches!(walk, Err(Failure::Unavailable(_))), "{fails_at}");
    }
}

#[test]
fn an_ambiguous_login_names_the_entries() {
    assert_eq!(
        Failure::AmbiguousLogin(vec![dn("a"), dn("b")]).to_string(),
        "several entries have the login: cn=a,dc=org and cn=b,dc=org"
    );
}
