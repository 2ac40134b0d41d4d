//! A toy fleet that tells a recorder what a real one would: enough life for tests and for a page to look at.
//!
//! One pool per worker of fixed depth, boots that take a while with a bounded number at once, misses that
//! wait 200 ms, then boot for themselves, and are rejected when too many wait. It is no reference for any
//! policy.
// Every test file takes what it needs.
#![allow(dead_code)]

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use actors::protocol::Target;
use actors::{ActorId, Cause, Duration, Key, Observation, Observer, Outcome, Request, State, Time, WorkerId};
use reports::{Capacity, Gate, Mark, Prices, Recorder, Report, RunMetadata};

const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000_000_000;

/// What to play.
#[derive(Clone, Debug)]
pub(crate) struct Toy {
    pub(crate) name: &'static str,
    pub(crate) seed: u64,
    pub(crate) workers: usize,
    pub(crate) depth: u32,
    pub(crate) boots: u32,
    pub(crate) boot_ms: u64,
    /// Seconds and arrivals per second over the fleet.
    pub(crate) demand: Vec<(u64, f64)>,
    pub(crate) warmup_s: u64,
    pub(crate) crash: Option<(u64, u32)>,
    pub(crate) lifetime_s: f64,
    pub(crate) per_tenant: bool,
    pub(crate) gates: Vec<(&'static str, &'static str)>,
}

impl Default for Toy {
    fn default() -> Self {
        Self {
            name: "launch-day",
            seed: 42,
            workers: 4,
            depth: 16,
            boots: 4,
            boot_ms: 360,
            demand: vec![(90, 12.0), (30, 95.0), (150, 12.0)],
            warmup_s: 30,
            crash: Some((200, 2)),
            lifetime_s: 8.0,
            per_tenant: false,
            gates: vec![("latency p99", "< 250ms"), ("misses", "< 1%"), ("recovery", "< 30s")],
        }
    }
}

#[derive(PartialEq, Eq, PartialOrd, Ord, Clone, Copy)]
enum Event {
    Arrival,
    Booted(usize),
    BootedFor(usize, u64, u64),
    Started(usize, u64, u64, u8),
    Left(usize),
    GaveUp(usize, u64, u64),
    Crash(usize),
    Recover(usize),
}

struct Host {
    ready: u32,
    booting: u32,
    queued: u32,
    waiting: VecDeque<(u64, u64)>,
    own: u32,
    up: bool,
}

struct Play<'a, O: Observer> {
    toy: &'a Toy,
    sink: O,
    now: u64,
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    order: u64,
    hosts: Vec<Host>,
    /// Where arrivals come from; all else has a stream of its own, so that depths meet the same arrivals.
    arrivals: u64,
    lives: u64,
    next_id: u64,
}

impl Toy {
    pub(crate) fn length_s(&self) -> u64 {
        self.demand.iter().map(|(seconds, _)| seconds).sum()
    }

    pub(crate) fn plan(&self) -> RunMetadata {
        let spike = self.demand.iter().map(|stage| stage.1).enumerate().max_by(|a, b| a.1.total_cmp(&b.1));
        let spike = spike.map_or(0, |(index, _)| index);
        let until = |stage: usize| self.demand[..stage].iter().map(|(seconds, _)| seconds).sum::<u64>();
        RunMetadata {
            seed: self.seed,
            workers: (0..self.workers).map(|worker| worker % 2).collect(),
            regions: vec!["fra".into(), "iad".into()],
            per_tenant: self.per_tenant,
            capacity: vec![Capacity { slots: 200, boots: Some(self.boots) }; self.workers],
            warmup: Duration::from_secs(self.warmup_s),
            planned: Some(Duration::from_secs(self.length_s())),
            spike_end: Some(Time::from_nanos(until(spike + 1) * SECOND)),
            marks: vec![Mark { from_s: until(spike) as f64, to_s: None, label: "spike begins".into() }],
            prices: Prices { idle_vm_second: 0.000_004, miss: 0.01, ..Prices::default() },
            gates: self
                .gates
                .iter()
                .map(|(figure, bound)| Gate::parse(figure, bound).expect("a gate of the toy"))
                .collect(),
            ..RunMetadata::new(self.name, self.workers)
        }
    }

    pub(crate) fn report(&self) -> Report {
        let mut recorder = Recorder::new(self.plan());
        let end = self.play(&mut recorder, |recorder| recorder.opened(Time::ZERO));
        let mut report = recorder.finish(end);
        report.summary.set_run(Some((u64::from(self.depth) << 56) ^ self.seed), report.summary.requests * 8);
        report
    }

