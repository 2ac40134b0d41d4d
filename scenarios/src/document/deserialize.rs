//! Reads typed values out of a tree, with errors that know what they are about.

use std::fmt;

use serde::de::{
    self, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, Unexpected,
    VariantAccess, Visitor,
};

use super::tree::{Entry, Node, Value};

/// What an error is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum About {
    /// A key that its table does not know.
    UnknownKey(String),
    /// A value that is not one of the known names.
    UnknownName(String),
    /// A key that its table lacks.
    Missing(String),
    /// A value.
    Value,
}

/// Why a tree cannot be read, and as far as serde tells, where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReadError {
    /// From the innermost segment outwards.
    pub(crate) path: Vec<String>,
    pub(crate) about: About,
    pub(crate) message: String,
    pub(crate) remedy: String,
    pub(crate) known: &'static [&'static str],
}

impl ReadError {
    fn new(about: About, message: impl Into<String>, known: &'static [&'static str]) -> Self {
        Self { path: Vec::new(), about, message: message.into(), remedy: String::new(), known }
    }

    fn value(message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { remedy: remedy.into(), ..Self::new(About::Value, message, &[]) }
    }

    /// The error without its place.
    pub(crate) fn what(&self) -> (&About, &str, &str) {
        (&self.about, &self.message, &self.remedy)
    }

    fn under(mut self, segment: impl Into<String>) -> Self {
        self.path.push(segment.into());
        self
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ReadError {}

/// What was expected, in the words of a file instead of those of a program.
fn expected(expected: &dyn de::Expected) -> String {
    let text = expected.to_string();
    let whole = |largest: u64| format!("a whole number from 0 to {largest}");
    match text.as_str() {
        "u8" => whole(u8::MAX.into()),
        "u16" => whole(u16::MAX.into()),
        "u32" => whole(u32::MAX.into()),
        "u64" | "usize" => "a whole number, zero or more".to_owned(),
        "i8" | "i16" | "i32" | "i64" => "a whole number".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a sequence" => "a list in [ ]".to_owned(),
        _ if text.starts_with("struct ") || text.starts_with("a map") => "a table".to_owned(),
        _ if text.starts_with("internally tagged enum") => "a table with a `kind`".to_owned(),
        _ if text.starts_with("enum ") || text == "variant identifier" => "one of its names".to_owned(),
        _ => text,
    }
}

fn found(unexpected: Unexpected<'_>) -> String {
    match unexpected {
        Unexpected::Bool(value) => value.to_string(),
        Unexpected::Unsigned(value) => value.to_string(),
        Unexpected::Signed(value) => value.to_string(),
        Unexpected::Float(value) => value.to_string(),
        Unexpected::Str(text) => format!("{text:?}"),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map => "a table".to_owned(),
        other => other.to_string(),
    }
}

impl de::Error for ReadError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::value(message.to_string(), "")
    }

    fn invalid_type(unexpected: Unexpected<'_>, wanted: &dyn de::Expected) -> Self {
        Self::value(format!("is {}", found(unexpected)), format!("give {}", expected(wanted)))
    }

    fn invalid_value(unexpected: Unexpected<'_>, wanted: &dyn de::Expected) -> Self {
        match unexpected {
            // What is wrong and what to do, whole: see `actors::invalid`.
            Unexpected::Other(wrong) => Self::value(wrong, wanted.to_string()),
            other => Self::invalid_type(other, wanted),
        }
    }

    fn invalid_length(length: usize, wanted: &dyn de::Expected) -> Self {
        Self::value(format!("has {length} parts"), format!("give {}", expected(wanted)))
    }

    fn unknown_variant(variant: &str, known: &'static [&'static str]) -> Self {
        let message = format!("is {variant:?}, which is none of the names that it can have");
        Self::new(About::UnknownName(variant.to_owned()), message, known)
    }

    fn unknown_field(field: &str, known: &'static [&'static str]) -> Self {
        Self::new(About::UnknownKey(field.to_owned()), format!("unknown key `{field}`"), known)
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(About::Missing(field.to_owned()), format!("lacks the key `{field}`"), &[])
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::value(format!("has `{field}` twice, under two of its names"), "keep one of them")
    }
}

