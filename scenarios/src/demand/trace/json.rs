//! The fields of a line of JSON, as the texts that stand there: numbers keep all their digits.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// How many objects within each other are looked into for names.
const DEPTH_MAX: usize = 3;

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

    /// The names of its fields, and of those of objects in it as `a.b`.
    pub(super) fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        self.collect("", &mut names);
        names
    }

    fn collect(&self, outer: &str, names: &mut Vec<String>) {
        for (name, raw) in &self.fields {
            let name = if outer.is_empty() { name.clone() } else { format!("{outer}.{name}") };
            match serde_json::from_str::<Self>(raw.get()) {
                Ok(inner) if name.matches('.').count() < DEPTH_MAX => inner.collect(&name, names),
                _ => names.push(name),
            }
        }
    }

    /// The field of this name, or with `a.b` the field `b` of the object in the field `a`.
    fn find(&self, name: &str) -> Option<&'l RawValue> {
        if let Some(raw) = self.fields.get(name) {
            return Some(raw);
        }
        let mut dots = name.match_indices('.');
        dots.find_map(|(dot, _)| {
            let inner: Self = serde_json::from_str(self.fields.get(&name[..dot])?.get()).ok()?;
            inner.find(&name[dot + 1..])
        })
    }

    /// The text of a field, without the quotes of a string. `None` where it is missing or null.
    pub(super) fn get(&self, name: &str) -> Option<Cow<'l, str>> {
        let raw = self.find(name)?.get();
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
        let nested = Object::parse(br#"{"a": {"b": {"c": 1}, "d.e": 2}, "a.f": 3, "g": [{"h": 4}]}"#)
            .expect("an object");
        let texts = ["a.b.c", "a.d.e", "a.f", "a.x", "g.h"].map(|name| nested.get(name));
        assert_eq!(
            texts.map(|text| text.map(Cow::into_owned)),
            [Some("1".to_owned()), Some("2".to_owned()), Some("3".to_owned()), None, None]
        );
        assert_eq!(nested.names(), ["a.b.c", "a.d.e", "a.f", "g"]);
        let error = Object::parse(b"{\"at\": }").expect_err("broken");
        assert!(error.contains("column 8"), "{error}");
        let error = Object::parse(br#"{"at": 1, "key": "a", "at": 2}"#).expect_err("which of the two?");
        assert_eq!(error, "the field `at` stands twice in this object");
    }
}
