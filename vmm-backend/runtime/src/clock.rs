//! What time it is for the actors. Before the opening (while pools are filled) it is t = 0, as in a
//! simulation; from then on time is that of the monotonic clock, or of whoever steps it. Nothing else in the
//! runtime reads a clock.

use std::num::NonZeroU64;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use actors::Time;

/// The longest time that a thread sleeps before it looks again whether it is still wanted.
const SLEEP_MAX: Duration = Duration::from_millis(50);

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Clock {
    kind: Kind,
    open: AtomicBool,
}

#[derive(Debug)]
enum Kind {
    /// Counted from the opening.
    Real(OnceLock<Instant>),
    /// Set by hand.
    Stepped(AtomicU64),
}

impl Clock {
    /// The monotonic clock.
    pub(crate) fn real() -> Self {
        Self { kind: Kind::Real(OnceLock::new()), open: AtomicBool::new(false) }
    }

    /// A clock that stands still until it is set.
    pub(crate) fn stepped() -> Self {
        Self { kind: Kind::Stepped(AtomicU64::new(0)), open: AtomicBool::new(false) }
    }

    /// Whether it is set by hand.
    pub(crate) fn is_stepped(&self) -> bool {
        matches!(self.kind, Kind::Stepped(_))
    }

    /// This moment is t = 0, unless it has been already.
    pub(crate) fn open(&self) {
        if let Kind::Real(origin) = &self.kind {
            origin.get_or_init(Instant::now);
        }
        self.open.store(true, Ordering::Release);
    }

    /// Whether t = 0 is over.
    pub(crate) fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }

    pub(crate) fn now(&self) -> Time {
        match &self.kind {
            Kind::Real(origin) => origin.get().map_or(Time::ZERO, |origin| {
                Time::from_nanos(u64::try_from(origin.elapsed().as_nanos()).unwrap_or(u64::MAX))
            }),
            Kind::Stepped(now) => Time::from_nanos(now.load(Ordering::Acquire)),
        }
    }

    /// Sets a stepped clock, never back.
    pub(crate) fn set(&self, to: Time) {
        if let Kind::Stepped(now) = &self.kind {
            now.fetch_max(to.as_nanos(), Ordering::AcqRel);
        }
    }

    /// How long it is until then; `None` while the clock stands still.
    pub(crate) fn until(&self, then: Time) -> Option<Duration> {
        match &self.kind {
            Kind::Real(origin) if origin.get().is_some() => {
                Some(Duration::from_nanos(then.since(self.now()).as_nanos()))
            }
            _ => None,
        }
    }

    /// Waits for a moment: asleep at first, and for the last `spin` with the processor in hand. Whether it
    /// came: `false` when `wanted` says no before.
    pub(crate) fn wait_for(&self, then: Time, spin: Duration, wanted: impl Fn() -> bool) -> bool {
        while let Some(left) = self.until(then) {
            if left.is_zero() {
                return true;
            }
            if left > spin {
                std::thread::sleep((left - spin).min(SLEEP_MAX));
                if !wanted() {
                    return false;
                }
            } else {
                std::hint::spin_loop();
            }
        }
        wanted()
    }
}

/// Asks the system to wake this thread on time: by default it may come 50 us late. Where it refuses, timers
/// are that much later and nothing else changes.
pub(crate) fn be_punctual() {
    let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
}

/// The niceness of threads that handle messages: between that of a shard's runners and that of everything
/// else. All have the same, since any of them may be the one that the others wait for.
const URGENT_NICENESS: i32 = -10;

/// Asks the system to let this thread go before other programs. Where it refuses (it takes CAP_SYS_NICE),
/// requests are later while those keep the processors busy, and nothing else changes.
pub(crate) fn be_urgent() {
    let _ = rustix::process::setpriority_process(None, URGENT_NICENESS);
}