/// Reads one node.
pub(crate) struct Reader<'t>(pub(crate) &'t Node);

impl<'t> Reader<'t> {
    fn unexpected(&self) -> Unexpected<'t> {
        match &self.0.value {
            Value::String(text) => Unexpected::Str(text),
            Value::Integer(number) => Unexpected::Signed(*number),
            Value::Float(number) => Unexpected::Float(*number),
            Value::Boolean(value) => Unexpected::Bool(*value),
            Value::Array(_) => Unexpected::Seq,
            Value::Table(_) => Unexpected::Map,
        }
    }
}

impl<'de, 't: 'de> Deserializer<'de> for Reader<'t> {
    type Error = ReadError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.0.value {
            Value::String(text) => visitor.visit_borrowed_str(text),
            Value::Integer(number) => visitor.visit_i64(*number),
            Value::Float(number) => visitor.visit_f64(*number),
            Value::Boolean(value) => visitor.visit_bool(*value),
            Value::Array(items) => visitor.visit_seq(Items { items, next: 0 }),
            Value::Table(entries) => visitor.visit_map(Entries { entries, next: 0 }),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        match &self.0.value {
            Value::String(text) => visitor.visit_enum(text.as_str().into_deserializer()),
            Value::Table(entries) => match entries.as_slice() {
                [entry] => visitor.visit_enum(OneEntry(entry)),
                _ => Err(ReadError::value(format!("has {} keys", entries.len()), "give exactly one")),
            },
            _ => Err(de::Error::invalid_type(self.unexpected(), &"a name in quotes")),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.0.value {
            Value::Table(_) => self.deserialize_any(visitor),
            _ => Err(de::Error::invalid_type(self.unexpected(), &visitor)),
        }
    }

    /// A struct is a table. Serde would take a list of its values as well.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.deserialize_map(visitor)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq
        tuple tuple_struct identifier ignored_any
    }
}

struct Items<'t> {
    items: &'t [Node],
    next: usize,
}

impl<'de, 't: 'de> SeqAccess<'de> for Items<'t> {
    type Error = ReadError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, ReadError> {
        let Some(item) = self.items.get(self.next) else {
            return Ok(None);
        };
        let index = self.next;
        self.next += 1;
        seed.deserialize(Reader(item)).map(Some).map_err(|error| error.under(index.to_string()))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len() - self.next)
    }
}

struct Entries<'t> {
    entries: &'t [Entry],
    next: usize,
}

impl<'de, 't: 'de> MapAccess<'de> for Entries<'t> {
    type Error = ReadError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, ReadError> {
        let Some(entry) = self.entries.get(self.next) else {
            return Ok(None);
        };
        self.next += 1;
        seed.deserialize(entry.key.as_str().into_deserializer()).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, ReadError> {
        let entry = &self.entries[self.next - 1];
        seed.deserialize(Reader(&entry.node)).map_err(|error| error.under(entry.key.clone()))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.entries.len() - self.next)
    }
}

/// A table with one key, read as an enum: the key is the variant.
struct OneEntry<'t>(&'t Entry);

impl<'de, 't: 'de> EnumAccess<'de> for OneEntry<'t> {
    type Error = ReadError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), ReadError> {
        let variant = seed.deserialize(self.0.key.as_str().into_deserializer())?;
        Ok((variant, self))
    }
}

impl<'de, 't: 'de> VariantAccess<'de> for OneEntry<'t> {
    type Error = ReadError;

    fn unit_variant(self) -> Result<(), ReadError> {
        Err(ReadError::value("is a table", format!("write just {:?}", self.0.key)))
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, ReadError> {
        seed.deserialize(Reader(&self.0.node)).map_err(|error| error.under(self.0.key.clone()))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _length: usize, visitor: V) -> Result<V::Value, ReadError> {
        Reader(&self.0.node).deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        Reader(&self.0.node).deserialize_any(visitor).map_err(|error| error.under(self.0.key.clone()))
    }
}