    /// Tells everything to `sink`; `opened` is called when the pools are filled.
    pub(crate) fn play<O: Observer>(&self, sink: O, opened: impl FnOnce(&mut O)) -> Time {
        let host = || Host { ready: 0, booting: 0, queued: 0, waiting: VecDeque::new(), own: 0, up: true };
        let mut play = Play {
            toy: self,
            sink,
            now: 0,
            events: BinaryHeap::new(),
            order: 0,
            hosts: (0..self.workers).map(|_| host()).collect(),
            arrivals: mixed(self.seed),
            lives: mixed(self.seed ^ u64::MAX),
            next_id: 0,
        };
        play.fill();
        opened(&mut play.sink);
        play.run();
        Time::from_nanos(play.now)
    }
}

/// A seed whose neighbours have nothing in common with it, and that is not zero.
pub(crate) fn mixed(seed: u64) -> u64 {
    let mut bits = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (bits ^ (bits >> 31)) | 1
}

fn uniform(state: &mut u64) -> f64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    ((*state >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
}

impl<O: Observer> Play<'_, O> {
    fn tell(&mut self, observation: Observation) {
        self.sink.observe(Time::from_nanos(self.now), observation);
    }

    fn sprite(&mut self, host: usize, was: State, is: State) {
        self.tell(Observation::Sprite {
            worker: WorkerId(host as u32),
            sprite: ActorId(0),
            generation: 0,
            was,
            is,
        });
    }

    fn at(&mut self, after: u64, event: Event) {
        self.order += 1;
        self.events.push(Reverse((self.now + after, self.order, event)));
    }

    fn exponential(&mut self, mean: f64) -> u64 {
        (-uniform(&mut self.lives).ln() * mean) as u64
    }

    fn fill(&mut self) {
        for host in 0..self.hosts.len() {
            let is = Target::exactly(self.toy.depth);
            self.tell(Observation::Target { worker: WorkerId(host as u32), was: Target::default(), is });
            for _ in 0..self.toy.depth {
                self.sprite(host, State::Stopped, State::Booting);
                self.sprite(host, State::Booting, State::Ready);
                self.hosts[host].ready += 1;
            }
        }
    }

    fn run(&mut self) {
        self.at(0, Event::Arrival);
        if let Some((second, host)) = self.toy.crash {
            self.at(second * SECOND, Event::Crash(host as usize));
            self.at((second + 12) * SECOND, Event::Recover(host as usize));
        }
        while let Some(Reverse((at, _, event))) = self.events.pop() {
            self.now = at;
            self.handle(event);
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Arrival => self.arrival(),
            Event::Booted(host) => self.booted(host),
            Event::BootedFor(host, id, arrived) => {
                self.hosts[host].own -= 1;
                self.hosts[host].booting -= 1;
                self.sprite(host, State::Booting, State::Starting);
                self.start(host, id, arrived, Outcome::Booted);
                self.boot_next(host);
            }
            Event::Started(host, id, arrived, outcome) => {
                self.ended(host, id, arrived, Outcome::ALL[usize::from(outcome)]);
                self.sprite(host, State::Starting, State::Running);
                let lifetime = self.exponential(self.toy.lifetime_s * 1e9);
                self.at(lifetime, Event::Left(host));
            }
            Event::Left(host) => self.sprite(host, State::Running, State::Stopped),
            Event::GaveUp(host, id, arrived) => self.gave_up(host, id, arrived),
            Event::Crash(host) => self.crash(host),
            Event::Recover(host) => {
                self.hosts[host].up = true;
                self.tell(Observation::Host { worker: WorkerId(host as u32), up: true });
                self.hosts[host].queued = self.toy.depth;
                self.boot_next(host);
            }
        }
    }

    fn request(id: u64, arrived: u64) -> Request {
        Request {
            id,
            arrived: Time::from_nanos(arrived),
            lifetime: Duration::ZERO,
            key: Key(0),
            tries: 0,
            missed: None,
        }
    }

    fn ended(&mut self, host: usize, id: u64, arrived: u64, outcome: Outcome) {
        // Pools do not say here why they are empty; requests are told apart by how they ended.
        let cause = match outcome {
            Outcome::Warm | Outcome::Woken => None,
            Outcome::Failed => Some(Cause::WorkerDown),
            Outcome::Booted => Some(Cause::Depth),
            _ => Some(Cause::BootSlots),
        };
        let request = Request { missed: cause, ..Self::request(id, arrived) };
        let ended = if outcome == Outcome::Rejected { Some(Cause::QueueFull) } else { cause };
        self.tell(Observation::Ended { worker: WorkerId(host as u32), request, outcome, cause: ended });
    }

    fn arrival(&mut self) {
        let mut passed = 0;
        let mut rate = 0.0;
        for (seconds, per_second) in &self.toy.demand {
            if self.now >= passed {
                rate = *per_second;
            }
            passed += seconds * SECOND;
        }
        if self.now >= passed {
            return;
        }
        let gap = (-uniform(&mut self.arrivals).ln() * 1e9 / rate) as u64;
        self.at(gap, Event::Arrival);
        let (id, now) = (self.next_id, self.now);
        self.next_id += 1;
        let host = (id % self.hosts.len() as u64) as usize;
        let worker = WorkerId(host as u32);
        self.tell(Observation::Arrived { worker, request: Self::request(id, now) });
        if !self.hosts[host].up {
            self.ended(host, id, now, Outcome::Failed);
        } else if self.hosts[host].ready > 0 {
            self.take(host, id, now, Outcome::Warm);
            self.hosts[host].queued += 1;
            self.boot_next(host);
        } else {
            let waiting = self.hosts[host].waiting.len() as u32;
            self.tell(Observation::Waiting { worker, was: waiting, is: waiting + 1 });
            self.hosts[host].waiting.push_back((id, now));
            self.at(200 * MS, Event::GaveUp(host, id, now));
        }
    }

    fn take(&mut self, host: usize, id: u64, arrived: u64, outcome: Outcome) {
        self.hosts[host].ready -= 1;
        self.sprite(host, State::Ready, State::Starting);
        self.start(host, id, arrived, outcome);
    }

    fn start(&mut self, host: usize, id: u64, arrived: u64, outcome: Outcome) {
        let took = 55_000 + self.exponential(9_000.0);
        self.at(took, Event::Started(host, id, arrived, outcome as u8));
    }

    fn boot_next(&mut self, host: usize) {
        while self.hosts[host].up && self.hosts[host].queued > 0 && self.hosts[host].booting < self.toy.boots
        {
            self.hosts[host].queued -= 1;
            self.hosts[host].booting += 1;
            self.sprite(host, State::Stopped, State::Booting);
            let took = self.boot_time();
            self.at(took, Event::Booted(host));
        }
    }

    fn boot_time(&mut self) -> u64 {
        let tail = self.exponential(self.toy.boot_ms as f64 * 0.4 * MS as f64);
        self.toy.boot_ms * MS * 6 / 10 + tail
    }

    fn booted(&mut self, host: usize) {
        self.hosts[host].booting = self.hosts[host].booting.saturating_sub(1);
        if !self.hosts[host].up || uniform(&mut self.lives) < 0.004 {
            self.sprite(host, State::Booting, State::Failed);
            self.hosts[host].queued += u32::from(self.hosts[host].up);
            return self.boot_next(host);
        }
        self.sprite(host, State::Booting, State::Ready);
        self.hosts[host].ready += 1;
        if let Some((id, arrived)) = self.hosts[host].waiting.pop_front() {
            let waiting = self.hosts[host].waiting.len() as u32;
            self.tell(Observation::Waiting { worker: WorkerId(host as u32), was: waiting + 1, is: waiting });
            self.take(host, id, arrived, Outcome::Waited);
            self.hosts[host].queued += 1;
        }
        self.boot_next(host);
    }

    fn gave_up(&mut self, host: usize, id: u64, arrived: u64) {
        let Some(place) = self.hosts[host].waiting.iter().position(|waiting| waiting.0 == id) else { return };
        self.hosts[host].waiting.remove(place);
        let waiting = self.hosts[host].waiting.len() as u32;
        self.tell(Observation::Waiting { worker: WorkerId(host as u32), was: waiting + 1, is: waiting });
        if self.hosts[host].own >= 6 || !self.hosts[host].up {
            return self.ended(host, id, arrived, Outcome::Rejected);
        }
        self.hosts[host].own += 1;
        self.hosts[host].booting += 1;
        self.sprite(host, State::Stopped, State::Booting);
        let took = self.boot_time();
        self.at(took, Event::BootedFor(host, id, arrived));
    }

    fn crash(&mut self, host: usize) {
        self.hosts[host].up = false;
        self.tell(Observation::Host { worker: WorkerId(host as u32), up: false });
        for _ in 0..std::mem::take(&mut self.hosts[host].ready) {
            self.sprite(host, State::Ready, State::Failed);
        }
    }
}
