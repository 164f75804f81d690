//! Bytes as they are written in tables: with escapes, so that every byte can be said and none is hidden.

/// What `\r`, `\n`, `\t`, `\\`, `\"` and `\xNN` stand for; everything else stands for itself.
pub(crate) fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        bytes.extend_from_slice(before.as_bytes());
        let kind = after.chars().next().unwrap_or_else(|| panic!("nothing behind the backslash: {text}"));
        rest = &after[kind.len_utf8()..];
        match kind {
            'r' => bytes.push(b'\r'),
            'n' => bytes.push(b'\n'),
            't' => bytes.push(b'\t'),
            '\\' | '"' => bytes.push(kind as u8),
            'x' => {
                let (digits, tail) = rest.split_at(2);
                bytes.push(u8::from_str_radix(digits, 16).unwrap_or_else(|_| panic!("\\x{digits}: {text}")));
                rest = tail;
            }
            _ => panic!("unknown escape \\{kind}: {text}"),
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

/// The same the other way round, for messages of failure.
pub(crate) fn escape(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}
