//! What else the processors do while the host is measured: what others do, and busy threads of our own.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long the processors are watched.
const WATCHED: Duration = Duration::from_millis(500);
/// A busy share that figures bear.
const BUSY_MAX: f64 = 0.1;

/// Says by how much others keep the processors busy now; nothing where it is little.
pub(super) fn others() -> String {
    let Some(before) = times() else { return String::new() };
    std::thread::sleep(WATCHED);
    let Some(after) = times() else { return String::new() };
    let (all, idle) = (after.0.saturating_sub(before.0), after.1.saturating_sub(before.1));
    let busy = all.saturating_sub(idle) as f64 / all.max(1) as f64;
    if busy <= BUSY_MAX {
        return String::new();
    }
    format!("other programs kept the processors {:.0} % busy before the measurement began", busy * 100.0)
}

/// Ticks of all processors in all, and those in which they were idle.
fn times() -> Option<(u64, u64)> {
    let text = std::fs::read_to_string("/proc/stat").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let ticks: Vec<u64> = line.split_whitespace().filter_map(|field| field.parse().ok()).collect();
    // user nice system idle iowait irq softirq steal; what guests take is in user and nice already.
    let idle = ticks.get(3)? + ticks.get(4)?;
    Some((ticks.iter().take(8).sum(), idle))
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
