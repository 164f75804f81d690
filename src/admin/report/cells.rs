//! Values as they are shown: printable, of bearable length, and fit for the command line of a shell.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::reply::{is_printable, printable_within};

/// The longest value that is shown, in octets; the path of a grant is two names of entries.
const MOST: usize = 1700;

/// Appends text as printable ASCII: the program logs nothing else, but this may be any file.
pub(super) fn push_printable(to: &mut String, text: &str) {
    if text.len() <= MOST && is_printable(text.as_bytes()) {
        to.push_str(text);
    } else {
        to.push_str(&printable_within(text, MOST));
    }
}

/// The same by itself.
pub(super) fn printable(text: &str) -> String {
    let mut shown = String::new();
    push_printable(&mut shown, text);
    shown
}

/// When, by the clock on the wall, to the minute.
pub(super) fn minute(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M").to_string()
}

/// Milliseconds, with what digits are of use.
pub(super) fn milliseconds(ms: f64) -> String {
    if ms >= 100.0 {
        format!("{ms:.0}")
    } else if ms >= 10.0 {
        format!("{ms:.1}")
    } else {
        format!("{ms:.2}")
    }
}

/// A number with commas between the thousands.
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Text as one word of a shell's command line (POSIX, XCU section 2.2).
pub(super) fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "@%+=:,./_-".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// The command that tells why.
pub(super) fn explain(login: &str, address: &str) -> String {
    let dashes = if login.starts_with('-') || address.starts_with('-') { "-- " } else { "" };
    format!("delegation-milter explain {dashes}{} {}", word(login), word(address))
}

/// The command that grants a right.
pub(super) fn grant(right: &str, principal: &str, delegate: &str) -> String {
    let option = |name: &str, value: &str| {
        let between = if value.starts_with('-') { '=' } else { ' ' };
        format!("{name}{between}{}", word(value))
    };
    format!("delegation-milter grant {right} {} {}", option("--for", principal), option("--to", delegate))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn numbers() {
        for (number, expected) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(thousands(number), expected);
        }
        for (ms, expected) in [(0.123, "0.12"), (12.34, "12.3"), (123.4, "123")] {
            assert_eq!(milliseconds(ms), expected);
        }
    }

    #[test]
    fn a_shell_reads_each_value_as_one_word() {
        for value in [
            "anna",
            "",
            "$(touch /tmp/x)",
            "a'b",
            "'; reboot; '",
            "`id`",
            "a b",
            "\\",
            "!x",
            "~root",
            "#",
            "\"",
            "*",
        ] {
            let script = format!("printf %s {}", word(value));
            let output = Command::new("/bin/sh").args(["-c", &script]).output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), value);
        }
        assert_eq!(explain("-x", "a@b"), "delegation-milter explain -- -x a@b");
        assert_eq!(grant("send-as", "a b@c", "-x"), "delegation-milter grant send-as --for 'a b@c' --to=-x");
    }
}
