//! The language of the inputs: one operation a line, a letter and what it needs. Every octets are a script.

/// One operation.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Operation {
    /// `=1`: what follows is said on this connection, of three.
    Connection(usize),
    /// `?or`: the configuration, from now on; before the first connection also `i`, for TCP.
    Configure(Vec<u8>),
    /// `!.fs`: what the directory does at its next questions.
    Directory(Vec<u8>),
    /// `~3`: connections that begin later come in pieces of so many octets.
    Pieces(usize),
    /// `/7`: of what is said next, only so many octets are sent now.
    Hold(usize),
    /// `{` and `}`: what is said between is sent at once.
    Together(bool),
    /// `w5`: the next packet's length is wrong by so many octets, less 5.
    Wrong(i64),
    /// `o 1ff 1fffff`: negotiation, with these actions and steps offered.
    Negotiate(u32, u32),
    /// `l anna`: the login from now on; `l` alone for none.
    Login(Option<Vec<u8>>),
    /// `m <anna@example.org> SIZE=1`: MAIL, with its macros.
    Mail(Vec<Vec<u8>>),
    /// `r <x@y.example> NOTIFY=NEVER`: RCPT.
    Recipient(Vec<Vec<u8>>),
    /// `d`: DATA.
    Data,
    /// `h From: anna@example.org`: a header field.
    Header(Vec<u8>, Vec<u8>),
    /// `n`: the end of the header.
    EndOfHeader,
    /// `b text`: a piece of the body, with CRLF behind it.
    Body(Vec<u8>),
    /// `L 300`: a piece of the body of so many KiB.
    Long(usize),
    /// `e`: the end of the message; with data, that comes with it.
    End(Vec<u8>),
    /// `a`: the message is given up.
    Abort,
    /// `q`: the end of the session.
    Quit,
    /// `p M<a@b>\0`: any packet.
    Packet(u8, Vec<u8>),
    /// `x octets`: any octets.
    Octets(Vec<u8>),
    /// `.`: the connection is cut.
    Cut,
    /// `t`: the program is to end.
    Terminate,
}

/// The most operations of a script.
const MOST: usize = 160;

/// The operations of a script.
pub(crate) fn operations(script: &[u8]) -> impl Iterator<Item = Operation> {
    script.split(|octet| *octet == b'\n').filter_map(operation).take(MOST)
}

fn operation(line: &[u8]) -> Option<Operation> {
    let (letter, rest) = line.split_first()?;
    let value = || expand(rest.strip_prefix(b" ").unwrap_or(rest));
    Some(match letter {
        b'=' => Operation::Connection(number(rest) % 3),
        b'?' => Operation::Configure(rest.to_vec()),
        b'!' => Operation::Directory(rest.to_vec()),
        b'~' => Operation::Pieces(number(rest)),
        b'/' => Operation::Hold(number(rest)),
        b'{' | b'}' => Operation::Together(*letter == b'{'),
        b'w' => Operation::Wrong(i64::try_from(number(rest)).unwrap_or(0) - 5),
        b'o' => {
            let mut words = rest.split(|octet| *octet == b' ').filter(|word| !word.is_empty()).map(hex);
            Operation::Negotiate(words.next().unwrap_or(0x1ff), words.next().unwrap_or(0x1f_ffff))
        }
        b'l' => Operation::Login(Some(value()).filter(|login| !login.is_empty())),
        b'm' => Operation::Mail(words(&value())),
        b'r' => Operation::Recipient(words(&value())),
        b'd' => Operation::Data,
        b'n' => Operation::EndOfHeader,
        b'b' => Operation::Body([&value()[..], b"\r\n"].concat()),
        b'L' => Operation::Long(number(rest).min(600)),
        b'e' => Operation::End(value()),
        b'a' => Operation::Abort,
        b'q' => Operation::Quit,
        b'p' => {
            let value = value();
            let (kind, data) = value.split_first()?;
            Operation::Packet(*kind, data.to_vec())
        }
        b'x' => Operation::Octets(value()),
        b'.' => Operation::Cut,
        b't' => Operation::Terminate,
        b'h' => field(&value()),
        // Whatever else: the fuzzer finds header fields sooner than their letter.
        _ => field(&expand(line)),
    })
}

