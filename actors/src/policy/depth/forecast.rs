//! `forecast`: what the same time of the week has asked for before.
//!
//! The week is cut into slots on the clock of one time zone. Each slot remembers the needs of its requests
//! (the need of a request is the depth at which it would have found a ready Sprite, as in `window-quantile`)
//! as one distribution per visit, a visit without requests being one of need 0. Older visits weigh less: half
//! as much for every `half_life` (exponential smoothing: Brown, "Statistical Forecasting for Inventory
//! Control", 1959). The depth is the quantile of the present slot and, from one boot time before its end, of
//! the next slot too, so that the pool has risen when demand does.
//!
//! A slot that was never seen takes the same time on the last day that was, else the slot before it. In the
//! first hours of a first run nothing is known, so let `largest-of` join this policy with one that follows
//! demand.

use serde::{Deserialize, Serialize};

use super::calendar::{Calendar, Visit};
use super::civil::Zone;
use super::needs::{Counts, Memory, Recent, bucket};
use super::{Controller, GuaranteedDepth, PolicyConfig, View, check};
use crate::policy::Problem;
use crate::protocol::Target;
use crate::time::{Duration, Time, WallClock};

const DAY: Duration = Duration::from_secs(86_400);
const SLOT_MIN: Duration = Duration::from_secs(300);

/// What the same time of the week has asked for before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Forecast {
    /// How long one slot of the week is; it divides a day evenly and is 5 minutes or more.
    pub slot: Duration,
    /// The age at which what a slot remembers counts half.
    pub half_life: Duration,
    /// Which share of a slot's requests the depth would have served at once, between 0 and 1.
    pub quantile: f64,
    /// Never fewer Sprites than this.
    pub least: u32,
    /// Whose clock cuts the week: a name of the IANA time zone database.
    pub timezone: String,
    /// How long a boot is taken to last until the first one has been measured.
    pub boot: Duration,
}

impl Default for Forecast {
    fn default() -> Self {
        Self {
            slot: Duration::from_secs(15 * 60),
            half_life: DAY.times(14),
            quantile: 0.95,
            least: 1,
            timezone: super::utc(),
            boot: super::boot_prior(),
        }
    }
}

impl PolicyConfig for Forecast {
    fn validate(&self) -> Result<(), Problem> {
        check::open_share("quantile", self.quantile, "the requests to be served at once")?;
        check::some_time("half_life", self.half_life)?;
        if self.slot < SLOT_MIN || !DAY.as_nanos().is_multiple_of(self.slot.as_nanos()) {
            let remedy = "give 5m or more that divides a day evenly, such as \"15m\"";
            return Err(Problem::new("slot", format!("is {}", self.slot), remedy));
        }
        Zone::named(&self.timezone).map(|_| ())
    }

    fn guaranteed_depth(&self) -> GuaranteedDepth {
        GuaranteedDepth::new("least", self.least)
    }

    fn controller(&self, epoch: WallClock) -> Box<dyn Controller> {
        // `validate` refuses what would need these two corrections.
        let zone = Zone::named(&self.timezone).unwrap_or_else(|_| Zone::utc());
        let slot = self.slot.max(SLOT_MIN);
        let per_day = DAY.as_nanos().div_ceil(slot.as_nanos()) as usize;
        let weeks = DAY.times(7).as_secs_f64() / self.half_life.as_secs_f64();
        let calendar = Calendar { epoch, zone, slot, per_day };
        let visit = calendar.visit(Time::ZERO);
        Box::new(Remembering {
            least: self.least,
            quantile: self.quantile,
            boot_prior: self.boot,
            boot: self.boot,
            recent: Recent::default(),
            fading: libm::exp2(-weeks),
            slots: vec![Memory::default(); 7 * per_day],
            calendar,
            visit,
            counts: Counts::default(),
            depth: 0,
            next_depth: 0,
            looks_ahead: false,
        })
    }
}

