//! Who may not send what: a second judgement, deliberately simple, that shares no code with the first. It knows the
//! directory as a table, and reads From in one of two ways. Either the field is of the plainest form, and then it surely
//! names these mailboxes; or nobody is sure, and then everything in it that looks like an address must be allowed.

use super::protocol::Claim;

/// The people: login, the primary address, an alias.
const PEOPLE: [(&str, &[&str]); 8] = [
    ("anna", &["anna@example.org", "a.adams@example.org"]),
    ("carl", &["carl@example.org"]),
    ("zoe", &["zoe@example.org"]),
    ("faye", &["faye@example.org"]),
    ("nomail", &[]),
    ("boss", &["boss@example.org"]),
    ("bea", &["bea@example.org", "b.brandt@example.org"]),
    ("dora", &["dora@example.org"]),
];

/// Everybody else who has a login, and nothing granted.
const OTHERS: [(&str, &str); 5] = [
    ("frida", "frida@example.org"),
    ("gina", "gina@example.org"),
    ("hana", "hana@example.org"),
    ("boes", "bös@example.org"),
    ("sam.two@example.org", "sam.two@example.org"),
];

/// Addresses that somebody has, and nobody may use but whom [`granted`] names.
const TAKEN: [&str; 8] = [
    "anna+plus@example.org",
    "info@example.org",
    "press@example.org",
    "sales@example.org",
    "team@example.org",
    "everyone@example.org",
    "sam@example.org",
    "sam.two@example.org",
];

/// What somebody may do with an address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum May {
    Own,
    OnBehalf,
    SendAs,
    Schedule,
    /// Nobody has it.
    Unknown,
    Not,
}

/// Whose login this is; none if nobody's.
pub(crate) fn person(login: &[u8]) -> Option<&'static str> {
    let login = String::from_utf8_lossy(login).to_ascii_lowercase();
    let login = login.strip_suffix("@realm.example").unwrap_or(&login);
    if login == "scanner" {
        return Some("scanner");
    }
    if login == "watched" {
        return Some("watched");
    }
    let mail = canonical(login);
    let named = |name: &str, address: Option<&&str>| name == login || address == Some(&mail.as_str());
    let people = PEOPLE.iter().find(|(name, addresses)| named(name, addresses.first()));
    let others = || OTHERS.iter().find(|(name, address)| named(name, Some(address)));
    let other_people = || others().map(|(name, _)| *name);
    people.map(|(name, _)| *name).or_else(other_people)
}

/// An address as all are compared here: in lower case, without the quotes that need not be, in the domain that counts.
pub(crate) fn canonical(address: &str) -> String {
    let address = address.to_ascii_lowercase();
    let Some((local, domain)) = address.rsplit_once('@') else { return address };
    let local = local.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(local);
    let local = local.replace('\\', "").replace("o\u{308}", "ö");
    let domain = if domain == "example.net" { "example.org" } else { domain };
    format!("{local}@{domain}")
}

fn owns(person: &str, address: &str) -> bool {
    let own = |(name, addresses): &(&str, &[&str])| *name == person && addresses.contains(&address);
    PEOPLE.iter().any(own)
        || OTHERS.contains(&(person, address))
        || person == "scanner" && (address == "scanner@example.org" || address.ends_with("@scan.example"))
}

fn is_taken(address: &str) -> bool {
    PEOPLE.iter().any(|(_, addresses)| addresses.contains(&address))
        || OTHERS.iter().any(|(_, own)| *own == address)
        || TAKEN.contains(&address)
}

/// What the settings and the table grant to a person.
fn granted(person: &str, address: &str, claim: &Claim) -> May {
    let has = |letter| claim.settings.has(letter);
    let enabled = !has('D');
    let on_behalf = if enabled { May::OnBehalf } else { May::Not };
    match (address, person) {
        ("bea@example.org" | "b.brandt@example.org", "anna" | "zoe" | "faye" | "nomail") => on_behalf,
        ("frida@example.org", "anna") if enabled && !has('p') => May::OnBehalf,
        ("dora@example.org" | "frida@example.org" | "info@example.org", "anna") => May::SendAs,
        ("sales@example.org" | "bös@example.org", "anna") => May::SendAs,
        ("hana@example.org", "anna") if enabled && !has('s') && may_hold_calendar(claim) => May::Schedule,
        ("team@example.org", "anna") if has('G') => May::SendAs,
        ("team@example.org", "anna") if has('g') => on_behalf,
        _ => May::Not,
    }
}

/// What the one who claims a message may do with an address, as it stands in the message.
pub(crate) fn may(claim: &Claim, address: &str) -> May {
    let Some(person) = claim.login.as_deref().and_then(person) else {
        return if is_somebodys(address) { May::Not } else { May::Unknown };
    };
    for form in forms(address) {
        if owns(person, &form) {
            return May::Own;
        }
        if is_taken(&form) {
            return granted(person, &form, claim);
        }
    }
    May::Unknown
}

fn is_somebodys(address: &str) -> bool {
    forms(address).iter().any(|form| is_taken(form))
}

