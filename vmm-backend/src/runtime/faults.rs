//! The faults of a scenario, on this host: slow and failing boots are done to the operations, a crash is told to the Worker
//! (whose VMs are destroyed), and for a stall nobody handles messages: what comes meanwhile is handled when it is over.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actors::{ActorId, Message, Time};
use scenarios::{Effect, Fault};

use super::clock::be_urgent;
use super::shared::Shared;

/// Lets faults begin and end at their times, until there are no more or the run is `over`.
pub(crate) fn run(shared: &Arc<Shared>, worker: ActorId, faults: &[Fault], over: &AtomicBool) {
    be_urgent();
    let begins = faults.iter().map(|fault| (fault.at, true, fault));
    let ends = faults.iter().map(|fault| (fault.until, false, fault));
    let mut moments: Vec<(Time, bool, &Fault)> = begins.chain(ends).collect();
    moments.sort_by_key(|(at, ..)| *at);
    let mut stalled_until = Time::ZERO;
    // Whoever has the right to drive and does not use it stalls everything.
    let mut stall = None;
    for (at, begins, fault) in moments {
        if at == Time::MAX || !shared.clock.wait_for(at, Duration::ZERO, || !over.load(Ordering::Acquire)) {
            break;
        }
        match fault.effect {
            Effect::SlowBoots(factor) => shared.operations.set_slow(if begins { factor } else { 1.0 }),
            Effect::FailedBoots(ratio) => shared.operations.set_failing(if begins { ratio } else { 0.0 }),
            Effect::Stall if begins => {
                stalled_until = stalled_until.max(fault.until);
                if stall.is_none() {
                    stall = Some(shared.floor.take());
                }
            }
            Effect::Stall if at >= stalled_until => {
                stall = None;
                shared.drive();
            }
            Effect::Stall => {}
            Effect::Crash => {
                shared.tell(worker, if begins { Message::Crash } else { Message::Recover });
                if stall.is_none() {
                    shared.drive();
                }
            }
        }
    }
    drop(stall);
    shared.drive();
}
