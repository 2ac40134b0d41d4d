//! The fields of a line of JSON, as the texts that stand there: numbers keep all their digits.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::RawValue;

/// The fields of one object.
#[derive(Debug)]
pub(super) struct Object<'l>(BTreeMap<String, &'l RawValue>);

impl<'l> Object<'l> {
    /// Reads one line; the error says what is wrong with it.
    pub(super) fn parse(line: &'l [u8]) -> Result<Self, String> {
        serde_json::from_slice(line).map(Self).map_err(|error| {
            let text = error.to_string();
            let text = text.split_once(" at line").map_or(text.as_str(), |(text, _)| text);
            format!("this is not a JSON object: {text} (column {})", error.column())
        })
    }

    /// The names of its fields.
    pub(super) fn names(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }

    /// The text of a field, without the quotes of a string. `None` where it is missing or null.
    pub(super) fn get(&self, name: &str) -> Option<Cow<'l, str>> {
        let raw = self.0.get(name)?.get();
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
    }
}
