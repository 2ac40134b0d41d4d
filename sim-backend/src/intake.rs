//! The door of each worker. A start (or a wake) keeps a host busy for a while, and the next request is let in only after that:
//! of those that come at one instant each waits for the starts of those before it. Who finds no Sprite keeps nobody busy.
//! Boots that are under way meanwhile have fewer processors to themselves and go on at a part of their speed.

use std::collections::VecDeque;

use actors::{ActorId, Duration, OperationKind, Request, Time, WorkerId};
use scenarios::scenario::Latency;

/// See the [module](self).
pub(crate) struct Intake {
    /// For how long a start keeps a host busy.
    each: Duration,
    /// The part of a boot's time that is lost while the host is busy, from 0 to 1.
    lost: f64,
    /// Of every worker; empty where starts keep no host busy.
    doors: Vec<Door>,
}

#[derive(Clone, Default)]
struct Door {
    /// Until then the host is busy.
    busy_until: Time,
    /// For how long it has been, or will have been then.
    busy: Duration,
    /// Requests that have come and are not let in.
    waiting: VecDeque<Request>,
    /// Boots under way, each with how much of the time for which the host is busy has been counted in its end.
    boots: Vec<(ActorId, Duration)>,
}

/// Who is let in.
pub(crate) enum Next {
    /// This request, now.
    Enters(Request),
    /// Somebody, later.
    At(Time),
    /// Nobody waits.
    Nobody,
}

impl Intake {
    pub(crate) fn new(latency: &Latency, workers: u32) -> Self {
        let workers = if latency.intake.is_zero() { 0 } else { workers as usize };
        let lost = 1.0 - latency.intake_boot_speed;
        Self { each: latency.intake, lost, doors: vec![Door::default(); workers] }
    }

    /// Whether starts keep hosts busy.
    #[inline]
    pub(crate) fn is_used(&self) -> bool {
        !self.doors.is_empty()
    }

    /// A request comes to the door. Whether it is the first there.
    pub(crate) fn comes(&mut self, worker: WorkerId, request: Request) -> bool {
        let door = &mut self.doors[worker.index()];
        door.waiting.push_back(request);
        door.waiting.len() == 1
    }

    /// Who is let in at this time.
    pub(crate) fn next(&mut self, worker: WorkerId, now: Time) -> Next {
        let door = &mut self.doors[worker.index()];
        if door.busy_until > now && !door.waiting.is_empty() {
            return Next::At(door.busy_until);
        }
        door.waiting.pop_front().map_or(Next::Nobody, Next::Enters)
    }

    /// An operation begins on this host that takes so long by itself. How long it takes as far as is known.
    #[inline]
    pub(crate) fn begins(
        &mut self,
        now: Time,
        sprite: ActorId,
        worker: WorkerId,
        kind: OperationKind,
        takes: Duration,
    ) -> Duration {
        let Some(door) = self.doors.get_mut(worker.index()) else { return takes };
        match kind {
            OperationKind::Start | OperationKind::Wake => {
                door.starts(now, self.each);
                takes
            }
            OperationKind::Boot | OperationKind::Create if !takes.is_zero() => {
                let takes = door.takes(now, takes, self.lost);
                door.boots.push((sprite, door.busy_by(now + takes)));
                takes
            }
            _ => takes,
        }
    }

    /// A boot's time is over. How much longer it takes because of starts that came meanwhile; `None` when it is done.
    pub(crate) fn boot_takes_longer(
        &mut self,
        now: Time,
        sprite: ActorId,
        worker: WorkerId,
    ) -> Option<Duration> {
        let door = self.doors.get_mut(worker.index())?;
        let busy = door.busy_by(now);
        let index = door.boots.iter().position(|(booting, _)| *booting == sprite)?;
        let more = busy.as_nanos() - door.boots[index].1.as_nanos();
        let lost = Duration::from_nanos(more).scaled(self.lost);
        if lost.is_zero() {
            door.boots.swap_remove(index);
            return None;
        }
        let longer = door.takes(now, lost, self.lost);
        door.boots[index].1 = door.busy_by(now + longer);
        Some(longer)
    }
}

impl Door {
    /// A start keeps the host busy for so long. Those that the door has let in come one after the other; others, for requests
    /// that had waited for a boot, may come beside them.
    fn starts(&mut self, now: Time, each: Duration) {
        let until = self.busy_until.max(now + each);
        self.busy = self.busy + until.since(self.busy_until.max(now));
        self.busy_until = until;
    }

    /// How long a boot takes that takes so long by itself and loses this part of its time while the host is busy.
    fn takes(&self, now: Time, by_itself: Duration, lost: f64) -> Duration {
        let busy = self.busy_until.since(now);
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
        Duration::from_nanos(self.busy.as_nanos() - self.busy_until.since(now).as_nanos())
    }
}

#[cfg(test)]
mod tests {
    use actors::random::Purpose;
    use actors::{Key, Rng};

    use super::*;

    const SPRITE: ActorId = ActorId(7);

    fn at(nanos: u64) -> Time {
        Time::from_nanos(nanos)
    }

    fn intake(each_ns: u64, intake_boot_speed: f64) -> Intake {
        let intake = Duration::from_nanos(each_ns);
        Intake::new(&Latency { intake, intake_boot_speed, ..Latency::default() }, 2)
    }

    fn request(id: u64) -> Request {
        Request { id, arrived: Time::ZERO, lifetime: Duration::ZERO, key: Key(0), tries: 0 }
    }

