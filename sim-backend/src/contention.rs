//! What starts take from each other and from boots. A host has so many processors: of starts that are asked
//! for at one instant each begins a little after the one before it, and boots that are under way meanwhile go
//! on at a part of their speed.

use actors::{ActorId, Duration, OperationKind, Time, WorkerId};
use scenarios::scenario::Latency;

/// See the [module](self).
pub(crate) struct Contention {
    /// From the beginning of a start to that of the next.
    spacing: Duration,
    /// The part of a boot's time that is lost meanwhile, from 0 to 1.
    lost: f64,
    /// Of every worker; empty where starts take nothing from anybody.
    hosts: Vec<Busy>,
}

/// One host.
#[derive(Clone, Default)]
struct Busy {
    /// Until then it is busy with starts that have been asked for.
    until: Time,
    /// For how long it has been, or will have been then.
    total: Duration,
    /// Boots under way, each with how much of the busy time is counted in its end.
    boots: Vec<(ActorId, Duration)>,
}

impl Contention {
    pub(crate) fn new(latency: &Latency, workers: u32) -> Self {
        let workers = if latency.start_spacing.is_zero() { 0 } else { workers as usize };
        let lost = 1.0 - latency.boots_beside_starts;
        Self { spacing: latency.start_spacing, lost, hosts: vec![Busy::default(); workers] }
    }

    /// Whether starts take anything from anybody.
    pub(crate) fn is_modelled(&self) -> bool {
        !self.hosts.is_empty()
    }

    /// An operation is asked for that takes so long by itself. When it will be over, as far as is known.
    pub(crate) fn begins(
        &mut self,
        now: Time,
        sprite: ActorId,
        worker: WorkerId,
        kind: OperationKind,
        takes: Duration,
    ) -> Duration {
        let Some(host) = self.hosts.get_mut(worker.index()) else { return takes };
        match kind {
            OperationKind::Start | OperationKind::Wake => host.waits(now, self.spacing) + takes,
            OperationKind::Boot | OperationKind::Create if !takes.is_zero() => {
                let takes = host.takes(now, takes, self.lost);
                host.boots.push((sprite, host.busy_by(now + takes)));
                takes
            }
            _ => takes,
        }
    }

    /// A boot's time is over. How much longer it takes because of starts that came meanwhile; `None` when it
    /// is done.
    pub(crate) fn boot_takes_longer(
        &mut self,
        now: Time,
        sprite: ActorId,
        worker: WorkerId,
    ) -> Option<Duration> {
        let host = self.hosts.get_mut(worker.index())?;
        let index = host.boots.iter().position(|(booting, _)| *booting == sprite)?;
        let more = host.busy_by(now).as_nanos() - host.boots[index].1.as_nanos();
        let lost = Duration::from_nanos(more).scaled(self.lost);
        if lost.is_zero() {
            host.boots.swap_remove(index);
            return None;
        }
        let longer = host.takes(now, lost, self.lost);
        host.boots[index].1 = host.busy_by(now + longer);
        Some(longer)
    }
}

impl Busy {
    /// A start is asked for, and the next one begins so long after it. How long it waits for those before it.
    fn waits(&mut self, now: Time, spacing: Duration) -> Duration {
        let begins = self.until.max(now);
        self.until = begins + spacing;
        self.total = self.total + spacing;
        begins.since(now)
    }

    /// How long a boot takes that takes so long by itself and loses this part of its time while the host is
    /// busy.
    fn takes(&self, now: Time, by_itself: Duration, lost: f64) -> Duration {
        let busy = self.until.since(now);
        let done_meanwhile = Duration::from_nanos(busy.as_nanos() - busy.scaled(lost).as_nanos());
        if by_itself > done_meanwhile {
            by_itself + busy.scaled(lost)
        } else {
            // It ends while the host is busy, so this is no division by zero: something is done meanwhile.
            by_itself.scaled(1.0 / (1.0 - lost)).min(busy)
        }
    }

    /// For how long the host has been busy by this time.
    fn busy_by(&self, now: Time) -> Duration {
        Duration::from_nanos(self.total.as_nanos() - self.until.since(now).as_nanos())
    }
}

#[cfg(test)]
mod tests {
    use actors::Rng;
    use actors::random::Purpose;

    use super::*;

