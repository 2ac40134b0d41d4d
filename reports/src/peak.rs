//! The most requests that arrived within one second, wherever that second begins: a rate that does not depend
//! on how wide a report's bins are.

/// The window.
pub(crate) const WINDOW_NS: u64 = 1_000_000_000;
/// A window begins at a multiple of this.
const STEP_NS: u64 = 10_000_000;
const STEPS: usize = (WINDOW_NS / STEP_NS) as usize;

/// Arrivals of the last second, step by step, and the most that there were.
pub(crate) struct Peak {
    steps: [u32; STEPS],
    /// The step of the latest arrival.
    last: u64,
    sum: u64,
    most: u64,
    /// The first step of the window with the most.
    most_at: u64,
}

impl Peak {
    pub(crate) fn new() -> Self {
        Self { steps: [0; STEPS], last: 0, sum: 0, most: 0, most_at: 0 }
    }

    /// A request arrived at `t`, in nanoseconds.
    #[inline]
    pub(crate) fn arrived(&mut self, t: u64) {
        let step = t / STEP_NS;
        if step > self.last {
            self.advance(step);
        } else if step + STEPS as u64 <= self.last {
            return;
        }
        self.steps[(step % STEPS as u64) as usize] += 1;
        self.sum += 1;
        if self.sum > self.most {
            (self.most, self.most_at) = (self.sum, self.first());
        }
    }

    /// The first step of the window in which a request arrived.
    fn first(&self) -> u64 {
        let steps = (self.last + 1).saturating_sub(STEPS as u64)..self.last;
        steps.into_iter().find(|step| self.steps[(step % STEPS as u64) as usize] > 0).unwrap_or(self.last)
    }

    /// Forgets what is older than a window before the end of this step.
    fn advance(&mut self, step: u64) {
        if step - self.last >= STEPS as u64 {
            self.steps = [0; STEPS];
            self.sum = 0;
        } else {
            for gone in self.last + 1..=step {
                let count = &mut self.steps[(gone % STEPS as u64) as usize];
                self.sum -= u64::from(std::mem::take(count));
            }
        }
        self.last = step;
    }

    /// The most requests within one window and when the first of them came, in nanoseconds; nothing without
    /// any request.
    pub(crate) fn most(&self) -> Option<(u64, u64)> {
        (self.most > 0).then_some((self.most, self.most_at * STEP_NS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_found_wherever_it_lies() {
        let mut peak = Peak::new();
        assert_eq!(peak.most(), None);
        // Five in a second that begins in the middle of another, two long after.
        for ms in [100, 1_600, 1_700, 1_900, 2_100, 2_590, 9_000, 9_100] {
            peak.arrived(ms * 1_000_000);
        }
        assert_eq!(peak.most(), Some((5, 1_600_000_000)));
    }

    #[test]
    fn what_is_reported_late_counts_while_its_second_lasts() {
        let mut peak = Peak::new();
        for ms in [5_000, 4_500, 1_000] {
            peak.arrived(ms * 1_000_000);
        }
        assert_eq!(peak.most().map(|(most, _)| most), Some(2));
    }
}
