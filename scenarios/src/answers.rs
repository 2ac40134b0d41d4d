//! How a simulated host answers: how long an operation takes, and how it ends. Every worker has its own
//! stream for every kind of operation, so its n-th boot takes as long under one policy as under another, and
//! on one backend as on the other. Where `[latency]` has lists, what is under way on the worker decides which
//! distribution is drawn from: boots and creates, and for sleeps and stops other sleeps and stops. A start
//! also depends on how long nothing was, where `start_after_idle` says so.

use actors::protocol::End;
use actors::random::Purpose;
use actors::{Duration, OperationKind, Rng, Time};

use crate::distribution::{ByLoad, DistributionError, Sampler};
use crate::scenario::Scenario;

/// How many kinds of operation draw how long they take.
const KINDS: usize = 6;

/// What `[latency]` says, ready to be drawn from by any number of workers.
#[derive(Clone, Debug)]
pub struct Answers {
    /// Of each kind, by how many operations are under way.
    latencies: [Box<[Sampler]>; KINDS],
    /// Of starts on a host that has done nothing for so long, the longest first.
    after_idle: Box<[(Duration, Sampler)]>,
    /// Whether anything depends on what is or was under way.
    by_load: bool,
    /// How long starts take where they always take the same and never fail: of those there is one for every
    /// request.
    constant_start: Option<Duration>,
    boot_failures: f64,
    start_failures: f64,
    sleep_refusals: f64,
    wake_refusals: f64,
}

/// The streams of one worker, and what is under way there. That of boots, which every request needs, comes
/// first.
#[derive(Clone, Debug)]
#[repr(C)]
pub struct AnswerStreams {
    latencies: [Rng; KINDS],
    boot_failures: Rng,
    start_failures: Rng,
    sleep_refusals: Rng,
    wake_refusals: Rng,
    /// When the boots and creates that are under way end, and when the sleeps and stops do.
    ends: [Vec<Time>; 2],
    /// When the last of all operations ends.
    busy_until: Time,
}

impl Answers {
    /// The answers of this scenario's hosts.
    ///
    /// # Errors
    /// A distribution whose file cannot be read.
    pub fn new(scenario: &Scenario) -> Result<Self, DistributionError> {
        let latency = &scenario.latency;
        let sampler = |by_load: &ByLoad| by_load.samplers(scenario.base());
        let latencies = [
            sampler(&latency.boot)?,
            sampler(&latency.create)?,
            sampler(&latency.start)?,
            sampler(&latency.sleep)?,
            sampler(&latency.wake)?,
            sampler(&latency.stop)?,
        ];
        let (boot_failures, start_failures) = (latency.boot_failures, latency.start_failures);
        let after_idle = latency.start_after_idle.iter().rev();
        let after_idle = after_idle
            .map(|after| Ok((after.idle, after.start.sampler(scenario.base())?)))
            .collect::<Result<Box<[_]>, DistributionError>>()?;
        let by_load = latencies.iter().any(|levels| levels.len() > 1) || !after_idle.is_empty();
        let is_constant = !by_load && start_failures == 0.0;
        let constant_start = latencies[2][0].as_constant().filter(|_| is_constant);
        let (sleep_refusals, wake_refusals) = (latency.sleep_refusals, latency.wake_refusals);
        Ok(Self {
            latencies,
            after_idle,
            by_load,
            constant_start,
            boot_failures,
            start_failures,
            sleep_refusals,
            wake_refusals,
        })
    }

    /// How long a start takes, where every start takes the same and none fails.
    #[inline(always)]
    pub fn constant_start(&self) -> Option<Duration> {
        self.constant_start
    }

    /// How long the next operation of this kind takes that begins at this time, and how it ends. What is no
    /// work of the host (`Run`, `Detach`) takes no time here. Times never go back.
    #[inline]
    pub fn answer(&self, streams: &mut AnswerStreams, now: Time, kind: OperationKind) -> (Duration, End) {
        let index = match kind {
            OperationKind::Boot => 0,
            OperationKind::Create => 1,
            OperationKind::Start => 2,
            OperationKind::Sleep => 3,
            OperationKind::Wake => 4,
            OperationKind::Stop => 5,
            OperationKind::Run | OperationKind::Detach => return (Duration::ZERO, End::Done),
        };
        let levels = &self.latencies[index];
        let sampler = if self.by_load { self.by_load(levels, streams, now, kind) } else { &levels[0] };
        let took = sampler.sample(&mut streams.latencies[index]);
        if self.by_load {
            streams.begins(now + took, kind);
        }
        let (share, rng, otherwise) = match kind {
            OperationKind::Boot | OperationKind::Create => {
                (self.boot_failures, &mut streams.boot_failures, End::Lost)
            }
            OperationKind::Start => (self.start_failures, &mut streams.start_failures, End::Lost),
            OperationKind::Sleep => (self.sleep_refusals, &mut streams.sleep_refusals, End::Refused),
            OperationKind::Wake => (self.wake_refusals, &mut streams.wake_refusals, End::Refused),
            OperationKind::Stop | OperationKind::Run | OperationKind::Detach => return (took, End::Done),
        };
        (took, if fails(share, rng) { otherwise } else { End::Done })
    }

    /// What an operation is drawn from that begins beside others, or after nothing was under way for a while.
    fn by_load<'a>(
        &'a self,
        levels: &'a [Sampler],
        streams: &mut AnswerStreams,
        now: Time,
        kind: OperationKind,
    ) -> &'a Sampler {
        if kind == OperationKind::Start {
            let idle = now.since(streams.busy_until);
            if let Some((_, sampler)) = self.after_idle.iter().find(|(least, _)| idle >= *least) {
                return sampler;
            }
        }
        &levels[streams.under_way(now, kind).min(levels.len() - 1)]
    }
}

impl AnswerStreams {
    /// The streams of this worker in the run with this seed.
    pub fn new(seed: u64, worker: u64) -> Self {
        let stream = |purpose| Rng::stream(seed, purpose, worker);
        Self {
            latencies: [
                Purpose::Boots,
                Purpose::Creates,
                Purpose::Starts,
                Purpose::Sleeps,
                Purpose::Wakes,
                Purpose::Stops,
            ]
            .map(stream),
            boot_failures: stream(Purpose::BootFailures),
            start_failures: stream(Purpose::StartFailures),
            sleep_refusals: stream(Purpose::SleepRefusals),
            wake_refusals: stream(Purpose::WakeRefusals),
            ends: Default::default(),
            busy_until: Time::ZERO,
        }
    }

    /// How many operations are under way that one of this kind has to share the host with. There are never
    /// many: boots have their slots.
    fn under_way(&mut self, now: Time, kind: OperationKind) -> usize {
        let ends = &mut self.ends[usize::from(in_background(kind))];
        ends.retain(|end| *end > now);
        ends.len()
    }

    fn begins(&mut self, end: Time, kind: OperationKind) {
        self.busy_until = self.busy_until.max(end);
        if matches!(kind, OperationKind::Boot | OperationKind::Create) || in_background(kind) {
            self.ends[usize::from(in_background(kind))].push(end);
        }
    }
}

/// Whether it is done in the background, where such operations slow each other down and nobody waits for
/// them.
const fn in_background(kind: OperationKind) -> bool {
    matches!(kind, OperationKind::Sleep | OperationKind::Stop)
}

/// Whether something that fails at this rate fails now. What never fails draws nothing.
pub fn fails(ratio: f64, rng: &mut Rng) -> bool {
    ratio > 0.0 && rng.chance(ratio)
}
