//! A scenario file as a document: its text, the overrides laid over it, and the way from a key back to its
//! line.

mod blame;
mod deserialize;
mod other_words;
mod overrides;
mod tree;

use std::path::Path;

use actors::nearest::suggestion;
use serde::de::DeserializeOwned;
use toml::de::DeTable;

use crate::error::{Place, ScenarioError};
use deserialize::{About, ReadError, Reader};
pub(crate) use tree::{Node, Value};
use tree::{Origin, line_of, tree_of};

/// The largest scenario file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 16 << 20;

pub(crate) fn read_text(path: &Path) -> Result<String, ScenarioError> {
    let name = path.display().to_string();
    let file = std::fs::metadata(path);
    if file.as_ref().is_ok_and(std::fs::Metadata::is_dir) {
        return Err(ScenarioError::of_file(&name, "this is a folder", "give the path of a file in it"));
    }
    if file.is_ok_and(|file| file.is_file() && file.len() > FILE_BYTES_MAX) {
        let remedy = format!("a scenario has at most {} MiB; is this a trace?", FILE_BYTES_MAX >> 20);
        return Err(ScenarioError::of_file(&name, "the file is too large to be a scenario", remedy));
    }
    std::fs::read_to_string(path).map_err(|error| {
        use std::io::ErrorKind::{InvalidData, NotADirectory, NotFound};
        let host_fault = !matches!(error.kind(), NotFound | NotADirectory | InvalidData);
        let (message, remedy) = match error.kind() {
            NotFound | NotADirectory => ("there is no such file".to_owned(), "check the path"),
            InvalidData => ("the file is not UTF-8 text".to_owned(), "is this a scenario?"),
            _ => (format!("the file cannot be read: {error}"), ""),
        };
        ScenarioError { host_fault, ..ScenarioError::of_file(&name, message, remedy) }
    })
}

/// A parsed document.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    files: Vec<String>,
    sets: Vec<String>,
    root: Node,
}

impl Document {
    /// Parses a text; `name` is the file as the user knows it.
    pub(crate) fn parse(text: &str, name: &str) -> Result<Self, ScenarioError> {
        let root = parse_tree(text, name, 0)?;
        Ok(Self { files: vec![name.to_owned()], sets: Vec::new(), root })
    }

    /// Lays the overrides over the document, in their order.
    pub(crate) fn set(&mut self, overrides: &[String]) -> Result<(), ScenarioError> {
        for text in overrides {
            let origin = Origin::Set(u16::try_from(self.sets.len()).unwrap_or(u16::MAX));
            self.sets.push(text.clone());
            overrides::apply(&mut self.root, text, origin).map_err(|bad| ScenarioError {
                place: Place::Set(text.clone()),
                ..ScenarioError::of_file(&self.files[0], bad.message, bad.remedy)
            })?;
        }
        Ok(())
    }

    /// Lays another file over the table `key` of this one. The file may hold that table, or its keys alone.
    pub(crate) fn overlay_file(&mut self, key: &str, text: &str, name: &str) -> Result<(), ScenarioError> {
        let index = u16::try_from(self.files.len()).unwrap_or(u16::MAX);
        let over = parse_tree(text, name, index)?;
        self.files.push(name.to_owned());
        let over = match over.child(key) {
            Some(table) => {
                self.refuse_beside(key, &over)?;
                table.clone()
            }
            None => over,
        };
        match self.root.child_mut(key) {
            Some(node) => node.overlay(&over),
            None => self.root.put(key, over.origin, over),
        }
        Ok(())
    }

    /// What stands beside the table that is laid over would be passed over in silence.
    fn refuse_beside(&self, key: &str, over: &Node) -> Result<(), ScenarioError> {
        let Some(entry) = over.entries().into_iter().flatten().find(|entry| entry.key != key) else {
            return Ok(());
        };
        let message =
            format!("`{}` stands beside [{key}], and of this file only that table is used", entry.key);
        let remedy = format!(
            "leave it out; to compare whole scenarios name this one with --scenario, not with --{key}"
        );
        Err(ScenarioError {
            place: self.place(entry.origin),
            key: entry.key.as_str().into(),
            ..ScenarioError::of_file(&self.files[0], message, remedy)
        })
    }

    /// Makes the paths of files in it absolute, from the folder `base`.
    pub(crate) fn anchor(&mut self, base: &Path) {
        overrides::anchor(base, "", &mut self.root);
    }

    /// Lays tables of another document over those of this one: each of their keys replaces the whole that
    /// stood there.
    pub(crate) fn overlay_tables(&mut self, over: &Self, tables: &[&str]) {
        let shift = u16::try_from(self.files.len()).unwrap_or(u16::MAX);
        self.files.extend(over.files.iter().cloned());
        for (table, origin) in tables.iter().filter_map(|table| Some((table, over.root.origin_of(table)?))) {
            let origin = origin.in_later_file(shift);
            if self.root.child(table).is_none() {
                self.root.put(table, origin, Node::table(origin));
            }
            let (Some(onto), Some(entries)) =
                (self.root.child_mut(table), over.root.child(table).and_then(Node::entries))
            else {
                continue;
            };
            for entry in entries {
                let mut node = entry.node.clone();
                node.move_to_later_file(shift);
                onto.put(&entry.key, entry.origin.in_later_file(shift), node);
            }
        }
    }

    /// The file that gives a key, if it is another than the document's own.
    pub(crate) fn other_file(&self, path: &[&str]) -> Option<String> {
        match self.locate(path) {
            Place::Line { file, .. } if file != self.files[0] => Some(file),
            _ => None,
        }
    }