/// The address, and without its extension.
fn forms(address: &str) -> Vec<String> {
    let whole = canonical(address);
    let extended = whole.split_once('+').zip(whole.rsplit_once('@')).filter(|_| !address.contains('"'));
    let base = extended.filter(|((local, _), _)| !local.is_empty() && !local.contains('@'));
    let base = base.map(|((local, _), (_, domain))| format!("{local}@{domain}"));
    std::iter::once(whole).chain(base).collect()
}

fn may_hold_calendar(claim: &Claim) -> bool {
    let kinds = fields(claim, b"Content-Type");
    let named = |kind: &&[u8]| {
        let kind = kind.to_ascii_lowercase();
        [&b"calendar"[..], b"ics", b"multipart"]
            .iter()
            .any(|name| kind.windows(name.len()).any(|part| part == *name))
    };
    (kinds.len() > 1 || kinds.iter().any(named)) && (!claim.waits || claim.body > 0)
}

/// The bodies of the fields with this name.
pub(crate) fn fields<'a>(claim: &'a Claim, name: &[u8]) -> Vec<&'a [u8]> {
    let named = claim.fields.iter().filter(|(own, _)| own.trim_ascii_end().eq_ignore_ascii_case(name));
    named.map(|(_, body)| body.as_slice()).collect()
}

/// Whether the claim is only watched.
pub(crate) fn is_watched(claim: &Claim) -> bool {
    claim.settings.has('o')
        || claim.login.as_deref().is_some_and(|login| login.eq_ignore_ascii_case(b"watched"))
}

/// Why a message must not be accepted; none if it may be.
pub(crate) fn forbids(claim: &Claim, failed: usize) -> Option<String> {
    let Some(login) = &claim.login else {
        return claim.settings.has('u').then(|| "nobody logged in".to_owned()).filter(|_| !is_watched(claim));
    };
    if is_watched(claim) {
        return None;
    }
    if failed != claim.failed_before {
        return Some("the directory did not answer".to_owned());
    }
    if login.eq_ignore_ascii_case(b"sam") {
        return Some("nobody knows which of two logged in".to_owned());
    }
    if person(login).is_none() && !claim.settings.has('S') {
        return Some("nobody has the login".to_owned());
    }
    let from = fields(claim, b"From");
    let [from] = from[..] else { return Some(format!("{} From fields", from.len())) };
    let resent = fields(claim, b"Resent-From").first().copied();
    let resent_by_self =
        resent.is_some_and(|field| speakers(field).iter().all(|own| may(claim, own) == May::Own));
    let waived = claim.settings.has('U') || claim.settings.has('r') && resent_by_self;
    let who = check_field(claim, from, waived).map(|who| format!("From has {who}"));
    let who = who.or_else(|| resent.and_then(|field| check_field(claim, field, false)));
    who.or_else(|| check_path(claim))
}

/// The addresses of a field that speak.
fn speakers(field: &[u8]) -> Vec<String> {
    let not_sure =
        || tokens(field).into_iter().filter(|token| !token.hidden).map(|token| token.address).collect();
    sure(field).unwrap_or_else(not_sure)
}

/// What in a field is not allowed.
fn check_field(claim: &Claim, field: &[u8], unknown_passes: bool) -> Option<String> {
    let allowed = |address: &str| match may(claim, address) {
        May::Own | May::OnBehalf | May::SendAs | May::Schedule => true,
        May::Unknown => unknown_passes,
        May::Not => false,
    };
    let speakers = speakers(field);
    if speakers.is_empty() {
        return Some(format!("nobody: {:?}", String::from_utf8_lossy(field)));
    }
    let hidden = tokens(field).into_iter().filter(|token| token.hidden && shows_local(claim, &token.address));
    let shown = hidden.map(|token| token.address).find(|address| {
        !speakers.iter().any(|speaker| canonical(speaker) == canonical(address))
            && matches!(may(claim, address), May::Not | May::Unknown)
    });
    speakers.into_iter().find(|address| !allowed(address)).or(shown)
}

/// Whether display text may not show this address unless it is allowed.
fn shows_local(claim: &Claim, address: &str) -> bool {
    let domain = canonical(address).rsplit_once('@').is_some_and(|(_, domain)| domain == "example.org");
    let own_domain = claim.login.as_deref().and_then(person).is_some_and(|person| {
        PEOPLE.iter().any(|(name, addresses)| *name == person && !addresses.is_empty())
    });
    !claim.settings.has('n') && own_domain && domain
}

/// What in MAIL FROM is not allowed.
fn check_path(claim: &Claim) -> Option<String> {
    if claim.settings.has('k') {
        return None;
    }
    let path = String::from_utf8_lossy(&claim.path);
    let path = path.trim();
    let inner = path.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')).unwrap_or(path);
    let is_any = claim.login.as_deref().and_then(person) == Some("scanner");
    if inner.is_empty() || is_any {
        return None;
    }
    let routed = inner.strip_prefix('@').and_then(|route| route.split_once(':'));
    let address = routed.map_or(inner, |(_, address)| address);
    let usable = matches!(may(claim, address), May::Own | May::OnBehalf | May::SendAs | May::Schedule);
    (!usable).then(|| format!("the envelope is from {address}"))
}

