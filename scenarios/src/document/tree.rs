//! A TOML document as a tree whose every key and value remembers where it was written. Overrides and merged
//! tables keep the places of their parts, so that an error always names the text that caused it.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Where a part was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Origin {
    /// It was written nowhere.
    #[default]
    Nowhere,
    /// In this file of the document, on this line.
    Line(u16, u32),
    /// In this `--set`.
    Set(u16),
}

impl Origin {
    /// The same place where so many files stand before its own.
    pub(crate) fn in_later_file(self, shift: u16) -> Self {
        match self {
            Self::Line(file, line) => Self::Line(file.saturating_add(shift), line),
            other => other,
        }
    }
}

/// A value and where it was written.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) origin: Origin,
    pub(crate) value: Value,
}

/// A TOML value. Date-times are texts here.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    String(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    Array(Vec<Node>),
    Table(Vec<Entry>),
}

/// A key with its value.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) origin: Origin,
    pub(crate) node: Node,
}

impl Node {
    pub(crate) fn table(origin: Origin) -> Self {
        Self { origin, value: Value::Table(Vec::new()) }
    }

    pub(crate) fn entries(&self) -> Option<&[Entry]> {
        match &self.value {
            Value::Table(entries) => Some(entries),
            _ => None,
        }
    }

    pub(crate) fn items(&self) -> Option<&[Node]> {
        match &self.value {
            Value::Array(items) => Some(items),
            _ => None,
        }
    }

    /// The value under a key of a table, or at an index of an array.
    pub(crate) fn child(&self, segment: &str) -> Option<&Node> {
        match &self.value {
            Value::Table(entries) => {
                entries.iter().find(|entry| entry.key == segment).map(|entry| &entry.node)
            }
            Value::Array(items) => items.get(segment.parse::<usize>().ok()?),
            _ => None,
        }
    }

    /// The same, to be changed.
    pub(crate) fn child_mut(&mut self, segment: &str) -> Option<&mut Node> {
        match &mut self.value {
            Value::Table(entries) => {
                entries.iter_mut().find(|entry| entry.key == segment).map(|entry| &mut entry.node)
            }
            Value::Array(items) => items.get_mut(segment.parse::<usize>().ok()?),
            _ => None,
        }
    }

    /// Where a key of this table was written, else where its value was.
    pub(crate) fn origin_of(&self, segment: &str) -> Option<Origin> {
        match &self.value {
            Value::Table(entries) => {
                entries.iter().find(|entry| entry.key == segment).map(|entry| entry.origin)
            }
            _ => self.child(segment).map(|node| node.origin),
        }
    }

    /// Puts a value under a key of this table; what is not a table becomes one.
    pub(crate) fn put(&mut self, key: &str, origin: Origin, node: Node) {
        if !matches!(self.value, Value::Table(_)) {
            self.value = Value::Table(Vec::new());
        }
        if let Value::Table(entries) = &mut self.value {
            match entries.iter_mut().find(|entry| entry.key == key) {
                Some(entry) => (entry.origin, entry.node) = (origin, node),
                None => entries.push(Entry { key: key.to_owned(), origin, node }),
            }
        }
    }

    /// Lays another table over this one, key by key. A table that names its `kind` replaces the whole, as
    /// does everything that is not a table.
    pub(crate) fn overlay(&mut self, over: &Node) {
        let replaces = over.child("kind").is_some();
        match (&mut self.value, &over.value) {
            (Value::Table(_), Value::Table(changes)) if !replaces => {
                for change in changes {
                    match self.child_mut(&change.key) {
                        Some(node) => node.overlay(&change.node),
                        None => self.put(&change.key, change.origin, change.node.clone()),
                    }
                    if let Value::Table(entries) = &mut self.value {
                        let changed = entries.iter_mut().find(|entry| entry.key == change.key);
                        changed.into_iter().for_each(|entry| entry.origin = change.origin);
                    }
                }
            }
            _ => *self = over.clone(),
        }
    }
}

impl Node {
    /// The same value where so many files stand before its own.
    pub(crate) fn move_to_later_file(&mut self, shift: u16) {
        self.origin = self.origin.in_later_file(shift);
        match &mut self.value {
            Value::Array(items) => items.iter_mut().for_each(|item| item.move_to_later_file(shift)),
            Value::Table(entries) => entries.iter_mut().for_each(|entry| {
                entry.origin = entry.origin.in_later_file(shift);
                entry.node.move_to_later_file(shift);
            }),
            _ => {}
        }
    }
}

/// Which line a byte of a text lies on, counted from one.
pub(crate) fn line_of(text: &str, byte: usize) -> u32 {
    let before = &text.as_bytes()[..byte.min(text.len())];
    before.iter().filter(|byte| **byte == b'\n').count() as u32 + 1
}

/// The lines of a text, to look up bytes quickly.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        Self(text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(index, _)| index).collect())
    }

    fn line(&self, byte: usize) -> u32 {
        self.0.partition_point(|end| *end < byte) as u32 + 1
    }
}

/// The tree of a parsed document.
pub(crate) fn tree_of(
    text: &str,
    table: &DeTable<'_>,
    origin: impl Fn(u32) -> Origin,
) -> Result<Node, NotHeld> {
    let lines = Lines::of(text);
    let at = |byte: usize| origin(lines.line(byte));
    Ok(Node { origin: at(0), value: Value::Table(entries_of(table, &at)?) })
}

/// A number that our integers cannot hold.
pub(crate) struct NotHeld {
    pub(crate) origin: Origin,
    pub(crate) text: String,
}

fn entries_of(table: &DeTable<'_>, at: &impl Fn(usize) -> Origin) -> Result<Vec<Entry>, NotHeld> {
    let mut entries: Vec<(usize, Entry)> = Vec::with_capacity(table.len());
    for (key, value) in table {
        let start = key.span().start;
        let entry = Entry { key: key.get_ref().to_string(), origin: at(start), node: node_of(value, at)? };
        entries.push((start, entry));
    }
    entries.sort_by_key(|(start, _)| *start);
    Ok(entries.into_iter().map(|(_, entry)| entry).collect())
}

fn node_of(value: &Spanned<DeValue<'_>>, at: &impl Fn(usize) -> Origin) -> Result<Node, NotHeld> {
    let origin = at(value.span().start);
    let value = match value.get_ref() {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Value::Integer(number),
            Err(_) => return Err(NotHeld { origin, text: number.to_string() }),
        },
        DeValue::Float(number) => match number.as_str().parse::<f64>() {
            Ok(number) => Value::Float(number),
            Err(_) => return Err(NotHeld { origin, text: number.to_string() }),
        },
        DeValue::Boolean(boolean) => Value::Boolean(*boolean),
        DeValue::Datetime(datetime) => Value::String(datetime.to_string()),
        DeValue::Array(items) => {
            Value::Array(items.iter().map(|item| node_of(item, at)).collect::<Result<_, _>>()?)
        }
        DeValue::Table(table) => Value::Table(entries_of(table, at)?),
    };
    Ok(Node { origin, value })
}
