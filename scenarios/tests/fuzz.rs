//! Random mutations of scenarios, overrides and traces: whatever the bytes, the answer is a scenario or an
//! error with its place, never a panic. `WARMPOOL_FUZZ_SEED` says with which seed (1 if not given, so that a
//! test does not fail by chance), and `WARMPOOL_FUZZ_SECONDS` how long (2 s if not given).

use std::path::Path;
use std::time::{Duration, Instant};

use actors::Rng;
use actors::random::Purpose;
use flate2::Compression;
use flate2::write::GzEncoder;
use scenarios::scenario::Demand;
use scenarios::{DemandError, Place, Scenario};

const SCENARIOS: [&str; 4] = [
    include_str!("example.toml"),
    include_str!("../spike.toml"),
    "[pool]\nkey = \"tenant\"\nmax_age = \"5m\"\ndepth = { kind = \"largest-of\", of = [ { kind = \"fixed\", ready = 1 }, \
     { kind = \"watermark\", low = 1, high = 3 } ] }\nrefill = { kind = \"never\" }\n[sprite]\nlifetime = { exponential \
     = \"2s\" }\nafter_use = \"return\"\n[tenants]\ncount = 9\nskew = 1.1\n[[demand]]\nto = 3\nfor = \"1s\"\narrivals = { \
     bursts_of = 4 }\n",
    "[fleet]\nworkers = 3\nboots = \"unlimited\"\n[clock]\nbegins = 2026-03-01T00:00:00Z\n[[worker]]\nindex = 2\npool = \
     { backoff = { first = \"1s\" } }\n[[fault]]\nat = \"1s\"\nkind = \"crash\"\n[demand]\ntrace = \"x\"\nformat = \
     \"csv\"\ncolumns = { at = \"t\" }\nunit = \"ms\"\n",
];

const TRACES: [(&str, &str); 9] = [
    (
        "",
        "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46.6805900,374,44\n2023-11-16 18:15:50.9951690,3,9\n",
    ),
    (
        "lifetimes = \"trace\"",
        "app,func,end_timestamp,duration\na,f,10,9.5\nb,g,10.25,0.25\na,f,10.5,10.25\n",
    ),
    (
        "arrivals = \"even\"",
        "HashOwner,HashApp,HashFunction,Trigger,1,2,3\no,a,f,queue,0,2,0\no,b,g,http,0,2,3\n",
    ),
    (
        "columns = { at = \"t\", key = \"k\" }\nunit = \"us\"\nscale = 2.5",
        "k,t,x\n\"a,b\",1.5,2\nz,1e3,\nq,4000,0\n",
    ),
    (
        "columns = { at = \"t\" }\norder = \"sort\"\nspeed = 3.0",
        "{\"t\":1.25,\"k\":\"a\"}\n{\"t\":0.5,\"k\":[1,{}]}\n",
    ),
    (
        "columns = { at = \"t\", count = \"n\" }\ninterval = \"10s\"\narrivals = { bursts_of = 3 }\ncomment = \"#\"",
        "t;n;x\n# a comment\n0;12;a\n10;0;b\n20;7.0;c\n",
    ),
    (
        "columns = { at = \"a.t\", key = \"k\", end = \"a.e\" }\nunit = { at = \"rfc3339\", end = \"s\" }\nempty = \"skip\"",
        "{\"a\":{\"t\":\"1970-01-01 00:00:05 UTC\",\"e\":9.5},\"k\":\"x\"}\n{\"k\":\"y\"}\n",
    ),
    (
        "format = \"journal\"",
        "{\"journal\":\"warmpool\",\"version\":1}\n{\"at\":1,\"key\":2,\"lifetime\":3}\n",
    ),
    ("unit = \"rfc3339\"", "at,key\n2026-01-05T00:00:00Z,a\n2026-01-05T00:00:01.5+01:00,b\n"),
];

/// Pieces that break things.
const PIECES: [&str; 24] = [
    "",
    "\n",
    "\"",
    "[",
    "]",
    "{",
    "}",
    "=",
    ",",
    ".",
    "-1",
    "0",
    "nan",
    "inf",
    "1e308",
    "99999999999999999999",
    "\"1s\"",
    "[[x]]",
    "kind = \"fixed\"",
    "\u{1f600}",
    "\\",
    "#",
    "a.b.c.d",
    "9223372036854775807",
];

fn below(rng: &mut Rng, bound: usize) -> usize {
    rng.below(bound as u64) as usize
}

/// A few random changes.
fn mutate(bytes: &[u8], rng: &mut Rng) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..1 + below(rng, 4) {
        let at = below(rng, bytes.len() + 1);
        let end = (at + below(rng, 12)).min(bytes.len());
        match below(rng, 6) {
            0 => drop(bytes.drain(at..end)),
            1 => {
                let piece = PIECES[below(rng, PIECES.len())];
                bytes.splice(at..end, piece.bytes());
            }
            2 => {
                let piece = PIECES[below(rng, PIECES.len())];
                bytes.splice(at..at, piece.bytes());
            }
            3 if at < bytes.len() => bytes[at] = rng.bits() as u8,
            4 => {
                let copy = bytes[at..end].to_vec();
                let to = below(rng, bytes.len() + 1);
                bytes.splice(to..to, copy);
            }
            _ => bytes.truncate(at.max(bytes.len() / 2)),
        }
    }
    bytes
}

