//! What the milter does to a message that it accepts: applied to the header that was sent, and looked at.

use super::oracle::{May, canonical, fields, is_watched, may, sure, tokens};
use super::protocol::{Claim, Packet, strings};

/// The actions (`mfapi.h`) that let the milter send each modification.
fn action(letter: u8) -> u32 {
    match letter {
        b'h' => 0x1,
        b'b' => 0x2,
        b'm' => 0x10,
        b'e' => 0x40,
        b'2' => 0x80,
        _ => 0,
    }
}

/// Checks the modifications, whatever becomes of the message.
pub(crate) fn check_form(modifications: &[Packet], actions: u32, leading_space: bool) {
    for Packet(letter, data) in modifications {
        assert!(actions & action(*letter) != 0, "{} was not negotiated", char::from(*letter));
        match letter {
            b'h' => check_body(&strings(data)[1], leading_space),
            b'm' => check_body(&strings(&data[4..])[1], leading_space),
            b'b' => assert!(data.len() <= 65535),
            _ => {
                assert!(!data.contains(&b'\r') && !data.contains(&b'\n'), "{data:?}");
                let strings = strings(data);
                assert!(strings[0].starts_with(b"<") && strings[0].ends_with(b">"), "{strings:?}");
            }
        }
    }
}

/// A field's body: folds and nothing else that could end it.
fn check_body(body: &[u8], leading_space: bool) {
    let text = std::str::from_utf8(body).expect("what is written is UTF-8");
    if text.is_empty() {
        return;
    }
    assert_eq!(text.starts_with(' '), leading_space, "{text:?}");
    for (number, line) in text.split('\n').enumerate() {
        let control = |c: char| c.is_control() && c != '\t';
        assert!(!line.contains(control), "{text:?}");
        assert!(number == 0 || line.starts_with([' ', '\t']) && !line.trim().is_empty(), "{text:?}");
        assert!(line.len() < 998, "{text:?}");
    }
}

/// Checks the message that goes out.
pub(crate) fn check(claim: &Claim, modifications: &[Packet]) {
    if claim.login.is_none() || is_watched(claim) {
        assert_eq!(modifications, [], "nobody asked for a change");
        return;
    }
    let mut changed = claim.clone();
    for modification in modifications {
        apply(&mut changed, modification);
    }
    check_from(claim, &changed);
    check_sender(claim, &changed);
    check_envelope(claim, &changed);
}

/// Does to the message what Postfix does (`cleanup_milter.c`).
fn apply(claim: &mut Claim, Packet(letter, data): &Packet) {
    match letter {
        b'h' => {
            let [name, body] = &strings(data)[..] else { panic!("a field is two strings") };
            claim.fields.push((name.clone(), body.clone()));
        }
        b'm' => {
            let index = u32::from_be_bytes(data[..4].try_into().unwrap()) as usize;
            let [name, body] = &strings(&data[4..])[..] else { panic!("a field is two strings") };
            let is_named = |own: &[u8]| own.trim_ascii_end().eq_ignore_ascii_case(name);
            let named = claim.fields.iter().enumerate().filter(|(_, (own, _))| is_named(own));
            let at = named.map(|(at, _)| at).nth(index.checked_sub(1).expect("indexes begin at 1"));
            let at = at.expect("only what is there is changed");
            if body.is_empty() {
                claim.fields.remove(at);
            } else {
                claim.fields[at].1.clone_from(body);
            }
        }
        b'e' => {
            let strings = strings(data);
            let given = strings[1..].iter().flat_map(|words| words.split(|octet| *octet == b' '));
            // Postfix takes no octets in ENVID and RET that are not text: they need not come out as they are.
            let own = |word: &[u8]| {
                claim.parameters.iter().any(|own| *String::from_utf8_lossy(own).as_bytes() == *word)
            };
            assert!(given.clone().all(own), "{strings:?}");
            claim.path.clone_from(&strings[0]);
        }
        b'2' => claim.recipients.push(strings(data)[0].clone()),
        _ => {}
    }
}

/// The addresses that speak, in their order.
fn addresses(field: &[u8]) -> Vec<String> {
    let speaking = || tokens(field).into_iter().filter(|token| !token.hidden).map(|token| token.address);
    sure(field).unwrap_or_else(|| speaking().collect()).iter().map(|address| canonical(address)).collect()
}

/// The authors stay.
fn check_from(claim: &Claim, changed: &Claim) {
    let (before, after) = (fields(claim, b"From"), fields(changed, b"From"));
    assert_eq!(after.len(), 1);
    if before != after {
        assert!(claim.settings.has('d'), "From is not to be changed");
        assert_eq!(addresses(before[0]), addresses(after[0]));
    }
}

/// There is one Sender at most, and it says who wrote.
fn check_sender(claim: &Claim, changed: &Claim) {
    let senders = fields(changed, b"Sender");
    assert!(senders.len() <= 1, "{senders:?}");
    let authors: Vec<May> = addresses(fields(claim, b"From")[0]).iter().map(|own| may(claim, own)).collect();
    let redirected = claim.settings.has('r') && authors.contains(&May::Unknown);
    let sent_as = authors.len() > 1 && authors.contains(&May::SendAs);
    let own = |address: &String| match may(claim, address) {
        May::Own => true,
        May::SendAs => sent_as,
        May::Unknown => redirected,
        May::OnBehalf | May::Schedule | May::Not => false,
    };
    for sender in senders.iter().filter(|_| !redirected) {
        let speaking = addresses(sender);
        assert!(!speaking.is_empty() && speaking.iter().all(own), "{:?}", String::from_utf8_lossy(sender));
    }
    let authors = sure(fields(claim, b"From")[0]).map(|_| authors).unwrap_or_default();
    let on_behalf = authors.iter().any(|may| matches!(may, May::OnBehalf | May::Schedule));
    let several = authors.len() > 1 && !redirected;
    assert_eq!(senders.len().max(usize::from(on_behalf || several)), senders.len(), "nobody says who wrote");
    if authors == [May::SendAs] {
        assert!(senders.is_empty(), "recipients see nothing of the delegate: {senders:?}");
    }
}

/// What is written into the envelope is the submitter's, or somebody's who allowed it.
fn check_envelope(claim: &Claim, changed: &Claim) {
    let inner = |path: &[u8]| String::from_utf8_lossy(&path[1..path.len() - 1]).into_owned();
    if changed.path != claim.path {
        let usable = !matches!(may(claim, &inner(&changed.path)), May::Not | May::Unknown);
        assert!(usable, "the envelope becomes {:?}", String::from_utf8_lossy(&changed.path));
    }
    for copy in &changed.recipients[claim.recipients.len()..] {
        let address = inner(copy);
        let principal = address.replace("+Sent", "");
        let granted = matches!(may(claim, &principal), May::OnBehalf | May::SendAs | May::Schedule);
        assert!(granted && address != principal, "a copy goes to {address}");
    }
}