/// The mailboxes of a field of the plainest form: addresses of letters, digits and single marks, alone or behind words
/// in angle brackets. None if it is of any other form.
pub(crate) fn sure(field: &[u8]) -> Option<Vec<String>> {
    let text = std::str::from_utf8(field).ok().filter(|text| text.len() < 4096)?;
    let elements = text.split(',').map(|element| {
        let element = element.trim_matches(' ');
        let Some((words, rest)) = element.split_once('<') else { return plain(element) };
        let plain_words = words.chars().all(|c| c.is_ascii_alphanumeric() || c == ' ');
        plain(rest.strip_suffix('>')?).filter(|_| plain_words)
    });
    elements.collect::<Option<Vec<_>>>().filter(|elements| elements.len() <= 32)
}

fn plain(address: &str) -> Option<String> {
    let (local, domain) = address.split_once('@')?;
    let words = |text: &str, marks: &str| {
        let plain = |word: &str| {
            !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || marks.contains(c))
        };
        text.split('.').all(plain)
    };
    (words(local, "+_") && words(domain, "") && address.len() < 200).then(|| address.to_owned())
}

/// Something in a field that looks like an address.
#[derive(Debug)]
pub(crate) struct Token {
    pub(crate) address: String,
    /// In a comment, or in a quoted string that is no local part.
    pub(crate) hidden: bool,
}

enum Piece {
    Text(String),
    Quoted(String),
    Comment(String),
}

/// Everything in a field that looks like an address.
pub(crate) fn tokens(field: &[u8]) -> Vec<Token> {
    let text: String = String::from_utf8_lossy(field)
        .chars()
        .map(|c| if matches!(c, '\r' | '\n' | '\t') { ' ' } else { c })
        .collect();
    let pieces = pieces(&text);
    let mut tokens = Vec::new();
    for (index, piece) in pieces.iter().enumerate() {
        let (inner, hidden) = match piece {
            Piece::Text(text) => {
                let before = index.checked_sub(1).and_then(|before| pieces.get(before));
                if let (Some(Piece::Quoted(local)), Some(behind)) =
                    (before, text.trim_start().strip_prefix('@'))
                {
                    tokens
                        .push(Token { address: format!("\"{local}\"@{}", first_run(behind)), hidden: false });
                }
                (text, false)
            }
            Piece::Quoted(text) | Piece::Comment(text) => (text, true),
        };
        for (at, _) in inner.match_indices('@') {
            let (local, domain) = (last_run(&inner[..at]), first_run(&inner[at + 1..]));
            if !local.is_empty() {
                tokens.push(Token { address: format!("{local}@{domain}"), hidden });
            }
        }
    }
    tokens
}

fn belongs(c: char) -> bool {
    !c.is_whitespace() && !"<>,;:()\"@".contains(c)
}

fn first_run(text: &str) -> &str {
    let text = text.trim_start();
    text.split(|c| !belongs(c)).next().unwrap_or_default()
}

fn last_run(text: &str) -> &str {
    let text = text.trim_end();
    text.rsplit(|c| !belongs(c)).next().unwrap_or_default()
}

/// Quoted strings and comments, and what is between them.
fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let (mut run, mut chars) = (String::new(), text.chars());
    while let Some(c) = chars.next() {
        if !matches!(c, '"' | '(') {
            run.push(c);
            continue;
        }
        pieces.push(Piece::Text(std::mem::take(&mut run)));
        let mut depth = 1;
        while let Some(inner) = chars.next() {
            match (inner, c) {
                ('\\', _) => run.extend(chars.next()),
                ('"', '"') => depth = 0,
                ('(', '(') => depth += 1,
                (')', '(') => depth -= 1,
                _ => run.push(inner),
            }
            if depth == 0 {
                break;
            }
        }
        let inner = std::mem::take(&mut run);
        pieces.push(if c == '"' { Piece::Quoted(inner) } else { Piece::Comment(inner) });
    }
    pieces.push(Piece::Text(run));
    pieces
}

/// Whether nobody could say anything against a message: anna's, in her own name alone.
pub(crate) fn must_pass(claim: &Claim, failed: usize) -> bool {
    let own = |field: &[u8]| {
        let text = String::from_utf8_lossy(field);
        ["anna@example.org", "a.adams@example.org"].contains(&text.trim_matches(' '))
    };
    let from = fields(claim, b"From");
    let others = ["Sender", "Resent-From", "Content-Type", "Content-Transfer-Encoding"];
    claim.login.as_deref() == Some(b"anna")
        && failed == claim.failed_before
        && [&b"<>"[..], b"<anna@example.org>"].contains(&claim.path.as_slice())
        && from.len() == 1
        && own(from[0])
        && others.iter().all(|name| fields(claim, name.as_bytes()).is_empty())
}