    const SPRITE: ActorId = ActorId(7);
    const WORKER: WorkerId = WorkerId(0);

    fn at(nanos: u64) -> Time {
        Time::from_nanos(nanos)
    }

    fn contention(spacing_ns: u64, boots_beside_starts: f64) -> Contention {
        let start_spacing = Duration::from_nanos(spacing_ns);
        Contention::new(&Latency { start_spacing, boots_beside_starts, ..Latency::default() }, 2)
    }

    fn starts(contention: &mut Contention, now: u64, by_itself: u64) -> u64 {
        let by_itself = Duration::from_nanos(by_itself);
        contention.begins(at(now), SPRITE, WORKER, OperationKind::Start, by_itself).as_nanos()
    }

    fn boots(contention: &mut Contention, now: u64, by_itself: u64) -> u64 {
        let by_itself = Duration::from_nanos(by_itself);
        contention.begins(at(now), SPRITE, WORKER, OperationKind::Boot, by_itself).as_nanos()
    }

    fn longer(contention: &mut Contention, now: u64) -> Option<u64> {
        contention.boot_takes_longer(at(now), SPRITE, WORKER).map(Duration::as_nanos)
    }

    #[test]
    fn each_start_waits_for_those_before_it_on_its_own_host() {
        let host = &mut contention(10, 1.0);
        let other = host.begins(at(0), SPRITE, WorkerId(1), OperationKind::Wake, Duration::from_nanos(7));
        assert_eq!(other.as_nanos(), 7);
        assert_eq!([0, 0, 0, 25, 99].map(|now| starts(host, now, 4)), [4, 14, 24, 5 + 4, 4]);
        assert_eq!(boots(host, 99, 50), 50, "it loses nothing here");
    }

    #[test]
    fn a_boot_loses_time_while_its_host_is_busy_and_only_then() {
        let host = &mut contention(10, 0.25);
        // Busy until 10, of which 8 are left, and three quarters of those are lost.
        starts(host, 0, 1);
        assert_eq!(boots(host, 2, 90), 96);
        // Busy again from 90 to 110: for 8 before it would have been over, and for the 12 that follow.
        starts(host, 90, 1);
        starts(host, 94, 1);
        assert_eq!(longer(host, 98), Some(6 + 9), "6 are lost, and 9 of the 12 to come");
        assert_eq!([longer(host, 113), longer(host, 113)], [None; 2], "it is over, and known no more");
        assert_eq!(boots(host, 300, 50), 50, "the host is not busy");
        assert_eq!(longer(host, 350), None);
        // It ends while the host is busy.
        starts(host, 400, 1);
        assert_eq!(boots(host, 400, 2), 8);
        assert_eq!(longer(host, 408), None);
    }

    #[test]
    fn boots_that_stand_still_end_after_the_starts() {
        let host = &mut contention(10, 0.0);
        starts(host, 0, 1);
        assert_eq!(boots(host, 4, 3), 6 + 3);
        starts(host, 12, 1);
        assert_eq!(longer(host, 13), Some(9 + 1), "one was lost, and 9 are to come");
        assert_eq!(longer(host, 23), None);
    }

    #[test]
    fn where_starts_take_nothing_operations_take_what_they_take_by_themselves() {
        let host = &mut contention(0, 0.5);
        assert_eq!([starts(host, 0, 5), starts(host, 0, 5), boots(host, 0, 9)], [5, 5, 9]);
        assert_eq!(longer(host, 9), None);
    }

    /// M/D/1: at load r the mean wait is r / (2 (1 - r)) times of service (Pollaczek 1930).
    #[test]
    fn the_mean_wait_is_that_of_one_server_with_a_constant_time() {
        let (spacing, load) = (1_000_000.0, 0.7);
        let host = &mut contention(spacing as u64, 1.0);
        let mut rng = Rng::stream(1, Purpose::Arrivals, 0);
        let (mut now, mut waited) = (0.0, 0.0);
        let requests = 400_000;
        for _ in 0..requests {
            now += rng.exponential() * spacing / load;
            waited += starts(host, now as u64, 0) as f64;
        }
        let mean = waited / f64::from(requests) / spacing;
        let expected = load / (2.0 * (1.0 - load));
        assert!((mean / expected - 1.0).abs() < 0.02, "{mean} is not {expected}");
    }
}
