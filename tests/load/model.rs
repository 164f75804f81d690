//! What the directory says, and what follows from it, as simply as it can be said: a person may write as themselves, and as
//! somebody else by a right that all who hold the address gave to the person or to a group that the person is in. Nothing
//! of the program is used here: it is what the program is held against.

use std::collections::BTreeSet;

use fastrand::Rng;

use crate::support::slapd::SUFFIX;

pub(crate) const PEOPLE: usize = 40;
pub(crate) const ALIASES: usize = 12;
pub(crate) const GROUPS: usize = 8;
/// Each person's own, then the aliases.
pub(crate) const ADDRESSES: usize = PEOPLE + ALIASES;

/// Who may be given a right, or be in a group.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Name {
    Person(usize),
    Group(usize),
}

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Right {
    OnBehalf,
    SendAs,
    Schedule,
}

const RIGHTS: [Right; 3] = [Right::OnBehalf, Right::SendAs, Right::Schedule];

/// What becomes of a message with one author.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    Refused,
    Own,
    OnBehalf,
    SendAs,
    /// On behalf, if it is an invitation.
    Schedule,
}

#[derive(Clone, Debug, Default)]
struct Person {
    is_there: bool,
    aliases: BTreeSet<usize>,
    grants: BTreeSet<(Right, Name)>,
    /// `delegationEnabled`
    enabled: Option<bool>,
    /// What nobody reads.
    note: u32,
}

/// What a group is by its mail address and `delegationSecurityGroup`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Kind {
    #[default]
    Security,
    List,
    SecurityWithMail,
}

#[derive(Clone, Debug, Default)]
struct Group {
    kind: Kind,
    members: BTreeSet<Name>,
}

/// What the directory says of who writes.
pub(crate) struct Writer {
    is_there: bool,
    addresses: BTreeSet<usize>,
    /// The person, and the groups that count.
    identities: BTreeSet<Name>,
}

/// All entries.
#[derive(Clone, Debug)]
pub(crate) struct Directory {
    people: Vec<Person>,
    groups: Vec<Group>,
}

/// One change of one entry.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Change {
    Grant(usize, Right, Name),
    Revoke(usize, Right, Name),
    Join(usize, Name),
    Leave(usize, Name),
    GiveAlias(usize, usize),
    TakeAlias(usize, usize),
    Enable(usize, Option<bool>),
    Turn(usize, Kind),
    Remove(usize),
    Restore(usize),
    Note(usize),
}