/// The forecast at work.
#[derive(Debug)]
struct Remembering {
    least: u32,
    quantile: f64,
    boot_prior: Duration,
    boot: Duration,
    recent: Recent,
    /// What remains of a weight after a week.
    fading: f64,
    slots: Vec<Memory>,
    calendar: Calendar,
    /// The present visit and the needs of its requests.
    visit: Visit,
    counts: Counts,
    /// What the present slot asks for.
    depth: u32,
    /// What the next slot asks for.
    next_depth: u32,
    /// Whether the next slot is less than a boot time away; once true it stays so, however the boot time
    /// changes.
    looks_ahead: bool,
}

impl Controller for Remembering {
    fn demand(&mut self, now: Time, _missed: bool) {
        self.pass(now);
        self.counts.add(bucket(self.recent.need(now, self.boot)));
    }

    fn target(&mut self, view: &View) -> Target {
        self.boot = view.lead_time.unwrap_or(self.boot_prior);
        self.pass(view.now);
        self.looks_ahead |= view.now + self.boot >= self.visit.ends;
        let ahead = if self.looks_ahead { self.next_depth } else { 0 };
        Target::exactly(self.depth.max(ahead).max(self.least))
    }

    fn changes_at(&self) -> Option<Time> {
        Some(if self.looks_ahead { self.visit.ends } else { self.visit.ends - self.boot })
    }

    fn needs_lead_time(&self) -> bool {
        true
    }
}

impl Remembering {
    /// Lets time pass: ends visits, and begins others.
    fn pass(&mut self, now: Time) {
        while now >= self.visit.ends && self.visit.ends < Time::MAX {
            let Visit { slot, begins, ends } = self.visit;
            let weight = ends.since(begins).as_secs_f64() / self.calendar.slot.as_secs_f64();
            self.slots[slot].remember(&self.counts, weight, self.fading, self.quantile);
            self.counts.clear();
            self.visit = self.calendar.visit(ends);
            self.depth = self.depth_of(self.visit.slot);
            self.next_depth = self.depth_of(self.calendar.visit(self.visit.ends).slot);
            self.looks_ahead = false;
        }
    }

