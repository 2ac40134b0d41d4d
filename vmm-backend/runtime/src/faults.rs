//! The faults of a scenario, on this host: slow and failing boots are done to the operations, a crash is told
//! to the Worker (whose VMs are destroyed), and for a stall nobody handles messages: what comes meanwhile is
//! handled when it is over.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actors::protocol::ToWorker;
use actors::{ActorId, Message, Time};
use scenarios::{Effect, Faults};

use super::clock::be_urgent;
use super::shared::Shared;

/// The only worker that a host is.
const HERE: u32 = 0;

/// Lets faults begin and end at their times, until there are no more or the run is `over`.
pub(crate) fn run(shared: &Arc<Shared>, worker: ActorId, mut faults: Faults, over: &AtomicBool) {
    be_urgent();
    // Whoever has the right to drive and does not use it stalls everything.
    let mut stall = None;
    for moment in faults.moments() {
        if !shared.clock.wait_for(moment.at, Duration::ZERO, || !over.load(Ordering::Acquire)) {
            break;
        }
        let effect = faults.turn(moment).effect;
        let condition = faults.on(HERE);
        match effect {
            Effect::SlowBoots(_) => shared.operations.set_slow(condition.slow),
            Effect::FailedBoots(_) => shared.operations.set_failing(condition.failing),
            Effect::Stall if condition.stalled_until > Time::ZERO => {
                if stall.is_none() {
                    stall = Some(shared.executor.take());
                }
            }
            Effect::Stall => {
                stall = None;
                shared.drive();
            }
            Effect::Crash => {
                shared.tell(worker, crash_or_recover(condition.is_down));
                if stall.is_none() {
                    shared.drive();
                }
            }
        }
    }
    drop(stall);
    shared.drive();
}

/// What a Worker is told of its host. Told again what it knows, it does nothing.
pub(crate) const fn crash_or_recover(is_down: bool) -> Message {
    if is_down { Message::Worker(ToWorker::Crash) } else { Message::Worker(ToWorker::Recover) }
}
