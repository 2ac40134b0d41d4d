//! Random scenarios, with every policy and every fault, under an observer that knows every rule.
//!
//! `WARMPOOL_PROPERTY_RUNS` says how many (300 if not given) and `WARMPOOL_PROPERTY_SEED` with which seed to
//! begin. A failure prints the seed and the scenario, and the seed alone brings it back.

mod common;

use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use actors::Rng;
use actors::random::Purpose;
use common::{Rules, run, scenario};

fn number(variable: &str, otherwise: u64) -> u64 {
    match std::env::var(variable) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{variable} is {text:?}, not a number")),
        Err(_) => otherwise,
    }
}

#[test]
fn every_rule_holds_in_random_scenarios() {
    let runs = number("WARMPOOL_PROPERTY_RUNS", 300);
    let first = number("WARMPOOL_PROPERTY_SEED", 1);
    for seed in first..first + runs {
        let text = Generator(Rng::stream(seed, Purpose::Actor, 0)).scenario(seed);
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| holds(&text))) {
            eprintln!("{text}");
            eprintln!(
                "to run it again: WARMPOOL_PROPERTY_SEED={seed} WARMPOOL_PROPERTY_RUNS=1 cargo test -p sim-backend --test properties"
            );
            resume_unwind(panic);
        }
    }
    println!("{runs} random scenarios, seeds {first} to {}", first + runs - 1);
}

/// Every rule holds, and a second run is the same.
fn holds(text: &str) {
    let scenario = scenario(text);
    let mut rules = Rules::new(&scenario);
    let one = run(&scenario, &mut rules);
    rules.finish(&one);
    let other = run(&scenario, Rules::new(&scenario));
    assert_eq!(one.digest, other.digest, "two runs differ");
    // Nothing spins: events are bounded by requests and, through timers, failing boots, Sprites that grow old
    // and refused sleeps, by time.
    let ages = scenario.workers().into_iter().map(|plan| match plan.pool.max_age {
        Some(max_age) => u64::from(plan.slots) * (one.ended.as_nanos() / max_age.as_nanos()),
        None => 0,
    });
    let slots: u64 = scenario.workers().into_iter().map(|plan| u64::from(plan.slots)).sum();
    let sleeps = match scenario.sprite.idle_after {
        Some(after) if scenario.latency.sleep_refusals > 0.0 => {
            slots * (one.ended.as_nanos() / after.as_nanos().max(1))
        }
        _ => 0,
    };
    let bound =
        400 * (one.requests + 1_000) + one.ended.as_nanos() / 20_000 + 20 * ages.sum::<u64>() + 8 * sleeps;
    assert!(one.events < bound, "{} events for {} requests in {}", one.events, one.requests, one.ended);
}

/// Writes scenarios that are valid and unkind.
struct Generator(Rng);

impl Generator {
    fn below(&mut self, bound: u64) -> u64 {
        self.0.below(bound)
    }

    fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.below(most - least + 1)
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    fn pick<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len() as u64) as usize]
    }

    fn duration(&mut self) -> String {
        let unit = self.pick(&["us", "ms", "ms", "s"]);
        let most = if unit == "s" { 5 } else { 900 };
        format!("\"{}{unit}\"", self.between(1, most))
    }

    fn distribution(&mut self) -> String {
        match self.below(4) {
            0 => "\"0s\"".to_owned(),
            1 => self.duration(),
            2 => format!("{{ exponential = {} }}", self.duration()),
            _ => {
                let p50 = self.between(1, 500);
                format!("{{ p50 = \"{p50}ms\", p99 = \"{}ms\" }}", p50 * self.between(1, 10))
            }
        }
    }

    fn depth(&mut self, slots: u64, nested: bool) -> String {
        let kinds = if nested { 8 } else { 11 };
        let ready = self.between(0, slots);
        match self.below(kinds) {
            0 | 1 => format!("{{ kind = \"fixed\", ready = {ready} }}"),
            2 => {
                let high = self.between(1, slots);
                let low = self.below(high);
                format!("{{ kind = \"watermark\", low = {low}, high = {high} }}")
            }
            3 => {
                let percent = self.between(1, 200);
                let steps = if self.one_in(2) { ", step_up = 2, step_down = 1" } else { "" };
                format!(
                    "{{ kind = \"buffer\", max = {slots}, least = {}, percent = {percent}, cooldown = \"3s\"{steps} }}",
                    ready / 2
                )
            }
            4 => "{ kind = \"base-stock\", misses = 0.05, window = \"10s\" }".to_owned(),
            5 => "{ kind = \"window-quantile\", misses = 0.05, window = \"10s\" }".to_owned(),
            6 => format!(
                "{{ kind = \"on-misses\", min = 0, max = {slots}, ttl = \"2s\", threshold = 2, increment = 3, period = \"1s\" }}"
            ),
            7 => format!(
                "{{ kind = \"panic\", stable = \"6s\", panic = \"600ms\", threshold = 2.0, max = {slots} }}"
            ),
            8 => {
                format!("{{ kind = \"at-least\", ready = {}, of = {} }}", ready / 3, self.depth(slots, true))
            }
            9 => format!(
                "{{ kind = \"largest-of\", of = [{}, {}] }}",
                self.depth(slots, true),
                self.depth(slots, true)
            ),
            _ => format!(
                "{{ kind = \"schedule\", otherwise = {}, windows = [{{ from = \"00:00\", to = \"00:01\", depth = {} }}] }}",
                self.depth(slots, true),
                self.depth(slots, true)
            ),
        }
    }

    /// A batch is at most `most`: a depth that is always smaller would be refused.
    fn refill(&mut self, most: u64) -> String {
        match self.below(6) {
            0 | 1 => "{ kind = \"immediate\" }".to_owned(),
            2 => format!(
                "{{ kind = \"rate\", per_second = {}, burst = {} }}",
                self.between(1, 50),
                self.between(1, 5)
            ),
            3 => {
                let low = if self.one_in(2) { ", low = 2" } else { "" };
                format!(
                    "{{ kind = \"delay\", hold = \"{}ms\", longest = \"2s\"{low} }}",
                    self.between(1, 1_500)
                )
            }
            4 => format!("{{ kind = \"batch\", size = {} }}", self.between(1, most.clamp(1, 4))),
            _ => "{ kind = \"never\" }".to_owned(),
        }
    }

    fn steps(&mut self) -> String {
        let count = self.below(5);
        let mut steps: Vec<String> = (0..count).map(|_| self.step()).collect();
        if self.one_in(3) {
            steps.push("{ kind = \"reject\" }".to_owned());
        }
        format!("[{}]", steps.join(", "))
    }

    fn step(&mut self) -> String {
        match self.below(7) {
            0 | 1 => format!(
                "{{ kind = \"wait\", deadline = {}, queue = {} }}",
                self.duration(),
                self.between(1, 50)
            ),
            2 => format!("{{ kind = \"wait\", queue = {} }}", self.between(1, 50)),
            3 => format!("{{ kind = \"boot\", at_once = {} }}", self.between(1, 8)),
            4 => format!("{{ kind = \"create\", at_once = {} }}", self.between(1, 8)),
            5 => format!(
                "{{ kind = \"spill\", hops = {}, cost = \"{}us\" }}",
                self.between(1, 5),
                self.below(3_000)
            ),
            _ => "{ kind = \"wake\" }".to_owned(),
        }
    }

    fn faults(&mut self, text: &mut String, workers: u64, demand_ms: u64) {
        for _ in 0..self.below(4) {
            let kind = self.pick(&["slow-boots", "failed-boots", "stall", "crash"]);
            let extra = match kind {
                "slow-boots" => format!("factor = {}\n", self.between(1, 20)),
                "failed-boots" => "ratio = 0.7\n".to_owned(),
                _ => String::new(),
            };
            let worker =
                if self.one_in(3) { String::new() } else { format!("worker = {}\n", self.below(workers)) };
            let (at, lasts) = (self.below(demand_ms), self.between(1, 4_000));
            let _ = write!(
                text,
                "[[fault]]\nat = \"{at}ms\"\nkind = \"{kind}\"\nfor = \"{lasts}ms\"\n{extra}{worker}"
            );
        }
    }

    /// Gives the length of the demand in milliseconds.
    fn demand(&mut self, text: &mut String) -> u64 {
        let mut length = 0;
        for index in 0..self.between(1, 3) {
            let from = if index == 0 { format!("from = {}\n", self.below(60)) } else { String::new() };
            let arrivals = match self.below(4) {
                0 => "arrivals = \"even\"\n".to_owned(),
                1 => format!("arrivals = {{ bursts_of = {} }}\n", self.between(2, 60)),
                _ => "arrivals = \"poisson\"\n".to_owned(),
            };
            let (to, lasts) = (self.between(1, 150), self.between(500, 4_000));
            let _ = write!(text, "[[demand]]\n{from}to = {to}\nfor = \"{lasts}ms\"\n{arrivals}");
            length += lasts;
        }
        length
    }

    fn scenario(mut self, seed: u64) -> String {
        let workers = self.between(1, 5);
        let slots = self.between(1, 40);
        let boots = self.between(1, 6);
        let tenant = self.one_in(3);
        let placement = self.pick(&["round-robin", "random", "least-loaded", "two-choices", "by-key"]);
        let mut text =
            format!("seed = {seed}\n[fleet]\nworkers = {workers}\nslots = {slots}\nboots = {boots}\n");
        let _ = write!(text, "placement = \"{placement}\"\n[pool]\n");
        if tenant {
            text.push_str("key = \"tenant\"\n");
        }
        if self.one_in(4) {
            text.push_str("start = \"empty\"\n");
        }
        if self.one_in(4) {
            text.push_str("take = \"newest\"\n");
        }
        if self.one_in(4) {
            let _ = writeln!(text, "max_age = {}", self.duration());
        }
        let (depth, steps) = (self.depth(slots, false), self.steps());
        let constant = ["ready = ", "high = "].iter().find_map(|key| depth.split(key).nth(1));
        let most = constant.and_then(|rest| rest.split([',', ' ']).next()?.parse().ok()).unwrap_or(slots);
        let refill = self.refill(most);
        let _ = write!(text, "depth = {depth}\nrefill = {refill}\nexhausted = {steps}\n");
        text.push_str("backoff = { first = \"5ms\", longest = \"200ms\" }\n[latency]\n");
        for work in ["start", "boot", "create", "wake", "sleep", "stop"] {
            let _ = writeln!(text, "{work} = {}", self.distribution());
        }
        if self.one_in(2) {
            let _ = writeln!(text, "start_after_idle = [{{ idle = \"2ms\", start = \"300us\" }}]");
        }
        let _ = writeln!(text, "start_spacing = \"{}\"", self.pick(&["0s", "0s", "40us", "3ms"]));
        let _ = writeln!(text, "boots_beside_starts = {}", self.pick(&["1.0", "0.5", "0.0"]));
        let _ = writeln!(text, "boot_failures = {}", self.pick(&["0.0", "0.0", "0.05", "0.5", "1.0"]));
        let _ = writeln!(text, "start_failures = {}", self.pick(&["0.0", "0.0", "0.0", "0.1", "1.0"]));
        let _ = writeln!(text, "sleep_refusals = {}", self.pick(&["0.0", "0.0", "0.3", "1.0"]));
        let _ = writeln!(text, "wake_refusals = {}", self.pick(&["0.0", "0.0", "0.3", "1.0"]));
        self.sprites(&mut text, tenant);
        let (grid, lag) = (self.pick(&["0s", "1ms", "7us"]), self.distribution());
        let _ = write!(text, "[timer]\ngrid = \"{grid}\"\nlag = {lag}\n");
        let _ = write!(text, "[tenants]\ncount = {}\n", self.between(1, 6));
        let demand_ms = self.demand(&mut text);
        self.faults(&mut text, workers, demand_ms);
        text
    }

    fn sprites(&mut self, text: &mut String, tenant: bool) {
        if self.one_in(3) {
            return;
        }
        let _ = writeln!(text, "[sprite]\nlifetime = {}", self.distribution());
        if tenant && self.one_in(2) {
            text.push_str("after_use = \"return\"\n");
        } else if self.one_in(2) {
            let _ = writeln!(text, "idle_after = {}\nasleep = {}", self.duration(), self.below(20));
            if self.one_in(2) {
                text.push_str("prefers = \"own\"\n");
            }
        }
    }
}
