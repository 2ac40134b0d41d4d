//! Where values stand on an axis, and which of them are marked there.

use crate::format;

/// How values become places on an axis.
#[derive(Clone, Copy, Debug)]
pub(super) enum Scale {
    /// Evenly, from one value to another.
    Linear(f64, f64),
    /// By decades, from one positive value to another.
    Decades(f64, f64),
}

impl Scale {
    /// The place of a value, 0 to 1, clamped.
    pub(super) fn place(self, value: f64) -> f64 {
        let share = match self {
            Self::Linear(from, to) if to > from => (value - from) / (to - from),
            Self::Decades(from, to) if to > from => (value.max(from) / from).log10() / (to / from).log10(),
            _ => 0.0,
        };
        share.clamp(0.0, 1.0)
    }
}

/// The largest value, and a little more, so that nothing touches the frame.
pub(super) fn headroom(most: f64) -> f64 {
    if most <= 0.0 { 1.0 } else { most * 1.08 }
}

/// Values for marks on a linear axis up to `most`: about `count` of 1, 2 or 5 times a power of ten.
pub(super) fn ticks(most: f64, count: usize) -> Vec<f64> {
    if most <= 0.0 {
        return vec![0.0];
    }
    let rough = most / count as f64;
    let power = 10_f64.powf(rough.log10().floor());
    let step =
        [1.0, 2.0, 5.0, 10.0].into_iter().map(|by| by * power).find(|step| *step >= rough).unwrap_or(rough);
    (0..).map(|n| f64::from(n) * step).take_while(|value| *value <= most * 1.0001).collect()
}

/// Steps between marks of time, in seconds. `scripts/axis.js` has the same.
const STEPS: [f64; 25] = [
    0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0,
    1_800.0, 3_600.0, 7_200.0, 10_800.0, 21_600.0, 43_200.0, 86_400.0, 604_800.0,
];

/// Time from the opening of a run to its end, and which civil time the opening was, where that is known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    /// The end, in seconds since the opening.
    pub(super) end_s: f64,
    /// The civil time of the opening, in seconds since 1970, UTC.
    pub(super) begins_s: Option<f64>,
}

impl Span {
    /// Moments for marks, with their labels. Where civil time is known they are round in it.
    pub(super) fn ticks(self) -> Vec<(f64, String)> {
        let rough = self.end_s / 9.0;
        let step = STEPS.into_iter().find(|step| *step >= rough).unwrap_or(rough.max(0.001));
        let shift = self.begins_s.map_or(0.0, |begins| begins.rem_euclid(step.max(86_400.0)));
        let first = (shift / step).ceil();
        (0..40)
            .map(|n| (first + f64::from(n)) * step - shift)
            .take_while(|at| *at <= self.end_s + step * 1e-6)
            .map(|at| (at, self.label(at, step)))
            .collect()
    }

    fn label(self, at: f64, step: f64) -> String {
        match self.begins_s {
            None => format::seconds(at),
            Some(begins) => civil(begins + at, step),
        }
    }

    /// The place of a moment.
    pub(super) fn scale(self) -> Scale {
        Scale::Linear(0.0, self.end_s)
    }
}

/// A civil time on an axis with such steps: the day where one begins, else the time of day.
fn civil(unix_s: f64, step: f64) -> String {
    let Ok(at) = jiff::Timestamp::from_millisecond((unix_s * 1e3).round() as i64) else {
        return String::new();
    };
    let at = at.to_zoned(jiff::tz::TimeZone::UTC);
    let pattern = match step {
        _ if unix_s.rem_euclid(86_400.0) == 0.0 => "%a %-d %b",
        step if step < 1.0 => "%H:%M:%S%.f",
        step if step < 60.0 => "%H:%M:%S",
        _ => "%H:%M",
    };
    at.strftime(pattern).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(end_s: f64, begins_s: Option<f64>) -> Vec<String> {
        Span { end_s, begins_s }.ticks().into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn marks_are_round_in_civil_time_where_that_is_known() {
        assert_eq!(labels(10.0, None), ["0s", "2s", "4s", "6s", "8s", "10s"]);
        // 2026-01-05T22:30:00Z, a Monday.
        let begins = Some(1_767_652_200.0);
        assert_eq!(
            labels(3.0 * 3_600.0, begins),
            ["22:30", "23:00", "23:30", "Tue 6 Jan", "00:30", "01:00", "01:30"]
        );
    }

    #[test]
    fn decades_are_evenly_apart() {
        let scale = Scale::Decades(1.0, 100.0);
        assert_eq!((scale.place(1.0), scale.place(10.0), scale.place(1e6)), (0.0, 0.5, 1.0));
    }
}
