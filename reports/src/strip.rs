//! Every worker's pool over time, in at most 120 bins each: the heat map's data.

use crate::ladder;
use crate::workers::Stretch;

/// At most so many bins per worker.
pub(crate) const MOST: usize = 120;

/// The strips of all workers. Memory is fixed: workers times 120 cells.
pub(crate) struct Strips {
    pub(crate) width: u64,
    /// How many bins have begun; the last is open.
    pub(crate) bins: usize,
    cells: Vec<Stretch>,
}

impl Strips {
    pub(crate) fn new(workers: usize, planned_ns: Option<u64>) -> Self {
        let width = ladder::first_width(planned_ns, MOST);
        Self { width, bins: 1, cells: vec![Stretch::default(); workers * MOST] }
    }

    /// When the open bin ends.
    pub(crate) fn due(&self) -> u64 {
        self.bins as u64 * self.width
    }

    /// Adds to the open bin of this worker.
    pub(crate) fn add(&mut self, worker: usize, stretch: Stretch) {
        self.cells[worker * MOST + self.bins - 1].add(stretch);
    }

    /// A request arrived at this worker at this time.
    #[inline]
    pub(crate) fn arrived(&mut self, worker: usize, arrived: u64) {
        let bin = ((arrived / self.width) as usize).min(self.bins - 1);
        if let Some(cell) = self.cells.get_mut(worker * MOST + bin) {
            cell.arrivals += 1;
        }
    }

    /// What the bins of a worker come to in which this holds and, where pools are told apart, its pool was
    /// empty at some time; and how long they are together.
    pub(crate) fn sum(
        &self,
        worker: usize,
        end: u64,
        holds: impl Iterator<Item = bool>,
        empty_only: bool,
    ) -> (Stretch, u64) {
        let row = &self.cells[worker * MOST..worker * MOST + self.bins];
        let (mut sum, mut length) = (Stretch::default(), 0);
        for (bin, (cell, holds)) in row.iter().zip(holds).enumerate() {
            if holds && (cell.empty > 0 || !empty_only) {
                sum.add(*cell);
                length += end.saturating_sub(bin as u64 * self.width).min(self.width);
            }
        }
        (sum, length)
    }

    /// The open bin ends, and the next begins. There is room: [`Self::fit`] has seen to it.
    pub(crate) fn close(&mut self) {
        self.bins += 1;
    }

    /// Makes the bins wide enough for time `t`.
    pub(crate) fn fit(&mut self, t: u64) {
        while t / self.width >= MOST as u64 {
            self.coarsen();
        }
    }

    fn coarsen(&mut self) {
        let wider = ladder::wider(self.width);
        let factor = (wider / self.width) as usize;
        for row in self.cells.chunks_mut(MOST) {
            for bin in 0..MOST {
                let mut sum = Stretch::default();
                for cell in row.iter().skip(bin * factor).take(factor) {
                    sum.add(*cell);
                }
                row[bin] = sum;
            }
        }
        self.bins = self.bins.div_ceil(factor);
        self.width = wider;
    }

    /// The two strips of a worker as text, one character per bin: the least level as a share of the target,
    /// and emptiness.
    pub(crate) fn texts(&self, worker: usize, end: u64) -> (String, String) {
        let row = &self.cells[worker * MOST..worker * MOST + self.bins];
        let length = |bin: usize| (end.saturating_sub(bin as u64 * self.width)).min(self.width);
        let lengths = (0..self.bins).map(length);
        row.iter()
            .zip(lengths)
            .filter(|(_, length)| *length > 0)
            .map(|(cell, length)| (level_character(cell, length), empty_character(cell, length)))
            .unzip()
    }
}

/// The least level as a share of the mean target, in tenths; `-` where the pool aimed for nothing.
fn level_character(cell: &Stretch, length: u64) -> char {
    if cell.target == 0 {
        return '-';
    }
    let share = f64::from(cell.least) * length as f64 / cell.target as f64;
    if share >= 0.95 { '+' } else { tenth((share * 10.0) as u32) }
}

/// The share of the bin in which the pool was empty, in tenths, rounded up so that no emptiness is hidden.
fn empty_character(cell: &Stretch, length: u64) -> char {
    let tenths = (cell.empty as f64 / length as f64 * 10.0).ceil() as u32;
    if tenths >= 10 { '+' } else { tenth(tenths) }
}

fn tenth(digit: u32) -> char {
    char::from_digit(digit.min(9), 10).unwrap_or('9')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_show_the_least_level_and_every_emptiness() {
        let mut strips = Strips::new(2, Some(30_000_000));
        let cell =
            |ready, target, empty, least| Stretch { ready, target, empty, least, ..Stretch::default() };
        strips.add(1, cell(40_000_000, 40_000_000, 0, 4));
        strips.close();
        strips.add(1, cell(38_000_000, 40_000_000, 0, 2));
        strips.close();
        strips.add(1, cell(15_000_000, 20_000_000, 1, 0));
        assert_eq!(strips.texts(1, 25_000_000), ("+50".to_owned(), "001".to_owned()));
    }

    #[test]
    fn a_pool_that_aims_for_nothing_is_neither_full_nor_empty() {
        let cell = Stretch { least: 0, ..Stretch::default() };
        assert_eq!((level_character(&cell, 10), empty_character(&cell, 10)), ('-', '0'));
    }

    #[test]
    fn merging_adds_cells_up() {
        let mut strips = Strips::new(1, None);
        for n in 1..=1_000_u64 {
            strips.add(0, Stretch { ready: 1, target: 2, empty: 3, least: 5, ..Stretch::default() });
            strips.fit(n * 10_000_000);
            while strips.due() <= n * 10_000_000 {
                strips.close();
            }
        }
        assert!(strips.bins <= MOST);
        let sum: u64 = strips.cells.iter().map(|cell| cell.ready).sum();
        assert_eq!(sum, 1_000);
    }
}
