//! Tables whose rows a reader can put into another order. Their values go with them, for `scripts/table.js`.

use serde_json::{Value, json};

use super::data::{number, script};
use super::text::escape;
use crate::format;

/// What stands where nothing is known.
const UNKNOWN: &str = "-";

/// A cell: what is read, and what rows are sorted by.
pub(super) struct Cell {
    html: String,
    value: Value,
}

impl Cell {
    /// A text.
    pub(super) fn text(text: &str) -> Self {
        Self { html: escape(text), value: Value::from(text) }
    }

    /// A count.
    pub(super) fn count(count: u64) -> Self {
        Self { html: format::count(count), value: Value::from(count) }
    }

    /// A number.
    pub(super) fn number(value: f64) -> Self {
        Self { html: format::number(value), value: number(Some(value)) }
    }

    /// A share of a whole; nothing of nothing.
    pub(super) fn share(part: u64, whole: u64) -> Self {
        match whole {
            0 => Self { html: UNKNOWN.to_owned(), value: Value::Null },
            whole => {
                let share = part as f64 / whole as f64;
                Self { html: format::share(share), value: number(Some(share)) }
            }
        }
    }

    /// A length of time, in seconds.
    pub(super) fn seconds(seconds: f64) -> Self {
        Self { html: format::seconds(seconds), value: number(Some(seconds)) }
    }

    /// Without a value, but with a word for why.
    pub(super) fn without(why: &str) -> Self {
        Self { html: escape(why), value: Value::Null }
    }
}

/// A column: its name for people and, with its unit, for files.
pub(super) struct Head(pub(super) &'static str, pub(super) &'static str);

/// Such a table.
pub(super) struct Sortable {
    /// Its name in files.
    pub(super) name: &'static str,
    /// What it shows, for those who do not see it.
    pub(super) about: &'static str,
    /// Its columns.
    pub(super) head: Vec<Head>,
    /// Its rows, as they are at first.
    pub(super) rows: Vec<Vec<Cell>>,
    /// The column by which they are sorted at first, from the largest down.
    pub(super) falling: Option<usize>,
}

impl Sortable {
    /// The table. Where it is long it scrolls in a window of its own.
    pub(super) fn html(&self) -> String {
        let head: String = self
            .head
            .iter()
            .enumerate()
            .map(|(index, Head(name, _))| {
                let sorted = if self.falling == Some(index) { " aria-sort=\"descending\"" } else { "" };
                format!("<th scope=\"col\"{sorted}>{}</th>", escape(name))
            })
            .collect();
        let rows: String = self
            .rows
            .iter()
            .map(|row| {
                format!(
                    "<tr>{}</tr>",
                    row.iter().map(|cell| format!("<td>{}</td>", cell.html)).collect::<String>()
                )
            })
            .collect();
        let data = json!({
            "name": self.name,
            "keys": self.head.iter().map(|Head(_, key)| key).collect::<Vec<_>>(),
            "rows": self.rows.iter().map(|row| row.iter().map(|cell| &cell.value).collect::<Vec<_>>()).collect::<Vec<_>>(),
        });
        // What scrolls must be reached by keyboard.
        let about = escape(self.about);
        format!(
            "<div class=\"sortable\"><div class=\"scroll tall\" tabindex=\"0\" role=\"region\" aria-label=\"{about}\"><table>\
             <thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>{}</div>",
            script(&data)
        )
    }
}
