//! A while in which nothing ends the program: Ctrl-C, SIGTERM or a terminal that closes wait until it is
//! over.
//!
//! Files get their names together, and until then have temporary ones; whoever ended the program in between
//! would find those. The signals are blocked, not ignored or handled: so they do afterwards what they would
//! have done. They are blocked for the thread that writes, which has to be the only one; where there are
//! others, as with real microVMs, whoever started them sees to it that a signal is only noted.

/// While it lives, this thread is not ended by signals that can wait.
#[cfg(unix)]
pub(crate) struct Undisturbed {
    before: Option<nix::sys::signal::SigSet>,
}

#[cfg(unix)]
impl Undisturbed {
    /// From now on.
    pub(crate) fn new() -> Self {
        use nix::sys::signal::{SigSet, SigmaskHow, Signal};
        let waiting: SigSet = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP].into_iter().collect();
        // Where signals cannot be blocked, writing without it is better than not writing.
        Self { before: waiting.thread_swap_mask(SigmaskHow::SIG_BLOCK).ok() }
    }
}

#[cfg(unix)]
impl Drop for Undisturbed {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            let _ = before.thread_set_mask();
        }
    }
}

/// Elsewhere there are no such signals.
#[cfg(not(unix))]
pub(crate) struct Undisturbed;

#[cfg(not(unix))]
impl Undisturbed {
    /// From now on.
    pub(crate) fn new() -> Self {
        Self
    }
}