fn field(value: &[u8]) -> Operation {
    let colon = value.iter().position(|octet| *octet == b':').unwrap_or(value.len());
    let (name, body) = value.split_at(colon);
    Operation::Header(name.to_vec(), body.get(1..).unwrap_or_default().to_vec())
}

fn words(value: &[u8]) -> Vec<Vec<u8>> {
    value.split(|octet| *octet == b' ').map(<[u8]>::to_vec).collect()
}

/// The digits of a text as a number; 0 without any.
fn number(text: &[u8]) -> usize {
    let digits = text.iter().filter(|octet| octet.is_ascii_digit()).take(6);
    digits.fold(0, |number, digit| number * 10 + usize::from(digit - b'0'))
}

fn hex(text: &[u8]) -> u32 {
    std::str::from_utf8(text).ok().and_then(|text| u32::from_str_radix(text, 16).ok()).unwrap_or(0)
}

/// What a letter or digit behind `$` stands for.
const TABLE: [(u8, &str); 36] = [
    (b'0', "anna@example.org"),
    (b'1', "a.adams@example.org"),
    (b'2', "bea@example.org"),
    (b'3', "dora@example.org"),
    (b'4', "frida@example.org"),
    (b'5', "hana@example.org"),
    (b'6', "gina@example.org"),
    (b'7', "boss@example.org"),
    (b'8', "info@example.org"),
    (b'9', "sales@example.org"),
    (b'a', "team@example.org"),
    (b'b', "press@example.org"),
    (b'c', "anna+plus@example.org"),
    (b'd', "stranger@foreign.example"),
    (b'e', "Anna+x@EXAMPLE.net"),
    (b'f', "\"anna\"@example.org"),
    (b'g', "bös@example.org"),
    (b'h', "scanner@example.org"),
    (b'i', "x@scan.example"),
    (b'j', "carl@example.org"),
    (b'k', "=?utf-8?q?B=C3=B6ss?="),
    (b'l', "\"boss@example.org\""),
    (b'm', "multipart/mixed; boundary=b"),
    (b'n', "text/calendar; method=REQUEST"),
    (
        b'o',
        "BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nORGANIZER:mailto:hana@example.org\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
    ),
    (
        b'p',
        "BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nORGANIZER:mailto:bea@example.org\r\nATTENDEE:mailto:bea@example.org\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
    ),
    (
        b'q',
        "BEGIN:VCALENDAR\r\nMETHOD:REPLY\r\nBEGIN:VEVENT\r\nATTENDEE;SENT-BY=\"mailto:anna@example.org\":mailto:boss@example.org\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
    ),
    (b'r', "Anna Adams"),
    (b's', "@a.example:"),
    (b't', "\u{202e}"),
    (b'u', ", "),
    (b'v', "\n "),
    (b'w', "(comment)"),
    (b'x', "\r\n--b\r\nContent-Type: text/calendar; method=REQUEST\r\n\r\n"),
    (b'y', "x@y.example, x@y.example, x@y.example, x@y.example, x@y.example, x@y.example, x@y.example, "),
    (b'z', "abcdefghijklmnopqrstuvwxyz abcdefghijklmnopqrstuvwxyz abcdefghijklmnopqrstuvwxyz "),
];

/// Takes `\n`, `\r`, `\t`, `\0`, `\\` and `\xHH` for the octets that they mean, and `$` with a letter or digit for what
/// the table has.
fn expand(value: &[u8]) -> Vec<u8> {
    let mut expanded = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((octet, behind)) = rest.split_first() {
        rest = behind;
        match (octet, behind.first()) {
            (b'\\', Some(b'x')) => {
                let digits = behind.get(1..3).unwrap_or_default();
                expanded.push(u8::try_from(hex(digits)).unwrap_or(0));
                rest = behind.get(1 + digits.len()..).unwrap_or_default();
            }
            (b'\\', Some(escaped)) => {
                expanded.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'0' => 0,
                    other => *other,
                });
                rest = behind.get(1..).unwrap_or_default();
            }
            (b'$', Some(letter)) => match TABLE.iter().find(|(own, _)| own == letter) {
                Some((_, text)) => {
                    expanded.extend_from_slice(text.as_bytes());
                    rest = behind.get(1..).unwrap_or_default();
                }
                None => expanded.push(b'$'),
            },
            _ => expanded.push(*octet),
        }
    }
    expanded
}
