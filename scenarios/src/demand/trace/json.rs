//! The fields of a line of JSON, as the texts that stand there: numbers keep all their digits.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The fields of one object.
#[derive(Debug, Default)]
pub(super) struct Object<'l> {
    fields: BTreeMap<String, &'l RawValue>,
    /// A name that stands in it twice: JSON does not say which of the two counts.
    twice: Option<String>,
}

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
                let mut object = Object::default();
                while let Some(name) = map.next_key::<String>()? {
                    if object.fields.contains_key(&name) {
                        object.twice = Some(name.clone());
                    }
                    object.fields.insert(name, map.next_value()?);
                }
                Ok(object)
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

impl<'l> Object<'l> {
    /// Reads one line; the error says what is wrong with it.
    pub(super) fn parse(line: &'l [u8]) -> Result<Self, String> {
        let object: Self = serde_json::from_slice(line).map_err(|error| {
            let text = error.to_string();
            let text = text.split_once(" at line").map_or(text.as_str(), |(text, _)| text);
            format!("this is not a JSON object: {text} (column {})", error.column())
        })?;
        match object.twice {
            Some(name) => Err(format!("the field `{name}` stands twice in this object")),
            None => Ok(object),
        }
    }

    /// The names of its fields.
    pub(super) fn names(&self) -> Vec<&str> {
        self.fields.keys().map(String::as_str).collect()
    }

    /// The text of a field, without the quotes of a string. `None` where it is missing or null.
    pub(super) fn get(&self, name: &str) -> Option<Cow<'l, str>> {
        let raw = self.fields.get(name)?.get();
        match raw.as_bytes() {
            b"null" => None,
            [b'"', .., b'"'] if !raw.contains('\\') => Some(Cow::Borrowed(&raw[1..raw.len() - 1])),
            [b'"', ..] => serde_json::from_str(raw).ok().map(Cow::Owned),
            _ => Some(Cow::Borrowed(raw)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_the_texts_that_stand_there() {
        let object = Object::parse(br#"{"at": 1700000000.123456789, "key": "a\tb", "n": null, "x": [1]}"#)
            .expect("an object");
        assert_eq!(object.get("at").as_deref(), Some("1700000000.123456789"));
        assert_eq!(object.get("key").as_deref(), Some("a\tb"));
        assert_eq!(object.get("n"), None);
        assert_eq!(object.get("other"), None);
        assert_eq!(object.names(), ["at", "key", "n", "x"]);
        let error = Object::parse(b"{\"at\": }").expect_err("broken");
        assert!(error.contains("column 8"), "{error}");
        let error = Object::parse(br#"{"at": 1, "key": "a", "at": 2}"#).expect_err("which of the two?");
        assert_eq!(error, "the field `at` stands twice in this object");
    }
}