/// What makes a change, whatever was done of it before.
#[derive(Clone, Debug)]
pub(crate) enum Operation {
    Replace(String, Vec<(&'static str, Vec<String>)>),
    Add(String, Vec<(&'static str, Vec<String>)>),
    Delete(String),
}

/// The address with this number.
pub(crate) fn address(number: usize) -> String {
    match number.checked_sub(PEOPLE) {
        None => format!("p{number}@example.org"),
        Some(alias) => format!("a{alias}@example.org"),
    }
}

/// The login of a person, whose primary address begins with it.
pub(crate) fn login(person: usize) -> String {
    format!("p{person}")
}

fn any_name(rng: &mut Rng) -> Name {
    if rng.u8(..10) < 4 { Name::Group(rng.usize(..GROUPS)) } else { Name::Person(rng.usize(..PEOPLE)) }
}

impl Directory {
    pub(crate) fn new(rng: &mut Rng) -> Self {
        let mut directory =
            Self { people: vec![Person::default(); PEOPLE], groups: vec![Group::default(); GROUPS] };
        for person in &mut directory.people {
            person.is_there = true;
            person.grants.extend((0..5).map(|_| (RIGHTS[rng.usize(..3)], any_name(rng))));
        }
        for alias in 0..ALIASES {
            directory.people[rng.usize(..PEOPLE)].aliases.insert(alias);
        }
        for number in 0..GROUPS {
            let members = (0..5).map(|_| any_name(rng)).filter(|name| *name != Name::Group(number));
            directory.groups[number].members = members.collect();
        }
        directory
    }

    // ------------------------------------------------------------------------------------------------- what follows

    /// The verdict on each person with each address: `person * ADDRESSES + address`.
    pub(crate) fn verdicts(&self) -> Vec<Verdict> {
        let pairs = (0..PEOPLE).flat_map(|person| {
            let writer = self.writer(person);
            (0..ADDRESSES).map(move |address| self.verdict(&writer, address))
        });
        pairs.collect()
    }

    /// What is asked by the login.
    pub(crate) fn writer(&self, number: usize) -> Writer {
        let person = &self.people[number];
        Writer {
            is_there: person.is_there,
            addresses: person.aliases.iter().map(|alias| PEOPLE + alias).chain([number]).collect(),
            identities: self.identities(number),
        }
    }

    /// A person, and the security groups that the person is in through security groups alone.
    fn identities(&self, person: usize) -> BTreeSet<Name> {
        let mut identities = BTreeSet::from([Name::Person(person)]);
        loop {
            let before = identities.len();
            for (number, group) in self.groups.iter().enumerate() {
                if group.kind != Kind::List && !group.members.is_disjoint(&identities) {
                    identities.insert(Name::Group(number));
                }
            }
            if identities.len() == before {
                return identities;
            }
        }
    }

    /// What is asked by the author's address, and what follows from both. The writer may be of another state: there are two
    /// questions, and the directory may change between them.
    pub(crate) fn verdict(&self, writer: &Writer, address: usize) -> Verdict {
        if !writer.is_there {
            return Verdict::Refused;
        }
        if writer.addresses.contains(&address) {
            return Verdict::Own;
        }
        let holders = self.holders(address);
        let all_grant = |right| {
            let grants = |holder: &usize| self.people[*holder].grants_to(right, *holder, &writer.identities);
            !holders.is_empty() && holders.iter().all(grants)
        };
        match RIGHTS.into_iter().find(|right| all_grant(*right)) {
            Some(Right::OnBehalf) => Verdict::OnBehalf,
            Some(Right::SendAs) => Verdict::SendAs,
            Some(Right::Schedule) => Verdict::Schedule,
            None => Verdict::Refused,
        }
    }

    /// Who has the address.
    fn holders(&self, address: usize) -> Vec<usize> {
        let has = |person: &usize| match address.checked_sub(PEOPLE) {
            None => *person == address,
            Some(alias) => self.people[*person].aliases.contains(&alias),
        };
        (0..PEOPLE).filter(|person| self.people[*person].is_there).filter(has).collect()
    }

    // --------------------------------------------------------------------------------------------------- what changes

    /// Changes that belong together, in their order.
    pub(crate) fn propose(&self, rng: &mut Rng) -> Vec<Change> {
        if let Some(gone) = (0..PEOPLE).find(|person| !self.people[*person].is_there) {
            return vec![Change::Restore(gone)];
        }
        let (person, group) = (rng.usize(..PEOPLE), rng.usize(..GROUPS));
        match rng.u8(..20) {
            0..6 => vec![self.other_grant(person, rng)],
            6..10 => vec![self.other_member(group, rng)],
            10..12 => self.nest_anew(group, rng),
            12..15 => self.move_alias(rng),
            15 => vec![Change::Enable(person, [None, Some(true), Some(false)][rng.usize(..3)])],
            16 => {
                let kinds = [Kind::Security, Kind::List, Kind::SecurityWithMail];
                vec![Change::Turn(group, kinds[rng.usize(..3)])]
            }
            17..19 => vec![Change::Remove(person)],
            _ => vec![Change::Note(person)],
        }
    }

    /// Somebody has about five grants.
    fn other_grant(&self, person: usize, rng: &mut Rng) -> Change {
        let grants: Vec<_> = self.people[person].grants.iter().collect();
        if grants.len() > rng.usize(..10) {
            let (right, name) = grants[rng.usize(..grants.len())];
            return Change::Revoke(person, *right, *name);
        }
        Change::Grant(person, RIGHTS[rng.usize(..3)], any_name(rng))
    }

    fn other_member(&self, group: usize, rng: &mut Rng) -> Change {
        let members: Vec<_> = self.groups[group].members.iter().collect();
        if members.len() > rng.usize(..10) {
            return Change::Leave(group, *members[rng.usize(..members.len())]);
        }
        Change::Join(group, Name::Person(rng.usize(..PEOPLE)))
    }

    /// A group leaves the one that it is in, and joins another; rings may come of it.
    fn nest_anew(&self, group: usize, rng: &mut Rng) -> Vec<Change> {
        let name = Name::Group(group);
        let above = (0..GROUPS).find(|above| self.groups[*above].members.contains(&name));
        let other = (group + 1 + rng.usize(..GROUPS - 1)) % GROUPS;
        above.map(|above| Change::Leave(above, name)).into_iter().chain([Change::Join(other, name)]).collect()
    }

    /// From one to another: for a moment nobody has it, or both.
    fn move_alias(&self, rng: &mut Rng) -> Vec<Change> {
        let alias = rng.usize(..ALIASES);
        let to = rng.usize(..PEOPLE);
        let give = Change::GiveAlias(to, alias);
        match self.holders(PEOPLE + alias).first() {
            Some(from) if *from == to => vec![],
            Some(from) if rng.bool() => vec![Change::TakeAlias(*from, alias), give],
            Some(from) => vec![give, Change::TakeAlias(*from, alias)],
            None => vec![give],
        }
    }

    pub(crate) fn apply(&mut self, change: Change) {
        let (people, groups) = (&mut self.people, &mut self.groups);
        match change {
            Change::Grant(person, right, name) => drop(people[person].grants.insert((right, name))),
            Change::Revoke(person, right, name) => drop(people[person].grants.remove(&(right, name))),
            Change::Join(group, name) => drop(groups[group].members.insert(name)),
            Change::Leave(group, name) => drop(groups[group].members.remove(&name)),
            Change::GiveAlias(person, alias) => drop(people[person].aliases.insert(alias)),
            Change::TakeAlias(person, alias) => drop(people[person].aliases.remove(&alias)),
            Change::Enable(person, enabled) => people[person].enabled = enabled,
            Change::Turn(group, kind) => groups[group].kind = kind,
            Change::Remove(person) => people[person].is_there = false,
            Change::Restore(person) => people[person].is_there = true,
            Change::Note(person) => people[person].note += 1,
        }
    }

    // ------------------------------------------------------------------------------------------------------- as LDAP

    /// What makes a change that was applied here.
    pub(crate) fn operation(&self, change: Change) -> Operation {
        let of_person = |person, names: &[&str]| {
            let values = self.person_values(person);
            Operation::Replace(person_dn(person), only(values, names))
        };
        let of_group = |group, names: &[&str]| {
            Operation::Replace(group_dn(group), only(self.group_values(group), names))
        };
        match change {
            Change::Grant(person, right, _) | Change::Revoke(person, right, _) => {
                of_person(person, &[attribute(right)])
            }
            Change::GiveAlias(person, _) | Change::TakeAlias(person, _) => {
                of_person(person, &["delegationAlias"])
            }
            Change::Enable(person, _) => of_person(person, &["delegationEnabled"]),
            Change::Note(person) => of_person(person, &["description"]),
            Change::Join(group, _) | Change::Leave(group, _) => of_group(group, &["member"]),
            Change::Turn(group, _) => of_group(group, &["mail", "delegationSecurityGroup"]),
            Change::Remove(person) => Operation::Delete(person_dn(person)),
            Change::Restore(person) => Operation::Add(person_dn(person), self.person_values(person)),
        }
    }

    /// All of it as LDIF.
    pub(crate) fn ldif(&self) -> String {
        let people = (0..PEOPLE).map(|person| (person_dn(person), self.person_values(person)));
        let groups = (0..GROUPS).map(|group| (group_dn(group), self.group_values(group)));
        people.chain(groups).map(|(dn, values)| entry(&dn, &values)).collect()
    }

    fn person_values(&self, number: usize) -> Vec<(&'static str, Vec<String>)> {
        let person = &self.people[number];
        let granted = |right| {
            let named = person.grants.iter().filter(move |grant| grant.0 == right);
            named.map(|(_, name)| name.dn()).collect()
        };
        vec![
            ("objectClass", vec!["inetOrgPerson".to_owned(), "delegationPrincipal".to_owned()]),
            ("uid", vec![login(number)]),
            ("cn", vec![format!("Person {number}")]),
            ("sn", vec![number.to_string()]),
            ("mail", vec![address(number)]),
            ("description", vec![format!("note {}", person.note)]),
            ("delegationAlias", person.aliases.iter().map(|alias| address(PEOPLE + alias)).collect()),
            ("delegationSendOnBehalf", granted(Right::OnBehalf)),
            ("delegationSendAs", granted(Right::SendAs)),
            ("delegationSchedule", granted(Right::Schedule)),
            ("delegationEnabled", person.enabled.iter().map(|on| on.to_string().to_uppercase()).collect()),
        ]
    }

    fn group_values(&self, number: usize) -> Vec<(&'static str, Vec<String>)> {
        let group = &self.groups[number];
        // A group has a member (RFC 4519 section 3.5).
        let nobody = format!("cn=nobody,{SUFFIX}");
        let (mail, security) = match group.kind {
            Kind::Security => (None, None),
            Kind::List => (Some(()), None),
            Kind::SecurityWithMail => (Some(()), Some("TRUE".to_owned())),
        };
        vec![
            ("objectClass", vec!["groupOfNames".to_owned(), "delegationGroup".to_owned()]),
            ("cn", vec![format!("g{number}")]),
            ("member", group.members.iter().map(Name::dn).chain([nobody]).collect()),
            ("mail", mail.map(|()| format!("g{number}@example.org")).into_iter().collect()),
            ("delegationSecurityGroup", security.into_iter().collect()),
        ]
    }
}

impl Person {
    /// What administrators grant counts always; the rest where delegation is enabled, as it is for the server. What
    /// somebody grants to themselves is nothing.
    fn grants_to(&self, right: Right, own: usize, identities: &BTreeSet<Name>) -> bool {
        let counts = right == Right::SendAs || self.enabled.unwrap_or(true);
        let others = identities.iter().filter(|name| **name != Name::Person(own));
        counts && others.copied().any(|name| self.grants.contains(&(right, name)))
    }
}

impl Name {
    fn dn(&self) -> String {
        match self {
            Self::Person(number) => person_dn(*number),
            Self::Group(number) => group_dn(*number),
        }
    }
}

fn person_dn(number: usize) -> String {
    format!("uid=p{number},{SUFFIX}")
}

fn group_dn(number: usize) -> String {
    format!("cn=g{number},{SUFFIX}")
}

fn attribute(right: Right) -> &'static str {
    match right {
        Right::OnBehalf => "delegationSendOnBehalf",
        Right::SendAs => "delegationSendAs",
        Right::Schedule => "delegationSchedule",
    }
}

fn only(values: Vec<(&'static str, Vec<String>)>, names: &[&str]) -> Vec<(&'static str, Vec<String>)> {
    values.into_iter().filter(|(name, _)| names.contains(name)).collect()
}

fn entry(dn: &str, values: &[(&str, Vec<String>)]) -> String {
    let lines = values.iter().flat_map(|(name, values)| values.iter().map(move |value| (name, value)));
    let lines: String = lines.map(|(name, value)| format!("{name}: {value}\n")).collect();
    format!("dn: {dn}\n{lines}\n")
}

/// Rights meet, groups nest, lists part: what each says of a person and an address, by hand.
#[test]
fn what_follows_by_hand() {
    let mut rng = Rng::with_seed(1);
    let mut directory = Directory::new(&mut rng);
    directory.people.iter_mut().for_each(|person| *person = Person { is_there: true, ..Person::default() });
    directory.groups.iter_mut().for_each(|group| *group = Group::default());
    let (member, inner, outer, alias) = (Name::Person(1), Name::Group(0), Name::Group(1), PEOPLE + 3);
    let table: &[(Change, usize, Verdict)] = &[
        (Change::Note(0), 1, Verdict::Own),
        (Change::Note(0), 0, Verdict::Refused),
        (Change::Grant(0, Right::Schedule, member), 0, Verdict::Schedule),
        (Change::Grant(0, Right::SendAs, outer), 0, Verdict::Schedule),
        (Change::Join(0, member), 0, Verdict::Schedule),
        (Change::Join(1, inner), 0, Verdict::SendAs),
        (Change::Turn(0, Kind::List), 0, Verdict::Schedule),
        (Change::Turn(0, Kind::SecurityWithMail), 0, Verdict::SendAs),
        (Change::Join(0, outer), 0, Verdict::SendAs),
        (Change::Grant(0, Right::OnBehalf, inner), 0, Verdict::OnBehalf),
        (Change::Enable(0, Some(false)), 0, Verdict::SendAs),
        (Change::Note(0), alias, Verdict::Refused),
        (Change::GiveAlias(0, 3), alias, Verdict::SendAs),
        (Change::GiveAlias(2, 3), alias, Verdict::Refused),
        (Change::Remove(2), alias, Verdict::SendAs),
        (Change::Restore(2), alias, Verdict::Refused),
        (Change::GiveAlias(1, 3), alias, Verdict::Own),
        (Change::Leave(1, inner), 0, Verdict::Refused),
        (Change::Enable(0, None), 0, Verdict::OnBehalf),
        (Change::Remove(1), 0, Verdict::Refused),
        (Change::Note(0), 1, Verdict::Refused),
    ];
    for (change, address, verdict) in table {
        directory.apply(*change);
        assert_eq!(directory.verdicts()[ADDRESSES + address], *verdict, "{change:?}");
    }
}

/// The two questions are answered one after the other.
#[test]
fn a_writer_of_another_state() {
    let mut directory = Directory::new(&mut Rng::with_seed(1));
    directory.people.iter_mut().for_each(|person| *person = Person { is_there: true, ..Person::default() });
    let before = directory.writer(1);
    for change in [Change::GiveAlias(1, 3), Change::Grant(1, Right::SendAs, Name::Person(1))] {
        directory.apply(change);
    }
    assert_eq!(directory.verdict(&before, PEOPLE + 3), Verdict::Refused);
    assert_eq!(directory.verdict(&directory.writer(1), PEOPLE + 3), Verdict::Own);
    directory.apply(Change::Remove(1));
    assert_eq!(directory.verdict(&directory.writer(1), PEOPLE + 3), Verdict::Refused);
}
