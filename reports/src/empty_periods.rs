//! When pools were empty, read from the workers' strips: for sentences and for shading.

use crate::summary::Summary;

/// A stretch of time in which at least one worker's pool was empty for a while.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct EmptyPeriod {
    /// When it begins, in seconds since the opening, to the width of a strip's bin.
    pub(crate) from_s: f64,
    /// When it ends.
    pub(crate) to_s: f64,
    /// The share of worker time that was empty.
    pub(crate) share: f64,
    /// The largest number of workers whose pools were empty for a while within one bin.
    pub(crate) workers: usize,
}

/// One stretch for each bin with any emptiness after the warm-up.
pub(crate) fn bins(summary: &Summary) -> Vec<EmptyPeriod> {
    let bins = summary.workers.iter().map(|worker| worker.empty_strip.len()).max().unwrap_or(0);
    let (mut tenths, mut workers) = (vec![0_u64; bins], vec![0_usize; bins]);
    for worker in &summary.workers {
        for (bin, character) in worker.empty_strip.chars().enumerate() {
            let share = u64::from(character.to_digit(10).unwrap_or(10));
            tenths[bin] += share;
            workers[bin] += usize::from(share > 0);
        }
    }
    let (width, end) = (summary.strip_width_s, summary.warmup_s + summary.duration_s);
    (0..bins)
        .filter(|bin| workers[*bin] > 0)
        .map(|bin| EmptyPeriod {
            from_s: (bin as f64 * width).max(summary.warmup_s),
            to_s: ((bin + 1) as f64 * width).min(end),
            share: tenths[bin] as f64 / 10.0 / summary.workers.len() as f64,
            workers: workers[bin],
        })
        .filter(|void| void.to_s > void.from_s)
        .collect()
}

/// Neighbouring stretches as one.
pub(crate) fn periods(summary: &Summary) -> Vec<EmptyPeriod> {
    let mut periods: Vec<EmptyPeriod> = Vec::new();
    for void in bins(summary) {
        match periods.last_mut() {
            Some(last) if void.from_s - last.to_s < summary.strip_width_s / 2.0 => {
                let (before, now) = (last.to_s - last.from_s, void.to_s - void.from_s);
                last.share = (last.share * before + void.share * now) / (before + now);
                last.to_s = void.to_s;
                last.workers = last.workers.max(void.workers);
            }
            _ => periods.push(void),
        }
    }
    periods
}
