//! A journal fed to the same actors again: they do the same, and where they do not the first difference is
//! named.

#![allow(clippy::unwrap_used)]

mod fixtures;

use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use actors::policy::Begin;
use actors::protocol::ToWorker;
use actors::{Actor, ActorId, AnyActor, Backend, Context, Duration, Key, Message, Worker, WorkerConfig};
use runtime::{
    Config, End, JournalPaths, Machines, Options, Reader, Record, ReplayError, Replayed, Runtime, Scripted,
    replay, run_scenario,
};
use scenarios::Scenario;

use fixtures::{Obedient, SECOND, Seen, WORKER, pool, scenario, wait_for, worker};

const FAULTY: &str = r#"
    [fleet]
    slots = 24
    boots = 3
    [pool]
    depth = { kind = "window-quantile", misses = 0.05, window = "300ms", least = 2 }
    refill = { kind = "delay", hold = "5ms", longest = "20ms" }
    exhausted = [{ kind = "wake" }, { kind = "wait", deadline = "40ms" }, { kind = "boot" }]
    backoff = { first = "5ms", longest = "20ms" }
    [sprite]
    lifetime = { exponential = "20ms" }
    idle_after = "10ms"
    [latency]
    boot = "4ms"
    start = "200us"
    [tenants]
    count = 5
    [[demand]]
    from = 100
    to = 600
    for = "1s"
    [[fault]]
    at = "300ms"
    kind = "crash"
    for = "50ms"
    [[fault]]
    at = "500ms"
    kind = "failed-boots"
    ratio = 0.5
    for = "200ms"
"#;

fn journal_of(scenario: &Scenario, machines: Arc<dyn Machines>, path: &Path) -> u64 {
    let journals = JournalPaths {
        deliveries: Some(path.to_owned()),
        scenario: "what the Workers were made of".to_owned(),
        ..JournalPaths::default()
    };
    let options = Options { journals, ..Options::default() };
    let (run, _) = run_scenario(scenario, machines, Seen::default(), &options).unwrap();
    assert_eq!(run.stats.journal_overflowed, 0);
    run.stats.delivered
}

fn open(path: &Path) -> Reader<BufReader<std::fs::File>> {
    Reader::new(BufReader::new(std::fs::File::open(path).unwrap())).unwrap()
}

fn again(path: &Path, configs: &[WorkerConfig]) -> Result<Replayed, ReplayError> {
    let mut make = |id: ActorId| configs.get(id.index()).map(|config| Worker::new(config.clone()).into());
    replay(&mut open(path), &mut make)
}

fn file(folder: &tempfile::TempDir) -> PathBuf {
    folder.path().join("deliveries.journal")
}

#[test]
fn the_same_actors_do_the_same_with_a_crash_failed_boots_and_sleepers() {
    let (folder, scenario) = (tempfile::tempdir().unwrap(), scenario(FAULTY));
    let delivered = journal_of(&scenario, Arc::new(Scripted::new(&scenario).unwrap()), &file(&folder));
    assert_eq!(open(&file(&folder)).header().seed, scenario.seed);
    assert!(delivered > 2_000, "{delivered} deliveries");
    let replayed = again(&file(&folder), &scenario.worker_configs()).unwrap();
    assert_eq!(replayed, Replayed { deliveries: delivered, end: End::Whole });
}

#[test]
fn another_policy_differs_and_the_first_difference_is_named() {
    let (folder, one) = (tempfile::tempdir().unwrap(), scenario(FAULTY));
    journal_of(&one, Arc::new(Scripted::new(&one).unwrap()), &file(&folder));
    let other = scenario(&FAULTY.replace("hold = \"5ms\"", "hold = \"6ms\""));
    let Err(ReplayError::Differs(difference)) = again(&file(&folder), &other.worker_configs()) else {
        panic!("a longer hold is no difference")
    };
    assert!(matches!(difference.delivery.message, Message::Refiller(_)));
    let said = difference.to_string();
    assert!(said.contains("in the journal:") && said.contains("Refill"), "{said}");
}

#[test]
fn a_journal_cut_short_is_replayed_up_to_its_last_whole_record() {
    let (folder, scenario) = (tempfile::tempdir().unwrap(), scenario(FAULTY));
    let delivered = journal_of(&scenario, Arc::new(Scripted::new(&scenario).unwrap()), &file(&folder));
    let bytes = std::fs::read(file(&folder)).unwrap();
    // One of two neighbouring places may be just where a record ends.
    let ends = [0, 1].map(|more| {
        std::fs::write(file(&folder), &bytes[..bytes.len() / 2 + more]).unwrap();
        let replayed = again(&file(&folder), &scenario.worker_configs()).unwrap();
        assert!((delivered / 4..delivered).contains(&replayed.deliveries), "{replayed:?} of {delivered}");
        replayed.end
    });
    assert!(ends.contains(&End::Torn), "{ends:?}");
}

/// A Worker that panics after it has handled the sixth request.
struct Brittle(AnyActor);

impl Brittle {
    fn new(config: &WorkerConfig) -> Self {
        Self(Worker::new(config.clone()).into())
    }
}

impl Actor for Brittle {
    fn handle(&mut self, cx: &mut Context<&mut dyn Backend>, message: &Message) {
        self.0.handle(cx, message);
        assert!(
            !matches!(message, Message::Worker(ToWorker::Request(request)) if request.id == 5),
            "told to panic"
        );
    }
}

#[test]
fn a_worker_that_was_made_anew_after_a_panic_replays_too() {
    std::panic::set_hook(Box::new(|_| {}));
    let (folder, seen) = (tempfile::tempdir().unwrap(), Seen::default());
    let journals = JournalPaths { deliveries: Some(file(&folder)), ..JournalPaths::default() };
    let config = worker(8, 4, pool("depth = { kind = \"fixed\", ready = 4 }"));
    let (machines, theirs) = (Arc::new(Obedient::default()), config.clone());
    let runtime =
        Runtime::new(&Config { journals, ..Config::default() }, machines, Box::new(seen.clone())).unwrap();
    runtime.host(move || Brittle::new(&theirs));
    runtime.tell(WORKER, ToWorker::Begin(Begin::Full).into());
    assert!(runtime.wait_until_quiet(10 * SECOND));
    runtime.open();
    for _ in 0..20 {
        runtime.submit(WORKER, Key(0), Duration::ZERO);
        std::thread::sleep(SECOND / 100);
    }
    wait_for("all have ended", || runtime.unfinished() == 0);
    let stats = runtime.shutdown().unwrap();
    assert_eq!((stats.panics, stats.renewals), (1, 1));
    let mut make = |id: ActorId| (id == WORKER).then(|| Brittle::new(&config).into());
    let replayed = replay(&mut open(&file(&folder)), &mut make).unwrap();
    assert_eq!(replayed.end, End::Whole);
    assert!(replayed.deliveries > 100, "{replayed:?}");
}

#[test]
fn a_journal_that_names_an_unknown_worker_says_so() {
    let (folder, scenario) = (tempfile::tempdir().unwrap(), scenario(FAULTY));
    journal_of(&scenario, Arc::new(Scripted::new(&scenario).unwrap()), &file(&folder));
    let nobody: &mut dyn FnMut(ActorId) -> Option<AnyActor> = &mut |_| None;
    let error = replay(&mut open(&file(&folder)), nobody).unwrap_err();
    assert!(matches!(error, ReplayError::Unknown { index: 0, actor: WORKER }), "{error}");
    assert!(matches!(open(&file(&folder)).record(), Ok(Some(Record::Hosted(WORKER)))));
}