/// Lines swapped or doubled: valid keys in wrong places.
fn shuffle(text: &str, rng: &mut Rng) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    for _ in 0..1 + below(rng, 3) {
        let (one, other) = (below(rng, lines.len()), below(rng, lines.len()));
        if rng.chance(0.5) { lines.swap(one, other) } else { lines.insert(one, lines[other]) }
    }
    lines.join("\n")
}

fn try_scenario(rng: &mut Rng, counts: &mut [u64; 2]) {
    let text = SCENARIOS[below(rng, SCENARIOS.len())];
    let text = if rng.chance(0.3) { shuffle(text, rng) } else { text.to_owned() };
    let text = String::from_utf8_lossy(&mutate(text.as_bytes(), rng)).into_owned();
    let overrides: Vec<String> = (0..below(rng, 3))
        .map(|_| {
            let change =
                ["seed=7", "pool.depth.ready=8", "demand.0.to=200", "latency.boot={ constant = \"2s\" }"];
            String::from_utf8_lossy(&mutate(change[below(rng, 4)].as_bytes(), rng)).into_owned()
        })
        .collect();
    match Scenario::parse(&text, "fuzz.toml", &overrides) {
        Err(error) => {
            counts[1] += 1;
            let of_whole = ["demand", ""].contains(&&*error.key) || error.message.contains("at the top");
            let defaulted = text.lines().count() > 0 && matches!(error.place, Place::Nowhere);
            assert!(!defaulted || of_whole || !text.contains(&*error.key), "no place for {error}\n{text}");
            assert!(!error.message.is_empty(), "{error}");
        }
        Ok(scenario) => {
            counts[0] += 1;
            let explained = scenario.explain().expect("what was read can be written");
            let again = Scenario::parse(&explained, "explained.toml", &[]);
            assert_eq!(again.unwrap_or_else(|error| panic!("{error}\n{explained}")), scenario, "{explained}");
            if scenario.fleet.workers < 1_000 {
                assert_eq!(scenario.workers().len(), scenario.fleet.workers as usize);
            }
            let _ = (scenario.faults(), scenario.spike(), scenario.expected_requests());
            if let Demand::Stages(_) = &scenario.demand
                && scenario.tenants.count < 100_000
            {
                let mut arrivals = scenario.arrivals().expect("stages");
                let next = std::iter::from_fn(|| arrivals.next().expect("stages")).take(50);
                assert!(next.map(|arrival| arrival.request.arrived).is_sorted());
            }
        }
    }
}

fn try_trace(dir: &Path, rng: &mut Rng, counts: &mut [u64; 2]) {
    let (keys, text) = TRACES[below(rng, TRACES.len())];
    let mut bytes = mutate(text.as_bytes(), rng);
    if rng.chance(0.2) {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        std::io::Write::write_all(&mut encoder, &bytes).expect("in memory");
        bytes = encoder.finish().expect("in memory");
        if rng.chance(0.5) {
            bytes = mutate(&bytes, rng);
        }
    }
    std::fs::write(dir.join("trace"), bytes).expect("written");
    let text = format!("[demand]\ntrace = {:?}\n{keys}", dir.join("trace").display().to_string());
    let scenario = Scenario::parse(&text, "fuzz.toml", &[]).expect("a valid scenario");
    match replay(&scenario) {
        Ok(()) => counts[0] += 1,
        Err(error) => {
            counts[1] += 1;
            assert!(
                error.line().is_some()
                    || matches!(error, DemandError::Empty { .. } | DemandError::Foreign { .. }),
                "{error}"
            );
            assert!(!error.is_host_fault(), "{error}");
        }
    }
}

fn replay(scenario: &Scenario) -> Result<(), DemandError> {
    let mut arrivals = scenario.arrivals()?;
    let mut before = actors::Time::ZERO;
    for _ in 0..10_000 {
        let Some(arrival) = arrivals.next()? else {
            return Ok(());
        };
        assert!(arrival.request.arrived >= before);
        before = arrival.request.arrived;
    }
    Ok(())
}

#[test]
fn nothing_that_is_read_can_break_the_reader() {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let seconds = number("WARMPOOL_FUZZ_SECONDS").unwrap_or(2);
    let seed = number("WARMPOOL_FUZZ_SEED").unwrap_or(1);
    println!("WARMPOOL_FUZZ_SEED={seed} WARMPOOL_FUZZ_SECONDS={seconds}");
    let dir = tempfile::tempdir().expect("a folder");
    let mut rng = Rng::stream(seed, Purpose::Actor, 0);
    let (mut scenarios, mut traces) = ([0; 2], [0; 2]);
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(seconds) {
        for _ in 0..20 {
            try_scenario(&mut rng, &mut scenarios);
            try_trace(dir.path(), &mut rng, &mut traces);
        }
    }
    println!("read and refused: scenarios {scenarios:?}, traces {traces:?}");
    assert!(scenarios.iter().chain(&traces).all(|count| *count > 0), "both kinds of answer come up");
}
