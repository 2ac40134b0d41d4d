//! Running a vCPU until its guest rings, never longer than a limit. Belongs to one thread; knows no template.

use crate::guest::{Guest, Rang};
use crate::sys::kick::Kicker;
use kvm_ioctls::{VcpuExit, VcpuFd};
use std::io;
use std::marker::PhantomData;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

/// A guest did not come back to its doorbell. Its VM must not run again.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Not in time. The guest may be in a loop.
    #[error("the guest did not answer within {limit:?}")]
    TimedOut {
        /// How long it had.
        limit: Duration,
    },
    /// Whoever looks after it said so at the end of a slice.
    #[error("the guest was stopped")]
    Stopped,
    /// `KVM_RUN`
    #[error("KVM_RUN: {0}")]
    Run(#[source] kvm_ioctls::Error),
    /// The guest left in a way that it should not.
    #[error("the guest stopped with {exit}; its program is broken or this KVM cannot run it")]
    Exit {
        /// The exit as KVM names it.
        exit: String,
    },
    /// The guest says that it panicked.
    #[error("the guest panicked")]
    Panicked,
    /// The guest rang with a value that it should not say then.
    #[error("the guest rang its doorbell with {value} instead of {wanted}; its program is broken")]
    Rang {
        /// The value.
        value: u32,
        /// What it should have said.
        wanted: &'static str,
    },
    /// The timer that bounds the run could not be set.
    #[error("timer_settime: {0}")]
    Timer(#[source] io::Error),
}

/// One thread's means to run guests. Cannot leave its thread: the timer interrupts the thread that made it.
pub struct Runner {
    kicker: Kicker,
    slice: Duration,
    slow: Option<Box<dyn FnMut() -> ControlFlow<()>>>,
    this_thread: PhantomData<*const ()>,
}

impl Runner {
    /// For the calling thread.
    ///
    /// # Errors
    /// Where the timer cannot be made.
    pub fn new() -> io::Result<Self> {
        let kicker = Kicker::new()?;
        Ok(Self { kicker, slice: Duration::from_millis(10), slow: None, this_thread: PhantomData })
    }

    /// Call `slow` each time a run has lasted for another `slice`: time to let somebody else do what waits
    /// for this thread, and to say whether the guest may go on.
    pub fn on_slow(mut self, slice: Duration, slow: impl FnMut() -> ControlFlow<()> + 'static) -> Self {
        self.slice = slice;
        self.slow = Some(Box::new(slow));
        self
    }

    /// Run until the guest writes to this doorbell; the value it wrote.
    ///
    /// # Errors
    /// Everything else that may happen. The vCPU must not run again then.
    pub fn run(&mut self, vcpu: &mut VcpuFd, doorbell: u64, limit: Duration) -> Result<u32, RunError> {
        let start = Instant::now();
        self.kicker.arm(self.slice.min(limit)).map_err(RunError::Timer)?;
        let outcome = loop {
            match vcpu.run() {
                Ok(VcpuExit::MmioWrite(address, data)) if address == doorbell => break ring(data),
                Ok(VcpuExit::Intr) => {}
                Ok(exit) => break Err(RunError::Exit { exit: format!("{exit:?}") }),
                Err(error) if matches!(error.errno(), libc::EINTR | libc::EAGAIN) => {}
                Err(error) => break Err(RunError::Run(error)),
            }
            if start.elapsed() >= limit {
                break Err(RunError::TimedOut { limit });
            }
            if self.slow.as_mut().is_some_and(|slow| slow().is_break()) {
                break Err(RunError::Stopped);
            }
        };
        self.kicker.disarm();
        outcome
    }
}

fn ring(data: &[u8]) -> Result<u32, RunError> {
    <[u8; 4]>::try_from(data)
        .map(u32::from_le_bytes)
        .map_err(|_| RunError::Exit { exit: format!("a doorbell write of {} bytes, not 4", data.len()) })
}

/// Whether the guest said by this value what it was to say.
///
/// # Errors
/// What it said instead.
pub fn expect_rang(guest: &dyn Guest, value: u32, wanted: Rang) -> Result<(), RunError> {
    match guest.rang(value) {
        rang if rang == wanted => Ok(()),
        Rang::Panicked => Err(RunError::Panicked),
        _ => Err(RunError::Rang {
            value,
            wanted: if wanted == Rang::Checkpoint { "the checkpoint" } else { "a reply" },
        }),
    }
}

/// Complete the doorbell write that the guest stands at, without running it further. State may be saved only
/// then.
///
/// # Errors
/// Where `KVM_RUN` does anything but return at once.
pub fn complete_exit(vcpu: &mut VcpuFd) -> Result<(), RunError> {
    vcpu.set_kvm_immediate_exit(1);
    let outcome = match vcpu.run() {
        Err(error) if error.errno() == libc::EINTR => Ok(()),
        Err(error) => Err(RunError::Run(error)),
        Ok(exit) => Err(RunError::Exit { exit: format!("{exit:?} although told to leave at once") }),
    };
    vcpu.set_kvm_immediate_exit(0);
    outcome
}
