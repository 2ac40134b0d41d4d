//! Finds the key at fault where serde cannot say: it buffers the tables that have a `kind`, so that an error
//! inside one comes out at its outermost table. The search asks a plain question of every candidate: does the
//! error change when this part is not there (or, for a key that is missing, when it is)?

use super::deserialize::{About, ReadError};
use super::tree::{Entry, Node, Origin, Value};

/// How often the document may be read again during one search.
const READS_MAX: u32 = 2_000;

/// The path of the part at fault, from the root, for an error that surfaced at `path`.
pub(crate) fn find(
    root: &Node,
    path: &[String],
    error: &ReadError,
    read: &dyn Fn(&Node) -> Option<ReadError>,
) -> Vec<String> {
    let mut search = Search { root: root.clone(), error, read, reads: 0 };
    let Some(start) = at_mut(&mut search.root, path).cloned() else {
        return path.to_vec();
    };
    let mut path = path.to_vec();
    search.descend(&start, &mut path);
    path
}

fn at_mut<'t>(root: &'t mut Node, path: &[String]) -> Option<&'t mut Node> {
    path.iter().try_fold(root, |node, segment| node.child_mut(segment))
}

struct Search<'a> {
    root: Node,
    error: &'a ReadError,
    read: &'a dyn Fn(&Node) -> Option<ReadError>,
    reads: u32,
}

impl Search<'_> {
    /// Moves `path` from `node`, which holds the fault, to the innermost part that holds it.
    fn descend(&mut self, node: &Node, path: &mut Vec<String>) {
        if self.is_at(node, path) {
            return;
        }
        let mut children: Vec<(String, Node)> = match &node.value {
            Value::Table(entries) => {
                entries.iter().map(|entry| (entry.key.clone(), entry.node.clone())).collect()
            }
            Value::Array(items) => {
                items.iter().enumerate().map(|(index, item)| (index.to_string(), item.clone())).collect()
            }
            _ => return,
        };
        // Without its `kind` a table says something else whatever its fault was: that key is asked last.
        children.sort_by_key(|(key, _)| key == "kind");
        for (segment, child) in children {
            if !self.may_hold(&segment, &child) {
                continue;
            }
            path.push(segment);
            if self.changes_without(path) {
                self.descend(&child, path);
                return;
            }
            path.pop();
        }
    }

    /// Whether the fault is this table's own.
    fn is_at(&mut self, node: &Node, path: &[String]) -> bool {
        match &self.error.about {
            About::Missing(key) => {
                node.entries().is_some() && node.child(key).is_none() && self.changes_with(path, key)
            }
            _ => false,
        }
    }

    /// Whether the fault can lie in this child at all.
    fn may_hold(&self, segment: &str, child: &Node) -> bool {
        match &self.error.about {
            About::UnknownKey(key) => segment == key || holds(child, &|entry| entry.key == *key),
            About::UnknownName(name) => {
                let named = |node: &Node| matches!(&node.value, Value::String(text) if text == name);
                segment == name || named(child) || any(child, &named)
            }
            About::Missing(_) => matches!(child.value, Value::Table(_) | Value::Array(_)),
            About::Value => true,
        }
    }

    fn changes_without(&mut self, path: &[String]) -> bool {
        let Some((last, parent)) = path.split_last() else {
            return false;
        };
        self.changes(parent, |node| match &mut node.value {
            Value::Table(entries) => entries.retain(|entry| entry.key != *last),
            Value::Array(items) => {
                if let Some(index) = last.parse().ok().filter(|index| *index < items.len()) {
                    items.remove(index);
                }
            }
            _ => {}
        })
    }

    fn changes_with(&mut self, path: &[String], key: &str) -> bool {
        self.changes(path, |node| node.put(key, Origin::Nowhere, Node::table(Origin::Nowhere)))
    }

    fn changes(&mut self, path: &[String], change: impl FnOnce(&mut Node)) -> bool {
        self.reads += 1;
        if self.reads > READS_MAX {
            return false;
        }
        let Some(node) = at_mut(&mut self.root, path) else {
            return false;
        };
        let before = node.clone();
        change(node);
        let other = (self.read)(&self.root);
        if let Some(node) = at_mut(&mut self.root, path) {
            *node = before;
        }
        other.as_ref().map(ReadError::what) != Some(self.error.what())
    }
}

/// Whether an entry anywhere in this node is like that.
fn holds(node: &Node, like: &dyn Fn(&Entry) -> bool) -> bool {
    match &node.value {
        Value::Table(entries) => entries.iter().any(|entry| like(entry) || holds(&entry.node, like)),
        Value::Array(items) => items.iter().any(|item| holds(item, like)),
        _ => false,
    }
}

/// Whether a value anywhere in this node is like that.
fn any(node: &Node, like: &dyn Fn(&Node) -> bool) -> bool {
    match &node.value {
        Value::Table(entries) => entries.iter().any(|entry| like(&entry.node) || any(&entry.node, like)),
        Value::Array(items) => items.iter().any(|item| like(item) || any(item, like)),
        _ => false,
    }
}