    fn starts(intake: &mut Intake, now: u64, worker: u32) {
        intake.begins(at(now), SPRITE, WorkerId(worker), OperationKind::Start, Duration::ZERO);
    }

    /// Who is let in, or when the next is; 0 for nobody.
    fn next(intake: &mut Intake, now: u64) -> (&'static str, u64) {
        match intake.next(WorkerId(0), at(now)) {
            Next::Enters(request) => ("enters", request.id),
            Next::At(time) => ("at", time.as_nanos()),
            Next::Nobody => ("nobody", 0),
        }
    }

    #[test]
    fn each_waits_for_the_starts_before_it_and_for_nobody_else() {
        let intake = &mut intake(10, 1.0);
        let first: Vec<bool> = (1..=4).map(|id| intake.comes(WorkerId(0), request(id))).collect();
        assert_eq!(first, [true, false, false, false]);
        starts(intake, 0, 1);
        assert_eq!(next(intake, 0), ("enters", 1));
        starts(intake, 0, 0);
        assert_eq!([next(intake, 0), next(intake, 9)], [("at", 10); 2]);
        // The second finds no Sprite, so the third is let in at once.
        assert_eq!([next(intake, 10), next(intake, 10)], [("enters", 2), ("enters", 3)]);
        starts(intake, 10, 0);
        assert_eq!([next(intake, 10), next(intake, 20)], [("at", 20), ("enters", 4)]);
        assert_eq!(next(intake, 20), ("nobody", 0));
        assert!(intake.comes(WorkerId(0), request(5)), "it is the first again");
    }

    #[test]
    fn a_boot_loses_time_while_its_host_is_busy_and_only_then() {
        let intake = &mut intake(10, 0.25);
        let boot = |intake: &mut Intake, now, by_itself| {
            let by_itself = Duration::from_nanos(by_itself);
            intake.begins(at(now), SPRITE, WorkerId(0), OperationKind::Boot, by_itself).as_nanos()
        };
        let longer = |intake: &mut Intake, now| {
            intake.boot_takes_longer(at(now), SPRITE, WorkerId(0)).map(Duration::as_nanos)
        };
        // Busy until 10, of which 8 are left, and three quarters of those are lost.
        starts(intake, 0, 0);
        assert_eq!(boot(intake, 2, 90), 96);
        // Busy again from 90 to 104: for 8 before it would have been over, and for the 6 that follow.
        starts(intake, 90, 0);
        starts(intake, 94, 0);
        assert_eq!(longer(intake, 98), Some(6 + 5), "6 are lost, and 4.5 of the 6 to come");
        assert_eq!([longer(intake, 109), longer(intake, 109)], [None; 2], "it is over, and known no more");
        assert_eq!(boot(intake, 300, 50), 50, "nobody is busy");
        assert_eq!(longer(intake, 350), None);
        // It ends while the host is busy.
        starts(intake, 400, 0);
        assert_eq!(boot(intake, 400, 2), 8);
        assert_eq!(longer(intake, 408), None);
    }

    #[test]
    fn boots_that_stand_still_end_after_the_starts() {
        let intake = &mut intake(10, 0.0);
        starts(intake, 0, 0);
        let by_itself = Duration::from_nanos(3);
        let takes = intake.begins(at(4), SPRITE, WorkerId(0), OperationKind::Boot, by_itself);
        assert_eq!(takes.as_nanos(), 6 + 3);
        starts(intake, 12, 0);
        let longer = intake.boot_takes_longer(at(13), SPRITE, WorkerId(0));
        assert_eq!(longer.map(Duration::as_nanos), Some(9 + 1), "one was lost, and 9 are to come");
        assert_eq!(intake.boot_takes_longer(at(23), SPRITE, WorkerId(0)), None);
    }

    #[test]
    fn where_starts_keep_nobody_busy_nothing_is_kept() {
        let intake = &mut intake(0, 0.5);
        assert!(!intake.is_used());
        starts(intake, 0, 1);
        assert_eq!(intake.boot_takes_longer(at(5), SPRITE, WorkerId(1)), None);
    }

    /// M/D/1: at load r the mean wait is r / (2 (1 - r)) times of service (Pollaczek 1930).
    #[test]
    fn the_mean_wait_is_that_of_one_server_with_a_constant_time() {
        let (each, load, requests) = (1_000_000.0, 0.7, 400_000);
        let intake = &mut intake(each as u64, 1.0);
        let mut rng = Rng::stream(1, Purpose::Arrivals, 0);
        let (mut now, mut waited) = (0.0, 0.0);
        let let_in = |intake: &mut Intake, until: f64| {
            let mut waited = 0.0;
            let mut time = Time::ZERO;
            loop {
                match intake.next(WorkerId(0), time) {
                    Next::Enters(request) => {
                        let began = time.max(request.arrived);
                        waited += (began.as_nanos() - request.arrived.as_nanos()) as f64;
                        starts(intake, began.as_nanos(), 0);
                    }
                    Next::At(next) if next.as_nanos() as f64 <= until => time = next,
                    Next::At(_) | Next::Nobody => return waited,
                }
            }
        };
        for id in 0..requests {
            now += rng.exponential() * each / load;
            waited += let_in(intake, now);
            intake.comes(WorkerId(0), Request { arrived: at(now as u64), ..request(id) });
        }
        waited += let_in(intake, f64::INFINITY);
        let mean = waited / requests as f64 / each;
        let expected = load / (2.0 * (1.0 - load));
        assert!((mean / expected - 1.0).abs() < 0.02, "{mean} is not {expected}");
    }
}
