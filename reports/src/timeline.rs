//! The fleet over time, bin by bin, and the file `timeline.csv`.

use std::io;

use serde::{Deserialize, Serialize};

use crate::ladder;

/// The narrowest bin, in seconds.
const NARROWEST_S: f64 = ladder::WIDTHS[0] as f64 / 1e9;

/// The fleet over time. Bins are equally wide but for the last, which ends with the run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Timeline {
    /// In the order of time, from the opening on, warm-up included.
    pub rows: Vec<Row>,
}

/// One bin. Requests are counted in the bin in which they arrived.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// When it begins, in seconds since the opening.
    pub from_s: f64,
    /// When it ends.
    pub to_s: f64,
    /// Requests that arrived.
    pub arrivals: u64,
    /// Of which served at once.
    pub warm: u64,
    /// Of which served after waiting.
    pub waited: u64,
    /// Of which served by a boot of their own.
    pub booted: u64,
    /// Of which served by a create.
    pub created: u64,
    /// Of which served by a neighbour.
    pub spilled: u64,
    /// Of which served by a Sprite that was idle or asleep.
    pub woken: u64,
    /// Of which turned away.
    pub rejected: u64,
    /// Of which lost to a fault.
    pub failed: u64,
    /// Of which misses: neither warm nor woken.
    pub misses: u64,
    /// Mean number of ready Sprites.
    pub ready_mean: f64,
    /// The least number of ready Sprites.
    pub ready_least: u64,
    /// Mean number of Sprites aimed for.
    pub target: f64,
    /// Mean number of Sprites being booted or created.
    pub booting: f64,
    /// Mean number of Sprites in use.
    pub in_use: f64,
    /// Mean number of requests that wait.
    pub waiting: f64,
    /// The largest number of requests that waited at once.
    pub waiting_most: u64,
    /// 99 % of the served requests took no longer, to 6 %, in nanoseconds.
    pub latency_p99_ns: u64,
    /// The longest latency of a served request, in nanoseconds.
    pub latency_max_ns: u64,
    /// Mean number of slots held.
    #[serde(default)]
    pub slots: f64,
}

impl Row {
    /// Requests of each outcome, in the order in which outcomes are reported.
    pub fn outcomes(&self) -> [u64; 8] {
        [
            self.warm,
            self.waited,
            self.booted,
            self.created,
            self.spilled,
            self.woken,
            self.rejected,
            self.failed,
        ]
    }

    /// How long the bin is, in seconds.
    pub fn seconds(&self) -> f64 {
        self.to_s - self.from_s
    }
}

impl Timeline {
    /// How wide every bin but the last is, in seconds; of a run that is shorter than a bin, its length.
    fn width_s(&self) -> f64 {
        self.rows.first().map_or(0.0, Row::seconds).max(NARROWEST_S)
    }

    /// So many requests of one bin, per second. The last bin counts as whole: where the run's end leaves a
    /// sliver of it, a single request would be hundreds per second.
    pub fn per_second(&self, count: u64) -> f64 {
        count as f64 / self.width_s()
    }

    /// Writes `timeline.csv`.
    pub fn write(&self, to: impl io::Write) -> Result<(), csv::Error> {
        let mut writer = csv::Writer::from_writer(to);
        for row in &self.rows {
            writer.serialize(row)?;
        }
        writer.flush()?;
        Ok(())
    }

    /// Reads `timeline.csv`.
    pub fn read(from: impl io::Read) -> Result<Self, csv::Error> {
        let rows = csv::Reader::from_reader(from).deserialize().collect::<Result<_, _>>()?;
        Ok(Self { rows })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bin_that_the_end_cuts_short_has_no_higher_rate() {
        let row = |from_s, to_s, arrivals| Row { from_s, to_s, arrivals, ..Row::default() };
        let timeline = Timeline { rows: vec![row(0.0, 1.0, 3), row(1.0, 2.0, 5), row(2.0, 2.001, 1)] };
        assert_eq!(timeline.per_second(1), 1.0);
        let moment = Timeline { rows: vec![row(0.0, 1e-6, 3)] };
        assert_eq!(moment.per_second(3), 300.0, "nothing is told apart within 10 ms");
    }

    #[test]
    fn a_timeline_survives_its_file() {
        let row =
            Row { from_s: 0.1, to_s: 0.3, warm: 7, target: 1.0 / 3.0, latency_max_ns: 12, ..Row::default() };
        let timeline = Timeline { rows: vec![Row::default(), row] };
        let mut file = Vec::new();
        timeline.write(&mut file).unwrap();
        assert_eq!(Timeline::read(file.as_slice()).unwrap(), timeline);
        let text = String::from_utf8(file).unwrap();
        assert!(text.starts_with("from_s,to_s,arrivals,warm,waited,"), "{text}");
    }
}
