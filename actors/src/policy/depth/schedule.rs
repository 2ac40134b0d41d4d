//! `schedule`: by the hour and the day. The first window that holds decides, and outside all of them
//! `otherwise` does. Every policy of a schedule sees all demand all the time, so that it knows what it must
//! when its window opens.

use serde::{Deserialize, Serialize};

use super::civil::{run_time, timestamp};
use super::hours::Hours;
use super::overlap::{Overlap, first_overlap};
use super::{Controller, Depth, GuaranteedDepth, PolicyConfig, View, Window};
use crate::policy::Problem;
use crate::protocol::Target;
use crate::time::{Time, WallClock};

/// By the hour and the day: the first window that holds decides.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// The windows; one or more.
    pub windows: Vec<Window>,
    /// The policy outside all windows.
    pub otherwise: Box<Depth>,
    /// Whether windows may overlap; then the first that holds decides.
    #[serde(default)]
    pub ordered: bool,
}

impl Schedule {
    /// What people call a window: its name, else its place in the list.
    fn call(&self, index: usize) -> String {
        self.windows[index]
            .name
            .as_ref()
            .map_or_else(|| format!("windows.{index}"), |name| format!("`{name}`"))
    }

    fn check_overlap(&self, hours: &[Hours]) -> Result<(), Problem> {
        match first_overlap(hours) {
            Overlap::Never => Ok(()),
            Overlap::At { one, other, at } => Err(Problem::new(
                format!("windows.{other}"),
                format!("overlaps {}, for example at {at}", self.call(one)),
                "move one of them, or set `ordered = true` so that the first decides",
            )),
            Overlap::Unknown => Err(Problem::new(
                "windows",
                "begin and end so often that overlaps cannot be ruled out",
                "set `ordered = true`, and the first that holds decides",
            )),
        }
    }
}

impl PolicyConfig for Schedule {
    fn validate(&self) -> Result<(), Problem> {
        if self.windows.is_empty() {
            return Err(Problem::new(
                "windows",
                "is empty",
                "give one or more, or use the policy of `otherwise` alone",
            ));
        }
        let mut hours = Vec::with_capacity(self.windows.len());
        for (index, window) in self.windows.iter().enumerate() {
            let place = format!("windows.{index}");
            hours.push(window.hours().map_err(|problem| problem.under(&place))?);
            window.depth.validate().map_err(|problem| problem.under("depth").under(&place))?;
        }
        self.otherwise.validate().map_err(|problem| problem.under("otherwise"))?;
        if self.ordered { Ok(()) } else { self.check_overlap(&hours) }
    }

    fn guaranteed_depth(&self) -> GuaranteedDepth {
        let windows = self.windows.iter().enumerate();
        windows
            .map(|(index, window)| window.depth.guaranteed_depth().under(&format!("windows.{index}.depth")))
            .fold(self.otherwise.guaranteed_depth().under("otherwise"), GuaranteedDepth::or)
    }

    fn controller(&self, epoch: WallClock) -> Box<dyn Controller> {
        let window = |window: &Window| Opening {
            // A window without hours never opens; `validate` refuses it.
            hours: window.hours().ok(),
            is_open: false,
            until: Some(Time::ZERO),
            controller: window.depth.controller(epoch),
        };
        Box::new(Scheduling {
            epoch,
            windows: self.windows.iter().map(window).collect(),
            otherwise: self.otherwise.controller(epoch),
            open: None,
            next: Some(Time::ZERO),
        })
    }
}

/// A window at work.
#[derive(Debug)]
struct Opening {
    hours: Option<Hours>,
    is_open: bool,
    /// When to look again.
    until: Option<Time>,
    controller: Box<dyn Controller>,
}

/// The schedule at work.
#[derive(Debug)]
struct Scheduling {
    epoch: WallClock,
    windows: Vec<Opening>,
    otherwise: Box<dyn Controller>,
    /// Which window decides; none of them outside all windows.
    open: Option<usize>,
    /// When one of the windows may open or close.
    next: Option<Time>,
}

impl Controller for Scheduling {
    fn demand(&mut self, now: Time, missed: bool) {
        for window in &mut self.windows {
            window.controller.demand(now, missed);
        }
        self.otherwise.demand(now, missed);
    }

    fn target(&mut self, view: &View) -> Target {
        if self.next.is_some_and(|next| view.now >= next) {
            self.look(view.now);
        }
        let mut target = self.otherwise.target(view);
        for (index, window) in self.windows.iter_mut().enumerate() {
            let of_window = window.controller.target(view);
            if self.open == Some(index) {
                target = of_window;
            }
        }
        target
    }

    fn changes_at(&self) -> Option<Time> {
        let deciding = self.open.map_or(&self.otherwise, |index| &self.windows[index].controller);
        [self.next, deciding.changes_at()].into_iter().flatten().min()
    }

    fn needs_in_use(&self) -> bool {
        self.controllers().any(|controller| controller.needs_in_use())
    }

    fn needs_lead_time(&self) -> bool {
        self.controllers().any(|controller| controller.needs_lead_time())
    }
}

impl Scheduling {
    fn controllers(&self) -> impl Iterator<Item = &dyn Controller> {
        self.windows.iter().map(|window| &*window.controller).chain([&*self.otherwise])
    }

