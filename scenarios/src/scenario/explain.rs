//! The whole scenario as a file: every value in force, and a mark on those that come from no file.

use std::fmt::Write;

use serde::Serialize;
use toml::{Table, Value};

use crate::document::Document;
use crate::error::ScenarioError;

/// Keys that have no value unless they are given, with what holds then.
const UNSET: [(&str, &str, &str); 3] = [
    ("pool", "max_age", "ready Sprites are kept for ever"),
    ("sprite", "lifetime", "a started Sprite leaves the model at once"),
    ("sprite", "idle_after", "Sprites never sleep"),
];

/// Writes a scenario, or whatever else was read from a document; `name` stands for it in errors.
pub(crate) fn explain(
    value: &impl Serialize,
    name: &str,
    document: Option<&Document>,
    begins_by_trace: bool,
) -> Result<String, ScenarioError> {
    let table = Table::try_from(value).map_err(|error| {
        ScenarioError::of_file(name, format!("it cannot be written as TOML: {error}"), "")
    })?;
    let mut writer = Writer { out: String::new(), document, begins_by_trace };
    writer.out.push_str("# Every value in force. What no file or --set gives is marked `# default`, and what another\n# file than the scenario's own gives is marked with its name.\n");
    for (key, value) in &table {
        match value {
            Value::Table(entries) => writer.section(key, entries),
            Value::Array(items) => writer.sections(key, items),
            _ => writer.line(&[key], value),
        }
    }
    Ok(writer.out)
}

struct Writer<'d> {
    out: String,
    document: Option<&'d Document>,
    /// Whether `clock.begins` is that of the trace.
    begins_by_trace: bool,
}

impl Writer<'_> {
    fn section(&mut self, key: &str, entries: &Table) {
        let unset = UNSET.iter().filter(|(table, name, _)| *table == key && !entries.contains_key(*name));
        if entries.is_empty() && unset.clone().next().is_none() {
            return;
        }
        self.text(format_args!("\n[{key}]\n"));
        for (name, value) in entries {
            self.line(&[key, name], value);
        }
        for (_, name, meaning) in unset {
            self.text(format_args!("# {name} is not given: {meaning}  # default\n"));
        }
    }

    fn sections(&mut self, key: &str, items: &[Value]) {
        for (index, item) in items.iter().enumerate() {
            self.text(format_args!("\n[[{key}]]\n"));
            for (name, value) in item.as_table().into_iter().flatten() {
                self.line(&[key, &index.to_string(), name], value);
            }
        }
    }

    /// One key with its value on one line, and what of it is a default.
    fn line(&mut self, path: &[&str], value: &Value) {
        let name = path.last().copied().unwrap_or_default();
        let key = if is_bare(name) { name.to_owned() } else { Value::String(name.to_owned()).to_string() };
        self.text(format_args!("{key} = {}", inline(value)));
        if let Some(document) = self.document {
            if document.has(path) {
                let mut defaults = Vec::new();
                collect_defaults(document, path, value, &mut String::new(), &mut defaults);
                if !defaults.is_empty() {
                    self.text(format_args!("  # default: {}", defaults.join(", ")));
                }
                if let Some(file) = document.other_file(path) {
                    self.text(format_args!("  # from {file}"));
                }
            } else if self.begins_by_trace && path == ["clock", "begins"] {
                self.out.push_str("  # from the trace");
            } else {
                self.out.push_str("  # default");
            }
        }
        self.out.push('\n');
    }

    fn text(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = self.out.write_fmt(text);
    }
}

fn is_bare(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

/// A value on one line.
fn inline(value: &Value) -> String {
    match value {
        Value::Table(table) => {
            let entries: Vec<String> = table
                .iter()
                .map(|(key, value)| {
                    let key = if is_bare(key) { key.clone() } else { Value::String(key.clone()).to_string() };
                    format!("{key} = {}", inline(value))
                })
                .collect();
            if entries.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", entries.join(", ")) }
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(inline).collect();
            format!("[{}]", items.join(", "))
        }
        other => other.to_string(),
    }
}

/// The parts of a value that the document, which gives the value itself, does not give.
fn collect_defaults(
    document: &Document,
    path: &[&str],
    value: &Value,
    within: &mut String,
    defaults: &mut Vec<String>,
) {
    let parts: Vec<(String, &Value)> = match value {
        Value::Table(table) if document.is_table(path) => {
            table.iter().map(|(key, value)| (key.clone(), value)).collect()
        }
        Value::Array(items) => {
            items.iter().enumerate().map(|(index, value)| (index.to_string(), value)).collect()
        }
        _ => return,
    };
    for (key, part) in parts {
        let path: Vec<&str> = path.iter().copied().chain([key.as_str()]).collect();
        let before = within.len();
        if before > 0 {
            within.push('.');
        }
        within.push_str(&key);
        if document.has(&path) {
            collect_defaults(document, &path, part, within, defaults);
        } else {
            defaults.push(within.clone());
        }
        within.truncate(before);
    }
}
