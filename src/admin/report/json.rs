//! Lines of JSON: as the format "json" writes them, and entries of the journal as `journalctl -o json` does.
//!
//! The journal writes each value as a string, as an array of octets where it is not printable text, as an array of
//! values where the field is there several times, and as null where it is too long (journalctl(1), systemd.io,
//! "Journal Export Formats").

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::line::{Damage, Fields, Line};
use super::text::{self, TAG};

/// Reads an object.
pub(super) fn read(line: &str) -> Line<'_> {
    match serde_json::from_str::<Object<'_>>(line) {
        Ok(object) => object.line(),
        // A verdict in capitals is the journal's.
        Err(_) if line.contains("\"verdict\":") || line.contains("\"VERDICT\"") => {
            Line::Damaged(Damage::Torn)
        }
        Err(_) => Line::Foreign,
    }
}

/// What matters of an object.
#[derive(Default)]
struct Object<'a> {
    fields: Fields<'a>,
    damage: Option<Damage>,
    timestamp: Option<Cow<'a, str>>,
    level: bool,
    /// Microseconds since 1970 when the journal got it (systemd.journal-fields(7)).
    received: Option<Cow<'a, str>>,
    identifier: Option<Cow<'a, str>>,
    message: Option<Cow<'a, str>>,
}

impl<'a> Object<'a> {
    fn line(self) -> Line<'a> {
        if let Some(received) = self.received {
            if self.identifier.as_deref() != Some(TAG) {
                return Line::Foreign;
            }
            let at = || Timestamp::from_microsecond(received.parse().ok()?).ok();
            return match (self.damage, self.fields.verdict.is_some(), self.message) {
                (Some(damage), ..) => Line::Damaged(damage),
                (None, true, _) => Line::of(self.fields, at()),
                (None, false, Some(message)) => owned(text::within(&message, at)),
                (None, false, None) => Line::Other,
            };
        }
        match (self.timestamp, self.damage) {
            (Some(time), None) if self.level => Line::of(self.fields, time.parse().ok()),
            (Some(_), Some(damage)) if self.level => Line::Damaged(damage),
            _ => Line::Foreign,
        }
    }

    fn set(&mut self, name: &str, value: Scalar<'a>) {
        match name {
            "timestamp" => self.timestamp = value.text(),
            "level" => self.level = value.text().is_some(),
            "__REALTIME_TIMESTAMP" => self.received = value.text(),
            "SYSLOG_IDENTIFIER" => self.identifier = value.text(),
            "MESSAGE" => self.message = value.text(),
            // The journal's own (systemd.journal-fields(7)).
            _ if name.starts_with('_') => (),
            _ => {
                let set = match value {
                    Scalar::Text(value) => self.fields.set(&name.to_ascii_lowercase(), value),
                    Scalar::Several if name == "VERDICT" => Err(Damage::Twice),
                    Scalar::Several | Scalar::None => Ok(()),
                };
                self.damage = self.damage.or(set.err());
            }
        }
    }
}

/// The same, apart from the text that it was read from.
fn owned(line: Line<'_>) -> Line<'static> {
    match line {
        Line::Message(message) => Line::Message(Box::new(message.into_owned())),
        Line::Other => Line::Other,
        Line::Foreign => Line::Foreign,
        Line::Damaged(damage) => Line::Damaged(damage),
    }
}

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(ObjectVisitor)
    }
}

struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Object<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut object = Object::default();
        while let Some(name) = map.next_key::<Scalar<'de>>()? {
            let value = map.next_value()?;
            object.set(name.text().as_deref().unwrap_or_default(), value);
        }
        Ok(object)
    }
}

/// A value.
enum Scalar<'a> {
    /// Null, or an object.
    None,
    /// A string, or what is written for one.
    Text(Cow<'a, str>),
    /// The values of a field that is there several times.
    Several,
}

impl<'a> Scalar<'a> {
    fn text(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Text(text) => Some(text),
            Self::None | Self::Several => None,
        }
    }
}

impl<'de> Deserialize<'de> for Scalar<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(text.into()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(text.to_owned().into()))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Scalar::Text(value.to_string().into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Scalar::Text(number.to_string().into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Scalar::Text(number.to_string().into()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Scalar::Text(number.to_string().into()))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Scalar::None)
    }

    /// Octets are numbers; values are strings or arrays.
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut octets = Some(Vec::new());
        while let Some(Octet(octet)) = items.next_element()? {
            octets = octets.zip(octet).map(|(mut octets, octet)| {
                octets.push(octet);
                octets
            });
        }
        let text = octets.map(|octets| String::from_utf8_lossy(&octets).into_owned().into());
        Ok(text.map_or(Scalar::Several, Scalar::Text))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::None)
    }
}

/// None for what is not one.
struct Octet(Option<u8>);

impl<'de> Deserialize<'de> for Octet {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(OctetVisitor).map(Self)
    }
}

struct OctetVisitor;

impl<'de> Visitor<'de> for OctetVisitor {
    type Value = Option<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an octet")
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(u8::try_from(number).ok())
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}
