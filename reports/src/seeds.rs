//! Gates over several seeds: in how many each one holds, and whether that is enough.

use serde::{Deserialize, Serialize};

use crate::format;
use crate::stats::wilson;
use crate::summary::Summary;
use crate::verdict::Verdict;

/// In what part of the seeds all gates must hold, where nothing else is said.
pub const NEEDED: f64 = 0.95;

/// A scenario's gates over its seeds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct OverSeeds {
    /// `held` where all gates hold for at least `needed` of the seeds.
    pub verdict: Verdict,
    /// What part of the seeds is needed.
    pub needed: f64,
    /// For how many seeds all gates hold.
    pub holds: u64,
    /// How many seeds there are.
    pub of: u64,
    /// The 95 % confidence interval of the part that holds.
    pub interval: (f64, f64),
    /// Each gate.
    pub gates: Vec<GateOverSeeds>,
}

/// One gate over several seeds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct GateOverSeeds {
    /// The gate as it was written.
    pub gate: String,
    /// For how many seeds it holds.
    pub holds: u64,
    /// The 95 % confidence interval of the part of seeds for which it holds.
    pub interval: (f64, f64),
    /// The seeds for which it does not hold.
    pub broken_by: Vec<u64>,
}

impl OverSeeds {
    /// The gates of these runs, of which at least the part `needed` must hold.
    pub fn new(runs: &[Summary], needed: f64) -> Self {
        let of = runs.len() as u64;
        let holds = runs.iter().filter(|run| run.verdict != Verdict::Failed).count() as u64;
        let judged = runs.iter().any(|run| run.verdict != Verdict::NoGates);
        let verdict = match judged {
            false => Verdict::NoGates,
            // 19 of 20 are 95 %, whatever a product of fractions comes to.
            true if holds as f64 >= needed * of as f64 - 1e-9 => Verdict::Held,
            true => Verdict::Failed,
        };
        let gates = runs.first().map_or(&[][..], |run| &run.gates).iter().enumerate();
        let gates = gates.map(|(index, gate)| GateOverSeeds::new(index, &gate.gate, runs)).collect();
        Self { verdict, needed, holds, of, interval: wilson(holds, of), gates }
    }
}

impl OverSeeds {
    /// In words: `all gates hold in 9 of 10 seeds (60 % to 98 %)`.
    pub fn says(&self) -> String {
        if self.verdict == Verdict::NoGates {
            return format!("there are no gates to judge by; {}", format::counted(self.of, "seed", "seeds"));
        }
        let gates = if self.gates.len() == 1 { "its gate holds" } else { "all gates hold" };
        format!("{gates} {}", in_seeds(self.holds, self.of, self.interval))
    }

    /// In how many seeds they must hold, in words.
    pub fn needed_says(&self) -> String {
        format!("at least {} are needed", format::share(self.needed))
    }
}

/// `in 9 of 10 seeds (60 % to 98 %)`.
fn in_seeds(holds: u64, of: u64, (low, high): (f64, f64)) -> String {
    let percent = |share: f64| format!("{} %", (share * 100.0).round());
    format!("in {holds} of {} ({} to {})", format::counted(of, "seed", "seeds"), percent(low), percent(high))
}

impl GateOverSeeds {
    /// In words: `holds in 9 of 10 seeds (60 % to 98 %)`.
    pub fn says(&self) -> String {
        let of = self.holds + self.broken_by.len() as u64;
        format!("holds {}", in_seeds(self.holds, of, self.interval))
    }

    fn new(index: usize, gate: &str, runs: &[Summary]) -> Self {
        let broken = runs.iter().filter(|run| run.gates.get(index).is_none_or(|gate| !gate.holds));
        let broken_by: Vec<u64> = broken.map(|run| run.seed).collect();
        let of = runs.len() as u64;
        let holds = of - broken_by.len() as u64;
        Self { gate: gate.to_owned(), holds, interval: wilson(holds, of), broken_by }
    }
}
