//! What a trace holds, told by its first line.

use actors::nearest::nearest;

use super::fields::Fields;
use super::json::Object;
use super::lines::Lines;
use crate::demand::DemandError;
use crate::scenario::{Columns, Format, Trace};

/// How to read the rows of a trace: where in a line everything stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// A date and time in one column.
    AzureLlm { at: usize },
    /// The end and the duration in seconds.
    AzureFunctions2021 { key: usize, end: usize, duration: usize },
    /// Counts per minute from one column to the last.
    AzureFunctions2019 { key: usize, first: usize },
    /// Columns with these places.
    Csv { at: usize, key: Option<usize>, lifetime: Option<usize> },
    /// Fields with these names.
    Json(Columns),
}

/// The fields of a journal.
fn journal() -> Columns {
    Columns { at: "at".to_owned(), key: Some("key".to_owned()), lifetime: Some("lifetime".to_owned()) }
}

/// Reads the first line of a trace and tells its format, its layout and how many columns it has. After it `lines`
/// stands on the first line: a heading, or for JSON the first row.
pub(super) fn layout(lines: &Lines, trace: &Trace) -> Result<(Format, Layout, usize), DemandError> {
    let first = lines.line();
    let format = match trace.format {
        Some(format) => format,
        None => guess(lines, trace)?,
    };
    let fields = match (format, &trace.columns) {
        (Format::Jsonl, Some(columns)) => columns.clone(),
        (Format::Jsonl | Format::Journal, _) => journal(),
        _ => {
            let header = Header::of(first).ok_or_else(|| lines.fault("a quote is not closed", "close it"))?;
            return Ok((format, header.layout(format, trace, lines)?, header.0.len()));
        }
    };
    Ok((format, Layout::Json(fields), 0))
}

const KNOWN: &str = "say what it holds with `format` in [demand]: azure-llm, azure-functions-2021, \
     azure-functions-2019, csv or jsonl (with `columns`), or journal";

fn guess(lines: &Lines, trace: &Trace) -> Result<Format, DemandError> {
    let first = lines.line();
    if first.starts_with(b"{") {
        let names = Object::parse(first).map(|object| object.names().join(" ")).unwrap_or_default();
        let is_journal = names.split(' ').all(|name| ["at", "key", "lifetime"].contains(&name));
        return Ok(if is_journal && trace.columns.is_none() { Format::Journal } else { Format::Jsonl });
    }
    let header = Header::of(first).unwrap_or_default();
    let has = |names: &[&str]| names.iter().all(|name| header.place(name).is_some());
    if has(&["TIMESTAMP", "ContextTokens"]) {
        Ok(Format::AzureLlm)
    } else if has(&["app", "end_timestamp", "duration"]) {
        Ok(Format::AzureFunctions2021)
    } else if has(&["HashApp", "HashFunction", "1"]) {
        Ok(Format::AzureFunctions2019)
    } else if trace.columns.is_some() || has(&["at"]) {
        Ok(Format::Csv)
    } else {
        let text: String = String::from_utf8_lossy(first).chars().take(60).collect();
        Err(lines.fault(format!("the format cannot be told from the first line, `{text}`"), KNOWN))
    }
}

/// The names of a heading.
#[derive(Default)]
struct Header(Vec<String>);

impl Header {
    fn of(line: &[u8]) -> Option<Self> {
        let mut fields = Fields::default();
        let closed = fields.split(line);
        let name =
            |index| fields.meaning(line, index).map(|name| String::from_utf8_lossy(&name).into_owned());
        closed.then(|| Self((0..fields.count()).filter_map(name).collect()))
    }

    fn place(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|known| known == name)
    }

    /// The place of a column that may be there, but not twice.
    fn find(&self, name: &str, lines: &Lines) -> Result<Option<usize>, DemandError> {
        if self.0.iter().filter(|known| *known == name).count() > 1 {
            let message = format!("the heading has the column `{name}` twice");
            return Err(lines.fault(message, "rename or remove one, so that it is clear which counts"));
        }
        Ok(self.place(name))
    }

    /// The place of a column that must be there.
    fn need(&self, name: &str, lines: &Lines) -> Result<usize, DemandError> {
        self.find(name, lines)?.ok_or_else(|| {
            let remedy = match nearest(name, self.0.iter().map(String::as_str)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => {
                    let names: Vec<&str> = self.0.iter().take(8).map(String::as_str).collect();
                    format!("it has: {}; check `format` and `columns` in [demand]", names.join(", "))
                }
            };
            let remedy: String = remedy.chars().take(300).collect();
            lines.fault(format!("the heading has no column `{name}`"), remedy)
        })
    }

    /// Minutes are told by their place, so none may be missing between them.
    fn minutes_follow(&self, first: usize, lines: &Lines) -> Result<(), DemandError> {
        for (minute, name) in (1usize..).zip(&self.0[first..]) {
            if *name != minute.to_string() {
                let name: String = name.chars().take(60).collect();
                let message = format!("the heading has `{name}` where minute {minute} stands");
                return Err(
                    lines.fault(message, "number the columns of counts 1, 2, 3 and so on to the last")
                );
            }
        }
        Ok(())
    }

    fn layout(&self, format: Format, trace: &Trace, lines: &Lines) -> Result<Layout, DemandError> {
        let need = |name: &str| self.need(name, lines);
        match format {
            Format::AzureLlm => Ok(Layout::AzureLlm { at: need("TIMESTAMP")? }),
            Format::AzureFunctions2021 => Ok(Layout::AzureFunctions2021 {
                key: need("app")?,
                end: need("end_timestamp")?,
                duration: need("duration")?,
            }),
            Format::AzureFunctions2019 => {
                let first = need("1")?;
                self.minutes_follow(first, lines)?;
                Ok(Layout::AzureFunctions2019 { key: need("HashApp")?, first })
            }
            Format::Csv | Format::Jsonl | Format::Journal => match &trace.columns {
                Some(columns) => {
                    let optional = |name: &Option<String>| name.as_deref().map(need).transpose();
                    Ok(Layout::Csv {
                        at: need(&columns.at)?,
                        key: optional(&columns.key)?,
                        lifetime: optional(&columns.lifetime)?,
                    })
                }
                None => Ok(Layout::Csv {
                    at: need("at")?,
                    key: self.find("key", lines)?,
                    lifetime: self.find("lifetime", lines)?,
                }),
            },
        }
    }
}
