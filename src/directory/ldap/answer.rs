//! What a server answered: search entries (RFC 4511 section 4.5.2) read into records without trusting their form, and
//! result codes that are no success.

use ldap3::LdapResult;
use ldap3::asn1::{PL, StructureTag};

use crate::directory::record::Record;
use crate::dn::Dn;
use crate::reply::printable;

/// RFC 4511 section 4.5.2: `SearchResultEntry ::= [APPLICATION 4]`.
const ENTRY: u64 = 4;

/// An entry, and the attributes of which the server gave only a range of values.
pub(super) struct Answer {
    pub(super) record: Record,
    pub(super) ranges: Vec<Range>,
}

/// A range of values (Active Directory, MS-ADTS section 3.1.1.3.1.3.3).
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Range {
    /// The attribute, without the option.
    pub(super) attribute: String,
    /// The number of its first value, from 0.
    pub(super) first: u64,
    /// The number of the first value that follows it; none if it is the last.
    pub(super) next: Option<u64>,
}

/// What to ask for to get the values of an attribute from `first` on.
pub(super) fn from_value(attribute: &str, first: u64) -> String {
    format!("{attribute};range={first}-*")
}

/// Reads an entry; none if it has not the form that RFC 4511 gives it.
pub(super) fn read(entry: StructureTag) -> Option<Answer> {
    let (dn, attributes) = parts(entry)?;
    let mut answer = Answer { record: Record::new(dn), ranges: Vec::new() };
    for attribute in attributes {
        read_attribute(attribute, &mut answer)?;
    }
    Some(answer)
}

/// The name of an entry, and how many attributes came with it, where only their types were asked for.
pub(super) fn read_types(entry: StructureTag) -> Option<(Dn, usize)> {
    parts(entry).map(|(dn, attributes)| (dn, attributes.len()))
}

/// The name of an entry and its attributes.
fn parts(entry: StructureTag) -> Option<(Dn, Vec<StructureTag>)> {
    let mut parts = entry.match_id(ENTRY)?.expect_constructed()?.into_iter();
    let dn = Dn::parse(&text(parts.next()?)?).ok()?;
    Some((dn, parts.next()?.expect_constructed()?))
}

fn read_attribute(attribute: StructureTag, answer: &mut Answer) -> Option<()> {
    let mut parts = attribute.expect_constructed()?.into_iter();
    let description = text(parts.next()?)?;
    let (plain, range) = without_range(&description)?;
    for value in parts.next()?.expect_constructed()? {
        answer.record.push(&plain, value.expect_primitive()?);
    }
    answer.ranges.extend(range);
    Some(())
}

/// The description without its `range` option, and the range; none if that cannot be read.
fn without_range(description: &str) -> Option<(String, Option<Range>)> {
    let (ranges, plain): (Vec<_>, Vec<_>) =
        description.split(';').partition(|option| range_option(option).is_some());
    let attribute = plain.join(";");
    let range = match ranges.as_slice() {
        [] => None,
        [option] => Some(range(attribute.clone(), range_option(option)?)?),
        _ => return None,
    };
    Some((attribute, range))
}

/// What stands behind `range=`, if that is what an option begins with.
fn range_option(option: &str) -> Option<&str> {
    let (name, value) = option.split_once('=')?;
    name.eq_ignore_ascii_case("range").then_some(value)
}

/// `0-1499`, or `1500-*` for the last.
fn range(attribute: String, text: &str) -> Option<Range> {
    let (first, last) = text.split_once('-')?;
    let first = first.parse().ok()?;
    let next = match last {
        "*" => None,
        // A range that does not go on would be asked for again and again.
        last => Some(last.parse::<u64>().ok()?.checked_add(1).filter(|next| *next > first)?),
    };
    Some(Range { attribute, first, next })
}

fn text(tag: StructureTag) -> Option<String> {
    match tag.payload {
        PL::P(octets) => String::from_utf8(octets).ok(),
        PL::C(_) => None,
    }
}

/// A result code with what the server said to it. Its words are escaped: they go into logs.
pub(super) fn code(result: &LdapResult) -> String {
    let name = name(result.rc);
    let text = printable(result.text.trim_end_matches(['\n', '\0']));
    if text.is_empty() {
        format!("{name} ({})", result.rc)
    } else {
        format!("{name} ({}): {text}", result.rc)
    }
}

/// RFC 4511 appendix A.2, as far as searches, binds and modifications meet it.
fn name(code: u32) -> &'static str {
    match code {
        1 => "operationsError",
        2 => "protocolError",
        3 => "timeLimitExceeded",
        4 => "sizeLimitExceeded",
        7 => "authMethodNotSupported",
        8 => "strongerAuthRequired",
        10 => "referral",
        11 => "adminLimitExceeded",
        12 => "unavailableCriticalExtension",
        13 => "confidentialityRequired",
        16 => "noSuchAttribute",
        17 => "undefinedAttributeType",
        18 => "inappropriateMatching",
        19 => "constraintViolation",
        20 => "attributeOrValueExists",
        21 => "invalidAttributeSyntax",
        32 => "noSuchObject",
        34 => "invalidDNSyntax",
        48 => "inappropriateAuthentication",
        49 => "invalidCredentials",
        50 => "insufficientAccessRights",
        51 => "busy",
        52 => "unavailable",
        53 => "unwillingToPerform",
        65 => "objectClassViolation",
        80 => "other",
        _ => "result code",
    }
}
