//! What a fleet can hold, in words: a warning before a run that must fail, and the arithmetic for
//! `--explain`.

use std::fmt::Write;

use actors::Duration;
use scenarios::Scenario;
use scenarios::capacity::{Shortage, StageLoad};

/// How many shortages are told before a run; `--explain` has all.
const TOLD_MAX: usize = 3;

/// What every stage asks of the fleet. A distribution that cannot be read is told when the run meets it.
fn loads(scenario: &Scenario) -> Vec<StageLoad> {
    scenario.capacity().unwrap_or_default()
}

/// What the fleet is short of, on average: each with what to do.
pub(crate) fn warnings(scenario: &Scenario) -> Vec<String> {
    let loads = loads(scenario);
    let mut told: Vec<(Shortage, String)> = Vec::new();
    for load in &loads {
        for shortage in load.shortages() {
            let same = |(other, _): &&(Shortage, String)| {
                std::mem::discriminant(other) == std::mem::discriminant(&shortage)
            };
            // One stage speaks for all that are short of the same.
            if !told.iter().any(|other| same(&other)) {
                told.push((shortage, says(scenario, load, shortage)));
            }
        }
    }
    told.into_iter().take(TOLD_MAX).map(|(_, text)| text).collect()
}

fn says(scenario: &Scenario, load: &StageLoad, shortage: Shortage) -> String {
    let place = place(scenario, load);
    let StageLoad { rate, in_use, depth, slots, booting, .. } = *load;
    let stage = load.stage;
    match shortage {
        Shortage::Slots => format!(
            "{place}: {} in use on average, and there are {slots} slots: the fleet is full\n  raise `slots` to {} or more, add \
             workers, or lower the demand; `--explain` has the arithmetic",
            figure(in_use),
            (in_use + depth).ceil()
        ),
        Shortage::Depth => format!(
            "{place}: {} in use on average and {} to be ready, and there are {slots} slots: the pool is never full\n  raise `slots` \
             to {} or more, or lower the depth to {}; `--explain` has the arithmetic",
            figure(in_use),
            figure(depth),
            (in_use + depth).ceil(),
            (f64::from(slots) - in_use).floor().max(0.0)
        ),
        Shortage::Boots { empty_after } => {
            let there = load.boots.unwrap_or(u32::MAX);
            let then = match empty_after {
                Duration::ZERO => "requests wait for boots ever longer".to_owned(),
                after => format!("the pool is empty {} into stage {stage}", rounded(after)),
            };
            format!(
                "{place}: {} boots at once needed on average ({} a second, {} each), and there are {there}: {then}\n  raise `boots` \
                 to {} or more, add workers, or make boots shorter; `--explain` has the arithmetic",
                figure(booting),
                figure(rate),
                rounded(load.boot),
                booting.floor() + 1.0
            )
        }
    }
}

fn place(scenario: &Scenario, load: &StageLoad) -> String {
    let workers = match load.workers.end - load.workers.start {
        1 => format!("worker {}", load.workers.start),
        _ => format!("each of the workers {} to {}", load.workers.start, load.workers.end - 1),
    };
    let region = match scenario.regions().get(load.region) {
        Some(region) if !scenario.region.is_empty() => format!(" in {}", region.name),
        _ => String::new(),
    };
    format!("stage {} ({} from {}), {workers}{region}", load.stage, load.length, load.begins)
}

/// Three digits, without zeros that say nothing.
fn figure(value: f64) -> String {
    let decimals = if value >= 100.0 || value.fract() == 0.0 { 0 } else { usize::from(value < 10.0) + 1 };
    format!("{value:.decimals$}")
}

/// A duration to three digits.
fn rounded(duration: Duration) -> Duration {
    let nanos = duration.as_nanos();
    let step = 10u64.pow(nanos.checked_ilog10().unwrap_or(0).saturating_sub(2));
    Duration::from_nanos(nanos.saturating_add(step / 2) / step * step)
}

/// The arithmetic, as comments below the explained scenario.
pub(crate) fn explain(scenario: &Scenario) -> String {
    let loads = loads(scenario);
    let mut out =
        String::from("\n# Capacity: what each stage asks of one worker on average, by Little's law.\n");
    let mut line = |text: std::fmt::Arguments<'_>| {
        // Writing to a string cannot fail.
        let _ = out.write_fmt(format_args!("# {text}\n"));
    };
    if loads.is_empty() {
        line(format_args!("The rates of a trace are known when it is read; see the report of a run."));
    }
    for load in &loads {
        let StageLoad { rate, in_use, depth, slots, booting, .. } = *load;
        line(format_args!("{}:", place(scenario, load)));
        let steady = rate * load.held.as_secs_f64();
        let in_use_reached = reached(in_use, steady);
        line(format_args!(
            "  slots  {}/s x {} held = {} in use{in_use_reached}; + {} ready = {} of {slots}{}",
            figure(rate),
            rounded(load.held),
            figure(steady),
            figure(depth),
            figure(in_use + depth),
            mark(load, |shortage| !matches!(shortage, Shortage::Boots { .. }))
        ));
        let boots = load.boots.map_or("any number".to_owned(), |boots| boots.to_string());
        if booting > 0.0 || rate == 0.0 {
            let steady = rate * load.boot.as_secs_f64();
            let boots_reached = reached(booting, steady);
            line(format_args!(
                "  boots  {}/s x {} = {} at once{boots_reached}, of {boots}{}",
                figure(rate),
                rounded(load.boot),
                figure(steady),
                mark(load, |shortage| matches!(shortage, Shortage::Boots { .. }))
            ));
        } else {
            line(format_args!("  boots  not every request needs one: Sprites come back, or wake"));
        }
    }
    out
}

/// How far the most of a stage is from its steady number: a short one does not reach it, and one may begin
/// with more.
fn reached(most: f64, steady: f64) -> String {
    if most < 0.99 * steady {
        format!(", {} reached", figure(most))
    } else if most > 1.01 * steady {
        format!(", {} at its beginning", figure(most))
    } else {
        String::new()
    }
}

fn mark(load: &StageLoad, is_of: impl Fn(&Shortage) -> bool) -> &'static str {
    match load.shortages().into_iter().find(is_of) {
        Some(Shortage::Slots) => "   FULL",
        Some(Shortage::Depth) => "   TOO FEW for the depth",
        Some(Shortage::Boots { .. }) => "   TOO FEW",
        None => "",
    }
}