    /// The name of the file, without its folder and its ending.
    pub(crate) fn stem(&self) -> String {
        let stem = Path::new(&self.files[0]).file_stem();
        stem.map_or_else(|| "scenario".to_owned(), |stem| stem.to_string_lossy().into_owned())
    }

    pub(crate) fn root_mut(&mut self) -> &mut Node {
        &mut self.root
    }

    /// Reads the whole document as one typed value.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, ScenarioError> {
        T::deserialize(Reader(&self.root)).map_err(|error| {
            let read = |root: &Node| T::deserialize(Reader(root)).err();
            self.explain(&error, &read)
        })
    }

    /// The value that the file, or an override, gives.
    pub(crate) fn value(&self, path: &[&str]) -> Option<&Value> {
        path.iter().try_fold(&self.root, |node, segment| node.child(segment)).map(|node| &node.value)
    }

    /// Whether the file, or an override, gives this key.
    pub(crate) fn has(&self, path: &[&str]) -> bool {
        path.iter().try_fold(&self.root, |node, segment| node.child(segment)).is_some()
    }

    /// Whether the file, or an override, gives a table under this key.
    pub(crate) fn is_table(&self, path: &[&str]) -> bool {
        let node = path.iter().try_fold(&self.root, |node, segment| node.child(segment));
        node.is_some_and(|node| node.entries().is_some())
    }

    /// Where a key stands; where it was not given, where the innermost table around it stands.
    pub(crate) fn locate(&self, path: &[&str]) -> Place {
        let mut node = &self.root;
        let mut origin = Origin::Nowhere;
        for segment in path {
            let (Some(next), Some(at)) = (node.child(segment), node.origin_of(segment)) else {
                break;
            };
            (node, origin) = (next, at);
        }
        self.place(origin)
    }

    /// An error about a key. What is wrong reads as the rest of a sentence that begins with the key.
    pub(crate) fn error(&self, path: &[&str], wrong: &str, remedy: &str) -> ScenarioError {
        let key = path.join(".");
        let message = match key.as_str() {
            "" => wrong.to_owned(),
            // A text that begins with what it quotes speaks for itself; it is joined to the key by a colon.
            _ if wrong.starts_with('`') => format!("`{key}` is invalid: {wrong}"),
            _ => format!("`{key}` {wrong}"),
        };
        ScenarioError {
            place: self.locate(path),
            key: key.into(),
            ..ScenarioError::of_file(&self.files[0], message, remedy)
        }
    }

    fn place(&self, origin: Origin) -> Place {
        match origin {
            Origin::Nowhere => Place::Nowhere,
            Origin::Line(file, line) => match self.files.get(usize::from(file)) {
                Some(file) => Place::Line { file: file.clone(), line },
                None => Place::Nowhere,
            },
            Origin::Set(index) => {
                self.sets.get(usize::from(index)).cloned().map_or(Place::Nowhere, Place::Set)
            }
        }
    }

    fn explain(&self, error: &ReadError, read: &dyn Fn(&Node) -> Option<ReadError>) -> ScenarioError {
        let outer: Vec<String> = error.path.iter().rev().cloned().collect();
        let path = blame::find(&self.root, &outer, error, read);
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        match &error.about {
            About::UnknownKey(key) => {
                let table = match path.split_last() {
                    Some((last, table)) if last == key => table,
                    _ => &path[..],
                };
                let full: Vec<&str> = table.iter().copied().chain([key.as_str()]).collect();
                let message = format!("unknown key `{key}` {}", in_table(table));
                let remedy = other_words::for_key(table, key)
                    .map_or_else(|| suggestion(key, error.known), str::to_owned);
                ScenarioError { message, ..self.error(&full, "", &remedy) }
            }
            About::UnknownName(name) => {
                // Where the name is a key, the value that it makes up is at fault.
                let path = path.strip_suffix(&[name.as_str()]).unwrap_or(&path);
                let remedy = other_words::for_name(path, name)
                    .map_or_else(|| suggestion(name, error.known), str::to_owned);
                self.error(path, &error.message, &remedy)
            }
            About::Missing(key) => {
                let remedy = format!("add `{key} = ...` to it");
                let message = format!("the key `{key}` is missing {}", in_table(&path));
                ScenarioError { message, ..self.error(&path, "", &remedy) }
            }
            About::Value => {
                let is_list = self.value(&path).is_some_and(|value| matches!(value, Value::Array(_)));
                let instead = other_words::for_list(&path).filter(|_| is_list);
                self.error(&path, &error.message, instead.unwrap_or(&error.remedy))
            }
        }
    }
}

fn in_table(path: &[&str]) -> String {
    if path.is_empty() { "at the top of the file".to_owned() } else { format!("in [{}]", path.join(".")) }
}

fn parse_tree(text: &str, name: &str, file: u16) -> Result<Node, ScenarioError> {
    let at = |line| Place::Line { file: name.to_owned(), line };
    let table = DeTable::parse(text).map_err(|error| {
        let line = error.span().map_or(1, |span| line_of(text, span.start));
        let message = format!("this is not TOML: {}", error.message().replace('\n', ", "));
        ScenarioError { place: at(line), ..ScenarioError::of_file(name, message, "") }
    })?;
    tree_of(text, table.get_ref(), |line| Origin::Line(file, line)).map_err(|bad| {
        let message = format!("the number {} is too large to be held", bad.text);
        let place = if let Origin::Line(_, line) = bad.origin { at(line) } else { Place::Nowhere };
        let remedy = format!("the largest whole number is {}", i64::MAX);
        ScenarioError { place, ..ScenarioError::of_file(name, message, remedy) }
    })
}
