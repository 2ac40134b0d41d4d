//! `--set key=value`: changes to a document before it is read.

use std::path::Path;

use toml::de::DeTable;

use super::tree::{Node, Origin, Value, tree_of};

/// How deep a key may lie.
const DEPTH_MAX: usize = 16;

/// Why an override cannot be applied: what is wrong, and what to do.
pub(crate) struct BadOverride {
    pub(crate) message: String,
    pub(crate) remedy: String,
}

fn bad(message: impl Into<String>, remedy: impl Into<String>) -> BadOverride {
    BadOverride { message: message.into(), remedy: remedy.into() }
}

/// Applies one override to a document.
pub(crate) fn apply(root: &mut Node, text: &str, origin: Origin) -> Result<(), BadOverride> {
    let (key, value) = split(text)?;
    let path = segments(key)?;
    let mut value = value_of(value, origin);
    let Some((last, parents)) = path.split_last() else {
        return Err(bad("has no key", "write --set key=value, as in --set seed=7"));
    };
    anchor(Path::new(""), last, &mut value);
    let mut node = root;
    for segment in parents {
        node = step_into(node, segment, origin)?;
    }
    match &mut node.value {
        Value::Table(_) => node.put(last, origin, value),
        Value::Array(items) => match index_of(items.len(), last)? {
            index if index == items.len() => items.push(value),
            index => items[index] = value,
        },
        _ => return Err(bad(format!("`{last}` lies under something that is not a table"), SHAPE)),
    }
    Ok(())
}

/// Keys whose values are the paths of files.
const PATHS: [&str; 3] = ["trace", "histogram", "samples"];

/// Makes the paths in an override or a profile absolute: who writes one means it from where he stands
/// (`base`, from the current folder), not from the folder of the scenario.
pub(crate) fn anchor(base: &Path, key: &str, node: &mut Node) {
    match &mut node.value {
        Value::String(path) if PATHS.contains(&key) && !path.is_empty() => {
            if let Ok(absolute) = std::path::absolute(base.join(&*path)) {
                *path = absolute.display().to_string();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| anchor(base, key, item)),
        Value::Table(entries) => {
            entries.iter_mut().for_each(|entry| anchor(base, &entry.key, &mut entry.node));
        }
        _ => {}
    }
}

const SHAPE: &str = "write the path of a key, as in --set pool.depth.ready=8 or --set demand.1.to=200";

/// The key and the value of `key=value`; an equals sign within quotes belongs to the key.
fn split(text: &str) -> Result<(&str, &str), BadOverride> {
    let mut quoted = false;
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b'=' if !quoted => return Ok((text[..index].trim(), text[index + 1..].trim())),
            _ => {}
        }
    }
    Err(bad("has no `=`", "write --set key=value, as in --set seed=7"))
}

/// The segments of a dotted key, some of which may stand in quotes.
fn segments(key: &str) -> Result<Vec<String>, BadOverride> {
    let mut path = vec![String::new()];
    let mut quoted = false;
    for character in key.chars() {
        match character {
            '"' => quoted = !quoted,
            '.' if !quoted => path.push(String::new()),
            _ => {
                if let Some(segment) = path.last_mut() {
                    segment.push(character);
                }
            }
        }
    }
    path.iter_mut().filter(|_| !key.contains('"')).for_each(|segment| *segment = segment.trim().to_owned());
    if key.is_empty() {
        return Err(bad("has no key before its `=`", SHAPE));
    }
    if path.iter().any(String::is_empty) || path.len() > DEPTH_MAX {
        return Err(bad(format!("`{key}` is not the path of a key"), SHAPE));
    }
    Ok(path)
}

/// The value in TOML syntax, or the text itself where it is none.
fn value_of(text: &str, origin: Origin) -> Node {
    let string = || Node { origin, value: Value::String(text.to_owned()) };
    let document = format!("value = {text}\n");
    let Ok(table) = DeTable::parse(&document) else {
        return string();
    };
    match tree_of(&document, table.get_ref(), |_| origin) {
        // More than one key: the text had lines of its own, and is no value.
        Ok(Node { value: Value::Table(mut entries), .. }) if entries.len() == 1 => {
            entries.pop().map_or_else(string, |entry| entry.node)
        }
        _ => string(),
    }
}

fn step_into<'t>(node: &'t mut Node, segment: &str, origin: Origin) -> Result<&'t mut Node, BadOverride> {
    match &mut node.value {
        Value::Table(_) => {
            if node.child(segment).is_none() {
                node.put(segment, origin, Node::table(origin));
            }
        }
        Value::Array(items) => {
            if index_of(items.len(), segment)? == items.len() {
                items.push(Node::table(origin));
            }
        }
        _ => return Err(bad(format!("`{segment}` lies under something that is not a table"), SHAPE)),
    }
    node.child_mut(segment).ok_or_else(|| bad(format!("`{segment}` cannot be reached"), SHAPE))
}

fn index_of(length: usize, segment: &str) -> Result<usize, BadOverride> {
    segment.parse::<usize>().ok().filter(|index| *index <= length).ok_or_else(|| {
        let message = format!("`{segment}` stands where the list needs a number from 0 to {length}");
        bad(message, SHAPE)
    })
}
