//! The numbers of a plot or a table. Shapes are drawn from them here, and in the browser again when a part of
//! them is asked for; tooltips say them, and files are made from them. So all of these agree.

use serde_json::{Value, json};

/// How a value is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// A count over a bin, drawn as so many per second, or per bin: see [`Data::per`].
    Rate,
    /// Any number.
    Number,
    /// A length of time in nanoseconds.
    Nanos,
    /// A share of one.
    Share,
}

impl Unit {
    fn name(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::Number => "number",
            Self::Nanos => "ns",
            Self::Share => "share",
        }
    }
}

/// How a column is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Draw {
    /// An area on top of the areas before it.
    Stack,
    /// An area from zero, with a line on top.
    Area,
    /// A line of steps.
    Line,
    /// Only in words.
    Not,
}

impl Draw {
    fn name(self) -> &'static str {
        match self {
            Self::Stack => "stack",
            Self::Area => "area",
            Self::Line => "line",
            Self::Not => "not",
        }
    }
}

/// One series of a plot.
#[derive(Clone, Debug)]
pub(super) struct Column {
    /// Its colour class; empty where it is not drawn.
    pub(super) class: &'static str,
    /// Its name for people.
    pub(super) name: String,
    /// Its name in files, with its unit.
    pub(super) key: String,
    /// How its values are read.
    pub(super) unit: Unit,
    /// How it is drawn.
    pub(super) draw: Draw,
}

impl Column {
    /// A column whose name in files is that for people.
    pub(super) fn new(class: &'static str, name: &str, unit: Unit, draw: Draw) -> Self {
        let key = name.replace([' ', '-'], "_").replace(',', "");
        Self { class, name: name.to_owned(), key, unit, draw }
    }

    /// The same with another name in files.
    pub(super) fn keyed(self, key: &str) -> Self {
        Self { key: key.to_owned(), ..self }
    }
}

/// The values from one place of the x axis to another; nothing where a series has none.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// Where it begins.
    pub(super) from: f64,
    /// Where it ends.
    pub(super) to: f64,
    /// One value per column.
    pub(super) values: Vec<Option<f64>>,
}

/// The numbers of one plot.
#[derive(Clone, Debug, Default)]
pub(super) struct Data {
    /// The series, in the order in which they are stacked.
    pub(super) columns: Vec<Column>,
    /// The values, in the order of x.
    pub(super) rows: Vec<Row>,
    /// What a [`Unit::Rate`] is divided by, and what it then is per: `(1.0, "per second")`.
    pub(super) per: (f64, &'static str),
    /// A name for each row, where its place says too little.
    pub(super) titles: Vec<String>,
}

impl Data {
    /// Without rows, counts being per second already.
    pub(super) fn new(columns: Vec<Column>) -> Self {
        Self { columns, per: (1.0, ""), ..Self::default() }
    }

    /// The value as it is drawn.
    pub(super) fn drawn(&self, row: &Row, column: usize) -> Option<f64> {
        let value = row.values.get(column).copied().flatten()?;
        Some(if self.columns[column].unit == Unit::Rate { value / self.per.0 } else { value })
    }

    /// The highest place that anything drawn reaches.
    pub(super) fn highest(&self) -> f64 {
        let of_row = |row: &Row| {
            let mut stacked = 0.0;
            let mut highest = 0.0_f64;
            for (index, column) in self.columns.iter().enumerate() {
                let value = self.drawn(row, index).unwrap_or(0.0);
                match column.draw {
                    Draw::Stack => stacked += value,
                    Draw::Area | Draw::Line => highest = highest.max(value),
                    Draw::Not => {}
                }
            }
            highest.max(stacked)
        };
        self.rows.iter().map(of_row).fold(0.0, f64::max)
    }

    /// For the browser.
    pub(super) fn json(&self) -> Value {
        let columns: Vec<Value> = self
            .columns
            .iter()
            .map(|column| {
                json!({
                    "class": column.class, "name": column.name, "key": column.key,
                    "unit": column.unit.name(), "draw": column.draw.name(),
                })
            })
            .collect();
        let rows: Vec<Value> = self
            .rows
            .iter()
            .map(|row| {
                let ends = [Some(row.from), Some(row.to)];
                ends.into_iter().chain(row.values.iter().copied()).map(number).collect()
            })
            .collect();
        json!({ "columns": columns, "rows": rows, "per": self.per, "titles": self.titles })
    }
}

/// A number without digits that say nothing.
pub(super) fn number(value: Option<f64>) -> Value {
    match value {
        Some(value) if value.fract() == 0.0 && value.abs() < 9e15 => Value::from(value as i64),
        Some(value) => Value::from((value * 1e9).round() / 1e9),
        None => Value::Null,
    }
}

/// JSON for the browser, in an element that no script runs.
pub(super) fn script(json: &Value) -> String {
    // Within a script element only this sequence could end it, and only this one could keep it open.
    let json = json.to_string().replace("</", "<\\/").replace("<!--", "<\\u0021--");
    format!("<script type=\"application/json\">{json}</script>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stacked_is_added_up_and_what_is_not_drawn_is_not() {
        let mut data = Data::new(vec![
            Column::new("warm", "warm", Unit::Rate, Draw::Stack),
            Column::new("waited", "waited", Unit::Rate, Draw::Stack),
            Column::new("", "most", Unit::Number, Draw::Not),
        ]);
        data.per = (2.0, "per second");
        data.rows = vec![Row { from: 0.0, to: 2.0, values: vec![Some(6.0), Some(4.0), Some(99.0)] }];
        assert_eq!(data.highest(), 5.0);
    }

    #[test]
    fn a_name_cannot_end_the_script_that_holds_it() {
        let text = script(&json!({ "name": "</script><!-- <script>" }));
        assert_eq!(text.matches("</script>").count(), 1);
        assert!(!text.contains("<!--"));
    }

    #[test]
    fn whole_numbers_have_no_point() {
        assert_eq!(json!([number(Some(3.0)), number(Some(0.5)), number(None)]).to_string(), "[3,0.5,null]");
    }
}
