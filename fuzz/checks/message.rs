//! Messages as the fuzzer writes them, for all targets that read bodies, and for the test that replays their seeds.

use delegation_milter::mime::Fields;

/// Content-Type on the first line, Content-Transfer-Encoding on the second, and the body.
pub(crate) fn message(octets: &[u8]) -> (Fields, &[u8]) {
    let (content_type, rest) = line(octets);
    let (transfer_encoding, body) = line(rest);
    (Fields { content_type, transfer_encoding, repeated: false }, body)
}

/// A line that says something, and what follows it.
fn line(octets: &[u8]) -> (Option<Vec<u8>>, &[u8]) {
    let end = octets.iter().position(|octet| *octet == b'\n').unwrap_or(octets.len());
    let (line, rest) = octets.split_at(end);
    ((!line.is_empty()).then(|| line.to_vec()), rest.get(1..).unwrap_or_default())
}
