//! What every seed of a run over several came to, as a table for spreadsheets: `seeds.csv`.

use std::io;

use crate::figure::{COMPARED, Figure};
use crate::summary::Summary;
use crate::unit::Unit;

/// A row for each seed: which gates hold, and the figures that comparisons use.
#[derive(Clone, Debug, PartialEq)]
pub struct SeedTable {
    /// What the columns after the seed hold: first the gates as they were written, then the figures with
    /// their units.
    pub columns: Vec<String>,
    /// How many of the columns are gates.
    pub gates: usize,
    /// Each seed with its values: 1 and 0 for a gate that holds and one that does not. Empty where a run has
    /// no value.
    pub rows: Vec<(u64, Vec<Option<f64>>)>,
}

impl SeedTable {
    /// The table of these runs of one scenario.
    pub fn new(runs: &[Summary]) -> Self {
        let gates = runs.first().map_or(&[][..], |run| &run.gates);
        let figures: Vec<Figure> =
            COMPARED.into_iter().filter(|figure| runs.iter().all(|run| figure.is_common_to(run))).collect();
        let gate_columns = gates.iter().map(|gate| format!("{GATE}{}", gate.gate));
        let row = |run: &Summary| {
            let gates = run.gates.iter().map(|gate| Some(f64::from(u8::from(gate.holds))));
            let values = figures.iter().map(|figure| figure.comparable(run).ok());
            (run.seed, gates.chain(values).collect())
        };
        Self {
            columns: gate_columns.chain(figures.iter().map(|figure| column(*figure))).collect(),
            gates: gates.len(),
            rows: runs.iter().map(row).collect(),
        }
    }

    /// The values of a figure that have one, in the order of the seeds.
    pub fn values(&self, figure: Figure) -> Vec<f64> {
        let name = column(figure);
        let index = self.columns.iter().position(|column| *column == name);
        let value = |row: &(u64, Vec<Option<f64>>)| row.1.get(index?).copied().flatten();
        self.rows.iter().filter_map(value).collect()
    }

    /// Writes the table.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn write(&self, out: impl io::Write) -> Result<(), csv::Error> {
        let mut writer = csv::Writer::from_writer(out);
        writer.write_record(std::iter::once("seed").chain(self.columns.iter().map(String::as_str)))?;
        for (seed, values) in &self.rows {
            let values = values.iter().map(|value| value.map_or_else(String::new, |value| value.to_string()));
            writer.write_record(std::iter::once(seed.to_string()).chain(values))?;
        }
        Ok(writer.flush()?)
    }

    /// Reads a table that was written.
    ///
    /// # Errors
    /// Where it is not such a table.
    pub fn read(table: &[u8]) -> Result<Self, String> {
        let mut reader = csv::Reader::from_reader(table);
        let header = reader.headers().map_err(|error| error.to_string())?.clone();
        let columns: Vec<String> = header.iter().skip(1).map(str::to_owned).collect();
        let mut rows = Vec::new();
        for record in reader.records() {
            let record = record.map_err(|error| error.to_string())?;
            let mut cells = record.iter();
            let seed = cells.next().unwrap_or_default();
            let seed = seed.parse().map_err(|_| format!("`{seed}` is no seed"))?;
            let value = |cell: &str| match cell {
                "" => Ok(None),
                cell => cell.parse().map(Some).map_err(|_| format!("`{cell}` is no number")),
            };
            rows.push((seed, cells.map(value).collect::<Result<_, String>>()?));
        }
        let gates = columns.iter().filter(|column| column.starts_with(GATE)).count();
        Ok(Self { columns, gates, rows })
    }
}

/// What the name of a gate's column begins with.
const GATE: &str = "gate ";

/// A figure's name with its unit.
fn column(figure: Figure) -> String {
    match figure.comparable_unit() {
        Unit::Nanoseconds => format!("{figure} (ns)"),
        Unit::Seconds => format!("{figure} (s)"),
        Unit::Share => format!("{figure} (share)"),
        _ => figure.to_string(),
    }
}
