//! The faults of a run as they come and go. They may overlap, so what one of them does is only over when no
//! other does it: what holds for a worker is always worked out from all that are under way.

use actors::Time;

use crate::scenario::{Effect, Fault};

/// See the [module](self).
#[derive(Clone, Debug)]
pub struct Faults {
    /// Each with whether it is under way.
    faults: Vec<(Fault, bool)>,
}

/// A fault begins or ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// When.
    pub at: Time,
    /// Which, counted from zero.
    pub index: u32,
    /// Whether it begins.
    pub begins: bool,
}

/// What all faults under way do to one worker.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Condition {
    /// How many times as long its boots take: the factors multiply.
    pub slow: f64,
    /// The share of its boots that fails: one does if any of the faults makes it fail.
    pub failing: f64,
    /// Until when it answers nothing, stalls that continue this one included; [`Time::ZERO`] where it
    /// answers.
    pub stalled_until: Time,
    /// Whether it is down.
    pub is_down: bool,
}

impl Faults {
    /// None of them is under way.
    pub fn new(faults: Vec<Fault>) -> Self {
        Self { faults: faults.into_iter().map(|fault| (fault, false)).collect() }
    }

    /// When they begin and end, in the order in which that is to happen.
    pub fn moments(&self) -> Vec<Moment> {
        let both = self.faults.iter().zip(0..).flat_map(|((fault, _), index)| {
            [(fault.at, true), (fault.until, false)].map(|(at, begins)| Moment { at, index, begins })
        });
        let mut moments: Vec<Moment> = both.filter(|moment| moment.at < Time::MAX).collect();
        moments.sort_by_key(|moment| moment.at);
        moments
    }

    /// Such a moment has come. Gives the fault that begins or ends.
    pub fn turn(&mut self, moment: Moment) -> &Fault {
        let (fault, is_under_way) = &mut self.faults[moment.index as usize];
        *is_under_way = moment.begins;
        fault
    }

    /// Whether any of them stalls a worker.
    pub fn any_stall(&self) -> bool {
        self.faults.iter().any(|(fault, _)| fault.effect == Effect::Stall)
    }

    /// What they do to this worker now.
    pub fn on(&self, worker: u32) -> Condition {
        let mut condition = Condition { slow: 1.0, failing: 0.0, stalled_until: Time::ZERO, is_down: false };
        let here = || self.faults.iter().filter(|(fault, _)| fault.workers.contains(&worker));
        for (fault, _) in here().filter(|(_, on)| *on) {
            match fault.effect {
                Effect::SlowBoots(factor) => condition.slow *= factor,
                Effect::FailedBoots(ratio) => {
                    condition.failing = 1.0 - (1.0 - condition.failing) * (1.0 - ratio);
                }
                Effect::Stall => condition.stalled_until = condition.stalled_until.max(fault.until),
                Effect::Crash => condition.is_down = true,
            }
        }
        // A stall that begins before this one is over continues it: what is put off is put off once, and so
        // keeps its order.
        let mut stalls: Vec<_> = here().filter(|(fault, _)| fault.effect == Effect::Stall).collect();
        stalls.sort_by_key(|(fault, _)| fault.at);
        for (fault, _) in stalls {
            if condition.stalled_until > Time::ZERO && fault.at <= condition.stalled_until {
                condition.stalled_until = condition.stalled_until.max(fault.until);
            }
        }
        condition
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(at: u64, until: u64, effect: Effect) -> Fault {
        Fault { at: Time::from_nanos(at), until: Time::from_nanos(until), workers: 1..3, effect }
    }

    /// The condition of worker 1 after each moment, with its time.
    fn course(faults: Vec<Fault>) -> Vec<(u64, Condition)> {
        let mut faults = Faults::new(faults);
        let moments = faults.moments();
        moments
            .into_iter()
            .map(|moment| {
                faults.turn(moment);
                (moment.at.as_nanos(), faults.on(1))
            })
            .collect()
    }

    #[test]
    fn the_end_of_a_shorter_fault_leaves_the_longer_one() {
        let of = |effect| course(vec![fault(0, 50, effect), fault(5, 6, effect)]);
        let down: Vec<_> = of(Effect::Crash).iter().map(|(at, now)| (*at, now.is_down)).collect();
        assert_eq!(down, [(0, true), (5, true), (6, true), (50, false)]);
        let slow: Vec<_> = of(Effect::SlowBoots(3.0)).iter().map(|(_, now)| now.slow).collect();
        assert_eq!(slow, [3.0, 9.0, 3.0, 1.0]);
        let failing: Vec<_> = of(Effect::FailedBoots(0.5)).iter().map(|(_, now)| now.failing).collect();
        assert_eq!(failing, [0.5, 0.75, 0.5, 0.0]);
        let stalled: Vec<_> = of(Effect::Stall).iter().map(|(_, now)| now.stalled_until.as_nanos()).collect();
        assert_eq!(stalled, [50, 50, 50, 0]);
    }

    #[test]
    fn a_stall_that_is_continued_lasts_to_the_end_of_the_last() {
        let stalls =
            [(10, 30), (0, 20), (30, 40), (41, 50)].map(|(at, until)| fault(at, until, Effect::Stall));
        let stalled: Vec<_> =
            course(stalls.to_vec()).iter().map(|(at, now)| (*at, now.stalled_until.as_nanos())).collect();
        assert_eq!(
            stalled,
            [(0, 40), (10, 40), (20, 40), (30, 0), (30, 40), (40, 0), (41, 50), (50, 0)],
            "at 30 one ends and the next begins"
        );
    }

    #[test]
    fn a_fault_strikes_its_workers_only_and_one_without_an_end_never_ends() {
        let mut faults = Faults::new(vec![Fault { until: Time::MAX, ..fault(7, 9, Effect::Crash) }]);
        let [moment] = faults.moments()[..] else { panic!("it only begins") };
        assert_eq!(faults.turn(moment).effect, Effect::Crash);
        assert_eq!([0, 1, 2, 3].map(|worker| faults.on(worker).is_down), [false, true, true, false]);
        assert!(!faults.any_stall());
    }

    #[test]
    fn a_crash_that_takes_no_time_still_crashes() {
        let down: Vec<_> =
            course(vec![fault(4, 4, Effect::Crash)]).iter().map(|(_, now)| now.is_down).collect();
        assert_eq!(down, [true, false]);
    }
}
