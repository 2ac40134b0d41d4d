//! This project, whole: a scenario file is read, actors follow its policies, every observation goes into the
//! books of a report with its histograms, and every delivery into the digest. Nothing is left out because it
//! costs time.

use actors::{Observation, Observer, Time};
use reports::{Recorder, RunMetadata};
use scenarios::Scenario;
use sim_backend::{Options, simulate};

use crate::work::{Outcome, Work};

/// A start takes no time here, because nothing would happen meanwhile that the others have to do.
fn scenario(work: &Work) -> Scenario {
    let text = format!(
        r#"
            seed = {seed}

            [fleet]
            workers = {workers}
            boots = {boots}
            placement = "random"

            [pool]
            depth = {{ kind = "fixed", ready = {depth} }}
            refill = {{ kind = "immediate" }}
            exhausted = [{{ kind = "reject" }}]

            [latency]
            boot = {{ exponential = "{boot}" }}
            start = "0s"

            [[demand]]
            to = {rate:.6}
            for = "{seconds:.6}s"
            arrivals = "poisson"
        "#,
        seed = work.seed,
        workers = work.pools,
        boots = Work::BOOTS,
        depth = Work::DEPTH,
        boot = Work::BOOT,
        rate = work.rate(),
        seconds = work.arrivals as f64 / work.rate(),
    );
    Scenario::parse(&text, "benchmark", &[]).expect("the benchmark's scenario is valid")
}

pub(crate) fn run(work: &Work) -> Outcome {
    run_watched(work, |_| {})
}

/// The same, telling after each arrival how many there were; zero when the first may come.
pub(crate) fn run_watched(work: &Work, arrived: impl FnMut(u64)) -> Outcome {
    let scenario = scenario(work);
    let mut plan = RunMetadata::new("benchmark", work.pools as usize);
    plan.planned = scenario.planned_length();
    let mut books = Books { recorder: Recorder::new(plan), requests: 0, arrived };
    let run = simulate(&scenario, &Options::default(), &mut books).expect("this scenario names no files");
    let summary = books.recorder.finish(run.ended).summary;
    Outcome { requests: summary.requests, misses: summary.misses }
}

/// The books of the report, and who watches the arrivals.
struct Books<F> {
    recorder: Recorder,
    requests: u64,
    arrived: F,
}

impl<F: FnMut(u64)> Observer for Books<F> {
    #[inline(always)]
    fn observe(&mut self, at: Time, observation: Observation) {
        if let Observation::Arrived { .. } = observation {
            self.requests += 1;
            (self.arrived)(self.requests);
        }
        self.recorder.observe(at, observation);
    }

    fn closed(&mut self, at: Time) {
        self.recorder.closed(at);
    }

    fn opened(&mut self, at: Time) {
        (self.arrived)(0);
        self.recorder.opened(at);
    }
}
