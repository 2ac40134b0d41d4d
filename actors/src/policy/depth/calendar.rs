//! The slots of a week: how the time of a run falls into them.

use super::civil::{Zone, run_time, timestamp};
use crate::time::{Duration, Time, WallClock};

/// How the run's time falls into slots of the week.
#[derive(Debug)]
pub(super) struct Calendar {
    pub(super) epoch: WallClock,
    pub(super) zone: Zone,
    pub(super) slot: Duration,
    pub(super) per_day: usize,
}

/// A stretch of the run that falls into one slot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Visit {
    pub(super) slot: usize,
    pub(super) begins: Time,
    pub(super) ends: Time,
}

impl Calendar {
    /// The visit that begins at this time. It ends early where clocks are shifted.
    pub(super) fn visit(&self, begins: Time) -> Visit {
        let at = timestamp(self.epoch, begins);
        let local = self.zone.local(at);
        let into_day =
            local.duration_since(local.date().to_datetime(jiff::civil::Time::midnight())).as_nanos();
        let (slot_of_day, into_slot) =
            (into_day as u64 / self.slot.as_nanos(), into_day as u64 % self.slot.as_nanos());
        let slot = local.weekday().to_monday_zero_offset() as usize * self.per_day + slot_of_day as usize;
        let ends = begins + (self.slot - Duration::from_nanos(into_slot));
        let shift = self.zone.next_shift(at).map_or(Time::MAX, |shift| run_time(self.epoch, shift));
        Visit { slot, begins, ends: ends.min(shift) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The visits from 2024-03-30T23:30:00Z on, with slots of two hours.
    fn visits(zone: &str, count: usize) -> Vec<(usize, f64, f64)> {
        let epoch = WallClock::from_unix_nanos(1_711_841_400_000_000_000);
        let zone = Zone::named(zone).unwrap();
        let calendar = Calendar { epoch, zone, slot: Duration::from_secs(7_200), per_day: 12 };
        let mut begins = Time::ZERO;
        let mut next = || {
            let visit = calendar.visit(begins);
            begins = visit.ends;
            (visit.slot, visit.begins.as_secs_f64() / 3_600.0, visit.ends.as_secs_f64() / 3_600.0)
        };
        (0..count).map(|_| next()).collect()
    }

    #[test]
    fn slots_count_from_monday_and_begin_again() {
        assert_eq!(visits("UTC", 2), [(71, 0.0, 0.5), (72, 0.5, 2.5)]);
        assert_eq!(visits("UTC", 13)[12], (83, 22.5, 24.5));
        assert_eq!(visits("UTC", 14)[13], (0, 24.5, 26.5));
    }

    #[test]
    fn a_visit_ends_where_clocks_are_put_forward() {
        // In Berlin it is 00:30 on a Sunday; at 01:00 UTC the clock goes from 02:00 to 03:00.
        assert_eq!(visits("Europe/Berlin", 3), [(72, 0.0, 1.5), (73, 1.5, 2.5), (74, 2.5, 4.5)]);
    }
}