    /// What a slot asks for: by its own memory, else by that of the same time on the last day that has one,
    /// else by that of the slot before.
    fn depth_of(&self, slot: usize) -> u32 {
        let (count, per_day) = (self.slots.len(), self.calendar.per_day);
        let earlier_days = (0..7).map(|days| (slot + count - days * per_day) % count);
        let before = (slot + count - 1) % count;
        earlier_days.chain([before]).find_map(|known| self.slots[known].depth).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::depth::test_view;

    /// 2024-07-01T00:00:00Z, a Monday.
    const MONDAY: WallClock = WallClock::from_unix_nanos(1_719_792_000_000_000_000);
    const DAY_SECS: u64 = 86_400;

    fn hourly() -> Forecast {
        Forecast {
            slot: Duration::from_secs(3_600),
            quantile: 0.9,
            boot: Duration::from_secs(10),
            ..Forecast::default()
        }
    }

    /// So many requests at once, at so many seconds.
    fn burst(controller: &mut dyn Controller, secs: u64, count: usize) {
        for _ in 0..count {
            controller.demand(Time::ZERO + Duration::from_secs(secs), true);
        }
    }

    fn depth(controller: &mut dyn Controller, secs: u64) -> u32 {
        let view = test_view(secs as f64);
        let (target, next) = (controller.target(&view), controller.changes_at());
        assert_eq!((controller.target(&view), controller.changes_at()), (target, next), "asked twice");
        target.depth
    }

    #[test]
    fn the_same_hour_of_the_next_week_is_ready_one_boot_ahead() {
        let mut controller = hourly().controller(MONDAY);
        assert_eq!(depth(&mut *controller, 0), 1);
        let nine = 9 * 3_600;
        burst(&mut *controller, nine + 100, 20);
        let next = 7 * DAY_SECS + nine;
        assert_eq!(depth(&mut *controller, next - 11), 1);
        assert_eq!(controller.changes_at(), Some(Time::ZERO + Duration::from_secs(next - 10)));
        assert_eq!(
            depth(&mut *controller, next - 10),
            18,
            "needs 1 to 20, of which nine in ten are at most 18"
        );
        assert_eq!(depth(&mut *controller, next + 3_599), 18);
        assert_eq!(depth(&mut *controller, next + 3_600), 1);
    }

    #[test]
    fn a_slot_never_seen_takes_the_day_before_and_then_its_own() {
        let mut controller = hourly().controller(MONDAY);
        burst(&mut *controller, 9 * 3_600, 20);
        assert_eq!(depth(&mut *controller, DAY_SECS + 9 * 3_600), 18, "Tuesday is like Monday");
        assert_eq!(
            depth(&mut *controller, 2 * DAY_SECS + 9 * 3_600),
            1,
            "Tuesday was quiet, and so will Wednesday be"
        );
        assert_eq!(depth(&mut *controller, 7 * DAY_SECS + 9 * 3_600), 18, "Monday is Monday");
    }

    #[test]
    fn a_first_day_takes_the_hour_before() {
        let mut controller = hourly().controller(MONDAY);
        burst(&mut *controller, 9 * 3_600, 20);
        assert_eq!(depth(&mut *controller, 10 * 3_600), 18);
        assert_eq!(depth(&mut *controller, 11 * 3_600), 1);
    }

    #[test]
    fn what_no_longer_happens_fades() {
        let mut controller = Forecast { half_life: DAY.times(7), ..hourly() }.controller(MONDAY);
        burst(&mut *controller, 100, 19);
        let depths: Vec<u32> = (1..6).map(|week| depth(&mut *controller, week * 7 * DAY_SECS)).collect();
        // After k quiet weeks a share of 1 / (2^(k+1) - 1) of the weight is on needs above 0.
        assert_eq!(depths, [18, 14, 6, 1, 1]);
    }

    #[test]
    fn summer_time_keeps_its_hours() {
        // From 2024-10-21, the last week of summer time in Berlin.
        let epoch = WallClock::from_unix_nanos(1_729_468_800_000_000_000);
        let mut controller = Forecast { timezone: "Europe/Berlin".to_owned(), ..hourly() }.controller(epoch);
        burst(&mut *controller, 8 * 3_600, 20);
        let same_hour_in_winter = 7 * DAY_SECS + 9 * 3_600;
        assert_eq!(depth(&mut *controller, same_hour_in_winter - 11), 1);
        assert_eq!(depth(&mut *controller, same_hour_in_winter), 18);
    }

    #[test]
    fn a_longer_boot_looks_further_ahead_and_does_not_look_back() {
        let mut controller = hourly().controller(MONDAY);
        burst(&mut *controller, 9 * 3_600, 20);
        let next = 7 * DAY_SECS + 9 * 3_600;
        let mut with_boot = |secs: u64, boot| {
            let view = View { lead_time: Some(Duration::from_secs(boot)), ..test_view(secs as f64) };
            controller.target(&view).depth
        };
        assert_eq!(
            [with_boot(next - 61, 60), with_boot(next - 60, 60), with_boot(next - 59, 5)],
            [1, 18, 18]
        );
    }

    #[test]
    fn what_is_invalid_is_named() {
        let key = |policy: Forecast| policy.validate().expect_err("invalid").key;
        assert_eq!(key(Forecast { quantile: 1.0, ..hourly() }), "quantile");
        assert_eq!(key(Forecast { quantile: f64::NAN, ..hourly() }), "quantile");
        assert_eq!(key(Forecast { half_life: Duration::ZERO, ..hourly() }), "half_life");
        assert_eq!(key(Forecast { slot: Duration::from_secs(60), ..hourly() }), "slot");
        assert_eq!(key(Forecast { slot: Duration::from_secs(420), ..hourly() }), "slot");
        assert_eq!(key(Forecast { timezone: "Nowhere".to_owned(), ..hourly() }), "timezone");
        assert_eq!(Forecast::default().validate(), Ok(()));
    }
}
