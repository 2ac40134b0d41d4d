//! A bounded way out of `KVM_RUN`: a timer of the calling thread that interrupts it again and again until
//! told to stop. The signal does nothing by itself; a run that misses one (because it came just before the
//! run) is caught by the next.

use super::check;
use std::io;
use std::sync::OnceLock;
use std::time::Duration;

fn signal() -> libc::c_int {
    libc::SIGRTMIN() + 5
}

extern "C" fn nothing(_: libc::c_int) {}

fn install_handler() -> io::Result<()> {
    static INSTALLED: OnceLock<Result<(), i32>> = OnceLock::new();
    let outcome = INSTALLED.get_or_init(|| {
        // SAFETY: all zero is a valid `sigaction`: no flags (so KVM_RUN is not restarted), an empty mask.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = nothing as extern "C" fn(libc::c_int) as usize;
        // SAFETY: the handler does nothing, which is safe at any moment; `action` lives through the call.
        check(unsafe { libc::sigaction(signal(), &action, std::ptr::null_mut()) })
            .map(drop)
            .map_err(|error| error.raw_os_error().unwrap_or(libc::EINVAL))
    });
    outcome.map_err(io::Error::from_raw_os_error)
}

/// One thread's timer. Works only on the thread that made it.
#[derive(Debug)]
pub struct Kicker {
    timer: libc::timer_t,
}

impl Kicker {
    /// A timer that is not running, for the calling thread.
    ///
    /// # Errors
    /// What `sigaction` or `timer_create` answers.
    pub fn new() -> io::Result<Self> {
        install_handler()?;
        // SAFETY: all zero is a valid `sigevent`.
        let mut event: libc::sigevent = unsafe { std::mem::zeroed() };
        event.sigev_notify = libc::SIGEV_THREAD_ID;
        event.sigev_signo = signal();
        // SAFETY: takes nothing and cannot fail.
        event.sigev_notify_thread_id = unsafe { libc::gettid() };
        let mut timer: libc::timer_t = std::ptr::null_mut();
        // SAFETY: both pointers are to locals that live through the call.
        check(unsafe { libc::timer_create(libc::CLOCK_MONOTONIC, &mut event, &mut timer) })?;
        Ok(Self { timer })
    }

    /// Interrupt this thread after `every`, and again after each further `every`, until [`Kicker::disarm`].
    ///
    /// # Errors
    /// What `timer_settime` answers.
    pub fn arm(&self, every: Duration) -> io::Result<()> {
        self.set(every.max(Duration::from_micros(50)))
    }

    /// Stop interrupting.
    pub fn disarm(&self) {
        // Disarming a timer that exists cannot fail.
        let _ = self.set(Duration::ZERO);
    }

    fn set(&self, every: Duration) -> io::Result<()> {
        let every = libc::timespec {
            tv_sec: i64::try_from(every.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(every.subsec_nanos()),
        };
        let setting = libc::itimerspec { it_interval: every, it_value: every };
        // SAFETY: the timer is ours until drop; `setting` lives through the call.
        check(unsafe { libc::timer_settime(self.timer, 0, &setting, std::ptr::null_mut()) }).map(drop)
    }
}

impl Drop for Kicker {
    fn drop(&mut self) {
        // SAFETY: the timer is ours and nobody uses it afterwards.
        unsafe { libc::timer_delete(self.timer) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn a_kick_ends_a_sleep_and_disarm_ends_the_kicks() {
        let kicker = Kicker::new().unwrap();
        let second = libc::timespec { tv_sec: 1, tv_nsec: 0 };
        kicker.arm(Duration::from_millis(2)).unwrap();
        let start = Instant::now();
        // SAFETY: sleeping touches no memory but `second`.
        let result = unsafe { libc::nanosleep(&second, std::ptr::null_mut()) };
        assert_eq!(result, -1);
        assert!(start.elapsed() < Duration::from_millis(900));
        kicker.disarm();
        let short = libc::timespec { tv_sec: 0, tv_nsec: 10_000_000 };
        // SAFETY: as above.
        assert_eq!(unsafe { libc::nanosleep(&short, std::ptr::null_mut()) }, 0);
    }
}