    /// Looks which windows hold, where that may have changed.
    fn look(&mut self, now: Time) {
        let at = timestamp(self.epoch, now);
        for window in self.windows.iter_mut().filter(|window| window.until.is_some_and(|until| now >= until))
        {
            let held = window.hours.as_ref().map(|hours| hours.at(at));
            window.is_open = held.is_some_and(|held| held.holds);
            window.until = held.and_then(|held| held.until).map(|until| run_time(self.epoch, until));
        }
        self.open = self.windows.iter().position(|window| window.is_open);
        self.next = self.windows.iter().filter_map(|window| window.until).min();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::depth::test_view;
    use crate::time::Duration;

    fn read(text: &str) -> Schedule {
        toml::from_str(text).unwrap()
    }

    const OFFICE: &str = "
        otherwise = { kind = 'fixed', ready = 2 }
        [[windows]]
        name = 'office'
        from = '08:00'
        to = '18:00'
        days = ['mon', 'tue', 'wed', 'thu', 'fri']
        timezone = 'Europe/Berlin'
        depth = { kind = 'fixed', ready = 30 }
        [[windows]]
        cron = '0 22 * * sun'
        lasts = '90m'
        depth = { kind = 'fixed', ready = 50 }
    ";

    /// The target at so many hours into a run that begins on Friday, 2024-07-05T12:00:00Z, and when it may
    /// change.
    fn targets(schedule: &Schedule, hours: &[f64]) -> Vec<(u32, f64)> {
        let mut controller = schedule.controller(WallClock::from_unix_nanos(1_720_180_800_000_000_000));
        let mut target = |&hours: &f64| {
            let depth = controller.target(&test_view(hours * 3_600.0)).depth;
            (depth, controller.changes_at().map_or(f64::INFINITY, |at| at.as_secs_f64() / 3_600.0))
        };
        hours.iter().map(&mut target).collect()
    }

    #[test]
    fn windows_open_and_close() {
        let schedule = read(OFFICE);
        assert_eq!(schedule.validate(), Ok(()));
        // Berlin is two hours ahead: the office closes at 16:00 UTC and opens on Monday at 06:00 UTC.
        let targets = targets(&schedule, &[0.0, 3.99, 4.0, 57.99, 58.0, 59.5, 65.99, 66.0, 76.0]);
        let depths: Vec<u32> = targets.iter().map(|(depth, _)| *depth).collect();
        assert_eq!(depths, [30, 30, 2, 2, 50, 2, 2, 30, 2]);
        assert_eq!((targets[0].1, targets[4].1), (4.0, 59.5));
    }

    #[test]
    fn going_by_changes_at_misses_no_edge() {
        let schedule = read(OFFICE);
        let mut controller = schedule.controller(WallClock::from_unix_nanos(1_720_180_800_000_000_000));
        let (mut now, mut seen) = (Time::ZERO, Vec::new());
        for _ in 0..200 {
            let depth = controller.target(&View { now, ..test_view(0.0) }).depth;
            if seen.last() != Some(&depth) {
                seen.push(depth);
            }
            let next = controller.changes_at().unwrap();
            assert!(next > now);
            now = next;
        }
        assert_eq!(seen[..7], [30, 2, 50, 2, 30, 2, 30]);
    }

    #[test]
    fn the_first_of_ordered_windows_decides() {
        let text = "
            ordered = true
            otherwise = { kind = 'fixed', ready = 2 }
            windows = [
                { from = '12:00', to = '13:00', depth = { kind = 'fixed', ready = 1 } },
                { from = '00:00', to = '24:00', depth = { kind = 'fixed', ready = 9 } },
            ]
        ";
        let schedule = read(text);
        assert_eq!(schedule.validate(), Ok(()));
        let depths: Vec<u32> =
            targets(&schedule, &[0.5, 1.5, 30.0]).iter().map(|(depth, _)| *depth).collect();
        assert_eq!(depths, [1, 9, 9]);
        let problem = read(&text.replace("true", "false")).validate().expect_err("they overlap");
        assert_eq!(problem.key, "windows.1");
        assert!(problem.wrong.contains("windows.0") && problem.remedy.contains("ordered = true"));
    }

    #[test]
    fn a_closed_window_learns() {
        let text = "
            otherwise = { kind = 'fixed', ready = 2 }
            [[windows]]
            from = '13:00'
            to = '14:00'
            depth = { kind = 'window-quantile', misses = 0.1, window = '2h' }
        ";
        let mut controller = read(text).controller(WallClock::from_unix_nanos(1_720_180_800_000_000_000));
        for _ in 0..20 {
            controller.demand(Time::ZERO + Duration::from_secs(3_000), true);
        }
        assert!(controller.needs_lead_time() && !controller.needs_in_use());
        assert_eq!(controller.target(&test_view(3_599.0)).depth, 2);
        assert_eq!(controller.target(&test_view(3_600.0)).depth, 18);
    }

    #[test]
    fn what_is_invalid_is_named() {
        let key = |from: &str, to: &str| read(&OFFICE.replace(from, to)).validate().expect_err("invalid").key;
        assert_eq!(key("Europe/Berlin", "Europe/Atlantis"), "windows.0.timezone");
        assert_eq!(key("0 22 * * sun", "0 22 * sun"), "windows.1.cron");
        assert_eq!(
            key("{ kind = 'fixed', ready = 50 }", "{ kind = 'watermark', low = 3, high = 1 }"),
            "windows.1.depth.low"
        );
        assert_eq!(
            key("{ kind = 'fixed', ready = 2 }", "{ kind = 'watermark', low = 3, high = 1 }"),
            "otherwise.low"
        );
        assert_eq!(
            read("windows = []\notherwise = { kind = 'fixed', ready = 2 }").validate().expect_err("none").key,
            "windows"
        );
    }

    #[test]
    fn a_schedule_is_written_as_it_is_read() {
        let schedule = Depth::Schedule(read(OFFICE));
        let json = serde_json::to_string(&schedule).unwrap();
        assert_eq!(serde_json::from_str::<Depth>(&json).unwrap(), schedule);
    }
}
