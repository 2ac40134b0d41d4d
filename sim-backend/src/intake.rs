//! The door of each worker: a host lets requests in one after the other, so that of those that come at one instant each waits
//! for those before it (a queue with one server and a constant time of service).

use actors::{Duration, Time, WorkerId};

/// See the [module](self).
pub(crate) struct Intake {
    /// How long one request takes.
    each: Duration,
    /// When each worker is free for the next; empty where letting in takes no time.
    free_at: Vec<Time>,
}

impl Intake {
    pub(crate) fn new(each: Duration, workers: u32) -> Self {
        let workers = if each.is_zero() { 0 } else { workers as usize };
        Self { each, free_at: vec![Time::ZERO; workers] }
    }

    /// When a request is let in that comes now.
    #[inline]
    pub(crate) fn admit(&mut self, worker: WorkerId, now: Time) -> Time {
        let Some(free_at) = self.free_at.get_mut(worker.index()) else { return now };
        let at = now.max(*free_at);
        *free_at = at + self.each;
        at
    }
}

#[cfg(test)]
mod tests {
    use actors::Rng;
    use actors::random::Purpose;

    use super::*;

    #[test]
    fn one_after_the_other_and_each_worker_by_itself() {
        let mut intake = Intake::new(Duration::from_nanos(10), 2);
        let at = |nanos| Time::from_nanos(nanos);
        assert_eq!([0, 0, 0].map(|now| intake.admit(WorkerId(0), at(now))), [at(0), at(10), at(20)]);
        assert_eq!(intake.admit(WorkerId(1), at(5)), at(5));
        assert_eq!([25, 99].map(|now| intake.admit(WorkerId(0), at(now))), [at(30), at(99)]);
        assert_eq!(Intake::new(Duration::ZERO, 2).admit(WorkerId(1), at(7)), at(7));
    }

    /// M/D/1: at load r the mean wait is r / (2 (1 - r)) times of service (Pollaczek 1930).
    #[test]
    fn the_mean_wait_is_that_of_one_server_with_a_constant_time() {
        let (each, load) = (1_000_000.0, 0.7);
        let mut intake = Intake::new(Duration::from_nanos(each as u64), 1);
        let mut rng = Rng::stream(1, Purpose::Arrivals, 0);
        let (mut now, mut waited) = (0.0, 0.0);
        let requests = 400_000;
        for _ in 0..requests {
            now += rng.exponential() * each / load;
            let at = intake.admit(WorkerId(0), Time::from_nanos(now as u64));
            waited += at.as_nanos() as f64 - now;
        }
        let mean = waited / f64::from(requests) / each;
        let expected = load / (2.0 * (1.0 - load));
        assert!((mean / expected - 1.0).abs() < 0.02, "{mean} is not {expected}");
    }
}
