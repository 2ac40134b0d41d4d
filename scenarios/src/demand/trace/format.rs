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
    /// Columns with these places and names.
    Csv { places: Places, names: Columns },
    /// Fields with these names.
    Json(Columns),
}

/// Where the columns stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Places {
    pub(super) at: usize,
    pub(super) key: Option<usize>,
    pub(super) lifetime: Option<usize>,
    pub(super) end: Option<usize>,
    pub(super) count: Option<usize>,
}

/// What the first line says about all others.
#[derive(Debug)]
pub(super) struct Opening {
    pub(super) format: Format,
    pub(super) layout: Layout,
    /// What separates columns.
    pub(super) delimiter: u8,
    /// The names of all columns, or of the fields of the first object.
    pub(super) names: Vec<String>,
    /// Whether the first line is a row.
    pub(super) is_row: bool,
}

/// The names that are looked for where `columns` gives none.
fn default_names() -> Columns {
    Columns {
        at: "at".to_owned(),
        key: Some("key".to_owned()),
        lifetime: Some("lifetime".to_owned()),
        end: None,
        count: None,
    }
}

/// Reads the first line of a trace, on which `lines` stands.
pub(super) fn open(lines: &Lines, trace: &Trace) -> Result<Opening, DemandError> {
    let first = lines.line();
    let is_object = first.starts_with(b"{");
    let is_marked = is_object && is_journal(first);
    match trace.format {
        Some(Format::Journal) => return Ok(json(Format::Journal, default_names(), lines, !is_marked)),
        None if is_marked => return Ok(json(Format::Journal, default_names(), lines, false)),
        Some(Format::Jsonl) | None if is_object || trace.format.is_some() => {
            let names = trace.columns.clone().unwrap_or_else(default_names);
            return Ok(json(Format::Jsonl, names, lines, true));
        }
        _ => {}
    }
    let delimiter = match trace.delimiter {
        Some(delimiter) => delimiter.0,
        None => delimiter_of(first),
    };
    let header =
        Header::of(first, delimiter).ok_or_else(|| lines.fault("a quote is not closed", "close it"))?;
    let format = match trace.format {
        Some(format) => format,
        None => guess(&header, lines, trace)?,
    };
    let layout = header.layout(format, trace, lines)?;
    Ok(Opening { format, layout, delimiter, names: header.0, is_row: false })
}

fn json(format: Format, columns: Columns, lines: &Lines, is_row: bool) -> Opening {
    let names = Object::parse(lines.line()).map(|object| object.names()).unwrap_or_default();
    Opening { format, layout: Layout::Json(columns), delimiter: b',', names, is_row }
}

/// The first line of the project's own journal of arrivals, which tells it from other JSON lines.
pub const JOURNAL_MARK: &str = r#"{"journal":"warmpool","version":1}"#;

/// Whether a line is the mark of a journal, of any version.
fn is_journal(line: &[u8]) -> bool {
    Object::parse(line).is_ok_and(|object| object.get("journal").as_deref() == Some("warmpool"))
}

/// The one of comma, tab and semicolon that the heading has most of; a comma where it has none.
fn delimiter_of(heading: &[u8]) -> u8 {
    let parts = |delimiter| {
        let mut fields = Fields::new(delimiter);
        if fields.split(heading) { fields.count() } else { 0 }
    };
    let (mut best, mut most) = (b',', parts(b','));
    for delimiter in [b'\t', b';'] {
        let parts = parts(delimiter);
        if parts > most {
            (best, most) = (delimiter, parts);
        }
    }
    best
}

const KNOWN: &str = "say what it holds with `format` in [demand]: azure-llm, azure-functions-2021, \
     azure-functions-2019, csv or jsonl (with `columns`), or journal";

fn guess(header: &Header, lines: &Lines, trace: &Trace) -> Result<Format, DemandError> {
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
        let first = lines.line();
        let text: String = String::from_utf8_lossy(first).chars().take(60).collect();
        let message = format!("the format cannot be told from the first line, `{text}`");
        if first.starts_with(b"#") || first.starts_with(b"//") {
            return Err(
                lines.fault(message, "if this line is a comment, say so with `comment = \"#\"` in [demand]")
            );
        }
        let is_number = |name: &String| name.starts_with(|first: char| first.is_ascii_digit());
        if header.0.first().is_some_and(is_number) {
            return Err(lines.fault(message, "add a heading that names the columns, such as `at,key`"));
        }
        Err(lines.fault(
            message,
            format!("name the columns with `columns = {{ at = \"...\" }}` in [demand], or {KNOWN}"),
        ))
    }
}

/// The names of a heading.
struct Header(Vec<String>);

impl Header {
    fn of(line: &[u8], delimiter: u8) -> Option<Self> {
        let mut fields = Fields::new(delimiter);
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

    /// The place of a column that must be there; `key` is its name in `columns`, where it has one.
    fn need(&self, name: &str, key: Option<&str>, lines: &Lines) -> Result<usize, DemandError> {
        self.find(name, lines)?.ok_or_else(|| {
            let names = self.0.iter().map(String::as_str);
            lines.fault(format!("the heading has no column `{name}`"), name_it(name, key, names))
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
        let need = |name: &str| self.need(name, None, lines);
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
            Format::Csv | Format::Jsonl | Format::Journal => self.csv(trace, lines),
        }
    }

    fn csv(&self, trace: &Trace, lines: &Lines) -> Result<Layout, DemandError> {
        let Some(names) = trace.columns.clone() else {
            let names = default_names();
            let places = Places {
                at: self.need(&names.at, Some("at"), lines)?,
                key: self.find("key", lines)?,
                lifetime: self.find("lifetime", lines)?,
                end: None,
                count: None,
            };
            return Ok(Layout::Csv { places, names });
        };
        let optional = |key: &str, name: &Option<String>| {
            name.as_deref().map(|name| self.need(name, Some(key), lines)).transpose()
        };
        let places = Places {
            at: self.need(&names.at, Some("at"), lines)?,
            key: optional("key", &names.key)?,
            lifetime: optional("lifetime", &names.lifetime)?,
            end: optional("end", &names.end)?,
            count: optional("count", &names.count)?,
        };
        Ok(Layout::Csv { places, names })
    }
}

/// What to do about a column or field that is not there: the names that are, and the key that names another.
pub(super) fn name_it<'n>(
    name: &str,
    key: Option<&str>,
    names: impl Iterator<Item = &'n str> + Clone,
) -> String {
    let short = |name: &str| -> String { name.chars().take(60).collect() };
    let listed: Vec<String> = names.clone().take(12).map(|name| format!("`{}`", short(name))).collect();
    let more = names.clone().nth(12).map_or("", |_| " and others");
    let there = format!("there are {}{more}", listed.join(", "));
    match (key, nearest(name, names)) {
        (Some(key), Some(near)) => format!(
            "did you mean `{0}`? {there}; name the right one with `columns = {{ {key} = \"{0}\" }}` in [demand]",
            short(near)
        ),
        (Some(key), None) => {
            format!("{there}; name the right one with `columns = {{ {key} = \"...\" }}` in [demand]")
        }
        (None, _) => format!("{there}; check `format` in [demand]"),
    }
}
