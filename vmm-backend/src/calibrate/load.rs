//! What else the processors do while the host is measured: what others do, and busy threads of our own.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long the processors are watched.
const WATCHED: Duration = Duration::from_millis(500);
/// A busy share that figures bear.
const BUSY_MAX: f64 = 0.1;
/// A part of the processors' time that others may take without being mentioned.
pub const STOLEN_MAX: f64 = 0.03;

/// Says by how much others keep the processors busy now; nothing where it is little.
pub(super) fn others() -> String {
    let meter = Meter::start();
    std::thread::sleep(WATCHED);
    let busy = meter.read().map_or(0.0, |ticks| ticks.busy() as f64 / ticks.all.max(1) as f64);
    if busy <= BUSY_MAX {
        return String::new();
    }
    format!("other programs kept the processors {:.0} % busy before the measurement began", busy * 100.0)
}

/// Reads what the processors have done since it was started.
#[derive(Clone, Copy, Debug)]
pub struct Meter(Option<Ticks>);

impl Meter {
    /// From now on.
    pub fn start() -> Self {
        Self(Ticks::read())
    }

    /// The part of the time for which this host wanted its processors that its hypervisor gave to others;
    /// zero where it tells nothing of that, or there is none.
    pub fn stolen(self) -> f64 {
        self.read().map_or(0.0, |ticks| ticks.stolen as f64 / ticks.busy().max(1) as f64)
    }

    fn read(self) -> Option<Ticks> {
        let (before, after) = (self.0?, Ticks::read()?);
        Some(Ticks {
            all: after.all.saturating_sub(before.all),
            idle: after.idle.saturating_sub(before.idle),
            stolen: after.stolen.saturating_sub(before.stolen),
        })
    }
}

/// Measures something until that was done `wanted` times while the host was quiet, but `most` times at most.
/// Measuring gives also the [part of the processors' time](Meter::stolen) that others had; the quietest are
/// kept, the quietest first: what others do comes and goes, and is no figure of this host.
///
/// # Errors
/// The first that measuring gives.
pub fn quietest<T, E>(
    wanted: usize,
    most: usize,
    mut measure: impl FnMut(usize) -> Result<(f64, T), E>,
) -> Result<Vec<(f64, T)>, E> {
    let mut measured = Vec::new();
    let is_quiet = |(stolen, _): &&(f64, T)| *stolen <= STOLEN_MAX;
    while measured.len() < most && measured.iter().filter(is_quiet).count() < wanted {
        measured.push(measure(measured.len())?);
    }
    measured.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    measured.truncate(wanted);
    Ok(measured)
}

/// Ticks of all processors.
#[derive(Clone, Copy, Debug)]
struct Ticks {
    all: u64,
    idle: u64,
    stolen: u64,
}

impl Ticks {
    fn read() -> Option<Self> {
        Self::parse(&std::fs::read_to_string("/proc/stat").ok()?)
    }

    fn parse(text: &str) -> Option<Self> {
        let line = text.lines().find_map(|line| line.strip_prefix("cpu "))?;
        let ticks: Vec<u64> = line.split_whitespace().filter_map(|field| field.parse().ok()).collect();
        // user nice system idle iowait irq softirq steal; what guests take is in user and nice already.
        let all = ticks.iter().take(8).sum();
        Some(Self { all, idle: ticks.get(3)? + ticks.get(4)?, stolen: ticks.get(7).copied().unwrap_or(0) })
    }

    /// Wanted, whether given or not.
    fn busy(&self) -> u64 {
        self.all.saturating_sub(self.idle)
    }
}

/// Does something while one thread per processor does nothing but turn.
pub fn beside_busy_threads<T>(act: impl FnOnce() -> T) -> T {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        let outcome = act();
        done.store(true, Ordering::Relaxed);
        outcome
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_a_quiet_host_nothing_is_measured_twice_and_on_another_the_quietest_is_kept() {
        let kept_of = |most, stolen: &[f64]| {
            let mut asked = 0;
            let kept = quietest(2, most, |turn| {
                asked += 1;
                Ok::<_, ()>((stolen[turn], turn))
            });
            (asked, kept.unwrap().into_iter().map(|(_, turn)| turn).collect::<Vec<_>>())
        };
        let kept = |stolen| kept_of(4, stolen);
        assert_eq!(kept(&[0.02, 0.01]), (2, vec![1, 0]));
        assert_eq!(kept(&[0.02, 0.3, 0.0]), (3, vec![2, 0]));
        assert_eq!(kept(&[0.2, 0.4, 0.3, 0.1]), (4, vec![3, 0]));
        assert_eq!(kept_of(2, &[0.3, 0.2]), (2, vec![1, 0]), "without a second try");
        assert_eq!(quietest(2, 4, |_| Err::<(f64, ()), _>("it failed")), Err("it failed"));
    }

    #[test]
    fn what_the_hypervisor_took_is_a_part_of_what_was_wanted() {
        let text = "cpu  100 5 45 800 50 0 10 40 33 0\ncpu0 1 1 1 1 1 1 1 1 1 1\n";
        let ticks = Ticks::parse(text).unwrap();
        assert_eq!((ticks.all, ticks.idle, ticks.stolen, ticks.busy()), (1_050, 850, 40, 200));
        assert!(Ticks::parse("cpu  1 2 3\n").is_none() && Ticks::parse("intr 1\n").is_none());
        let since = Meter(Some(Ticks { all: 0, idle: 0, stolen: u64::MAX })).stolen();
        assert!((0.0..=1.0).contains(&since), "counters that go back are nothing: {since}");
    }
}
