//! Sentences about a run, in one place for the terminal and the page. They are plain text without any markup.

use actors::Cause;

use crate::bound::Bound;
use crate::causes::CauseFigures;
use crate::empty_periods::EmptyPeriod;
use crate::figure::Figure;
use crate::format;
use crate::no_value::NoValue;
use crate::summary::Summary;

/// At most so many empty periods are told one by one.
const PERIODS: usize = 3;

/// What [`Summary::backend`] is where other seeds can be tried.
const SIMULATED: &str = "simulated";

/// What was run: `simulated run, 3m counted after 30s of warm-up, 4 workers, seed 42`.
pub(crate) fn about(summary: &Summary) -> String {
    let mut says = format!("{} run, {} counted", summary.backend, format::seconds(summary.duration_s));
    if summary.warmup_s > 0.0 {
        says += &format!(" after {} of warm-up", format::seconds(summary.warmup_s));
    }
    let workers = format::counted(summary.workers.len() as u64, "worker", "workers");
    says += &format!(", {workers}, seed {}", summary.seed);
    if let Some(begins) = &summary.begins {
        says += &format!(", from {begins}");
    }
    // One seed proves little, but of a real run there is no other.
    if summary.backend == SIMULATED && !summary.gates.is_empty() {
        says += "; one seed: `--seeds 20` tells how often the gates hold";
    }
    says
}

/// How many requests came, and how fast.
pub(crate) fn demand(summary: &Summary) -> String {
    let mut says = format::counted(summary.requests, "request", "requests");
    if summary.requests < 2 {
        return says;
    }
    if let Some(rate) = summary.rate() {
        says += &format!(", {} a second on average", format::number(rate));
    }
    if let Some(peak) = summary.demand_peak {
        says += &format!(", {}", peak.says());
    }
    says
}

/// How many requests were not served, and how they ended; nothing where all were served.
pub(crate) fn unserved(summary: &Summary) -> Option<String> {
    let unserved = summary.outcomes.unserved();
    type Of = fn(&CauseFigures) -> u64;
    let parts: [(u64, &str, Of); 2] = [
        (summary.outcomes.rejected, "rejected", |cause| cause.rejected),
        (summary.outcomes.failed, "failed", |cause| cause.failed),
    ];
    let parts = parts.into_iter().filter(|(count, ..)| *count > 0);
    let parts: Vec<String> = parts
        .map(|(count, name, of)| format!("{} {name}{}", format::count(count), by_cause(summary, of)))
        .collect();
    let share = Figure::Unserved.share(summary).map_or_else(|why| why.to_string(), format::share);
    (unserved > 0).then(|| format!("{} not served ({share}): {}", format::count(unserved), parts.join(", ")))
}

/// A cause in words.
pub(crate) fn cause(cause: Cause) -> String {
    match cause {
        Cause::RefillHolds => "refill policy holds".to_owned(),
        other => other.name().replace('-', " "),
    }
}

/// What bound the run, when, and what would have been needed; nothing where nothing missed.
pub(crate) fn bound(summary: &Summary) -> Option<String> {
    let bound = summary.bound.as_ref()?;
    let when = match (format::seconds(bound.from_s), format::seconds(bound.to_s)) {
        (from, to) if from == to => format!("at {from}"),
        (from, to) => format!("{from} to {to}"),
    };
    let on = workers(bound.workers, summary.workers.len() as u64);
    let share = format::share(bound.share);
    let mut says = format!("{} ({share} of misses), {when} on {on}", cause(bound.cause));
    if let Some(needs) = needs(summary, bound) {
        says += &format!(": {needs}");
    }
    let others: Vec<String> = summary
        .causes
        .iter()
        .filter(|other| other.cause != bound.cause && other.misses * 100 >= summary.misses)
        .map(|other| {
            format!("{} {}", cause(other.cause), format::share(other.misses as f64 / summary.misses as f64))
        })
        .collect();
    if !others.is_empty() {
        says += &format!(". Besides: {}", others.join(", "));
    }
    Some(says)
}

/// What was there while a cause bound the run, and what would have been needed.
fn needs(summary: &Summary, bound: &Bound) -> Option<String> {
    let number = format::number;
    let busy = |some: f64, all: u32, busy: &str| {
        format!("{} of {all} {busy} ({})", number(some), format::share((some / f64::from(all)).min(1.0)))
    };
    let rate = format!("{} a second", number(bound.rate));
    let each = |each_s: Option<f64>, needed: Option<f64>| {
        Some(format!("{rate} at {} each need {}", format::seconds(each_s?), number(needed?)))
    };
    match bound.cause {
        Cause::BootSlots => {
            let (boots, needed) = (bound.boots?, bound.boots_needed()?);
            // What suffices on average does not where arrivals come in clusters.
            let clusters = match needed <= f64::from(boots) {
                true => " on average; a deeper pool bridges what comes at once",
                false => "",
            };
            let needs = each(bound.boot_s, Some(needed))?;
            Some(format!("{}; {needs}{clusters}", busy(bound.booting, boots, "busy")))
        }
        Cause::SlotsFull => {
            let needs = each(bound.life_s, bound.slots_needed())?;
            Some(format!("{}; {needs}, with boots and the target", busy(bound.held, bound.slots?, "held")))
        }
        Cause::RefillHolds => {
            Some(format!("{} boots under way at all times", each(bound.boot_s, bound.boots_needed())?))
        }
        Cause::Depth => {
            let short =
                summary.causes.iter().find(|it| it.cause == bound.cause)?.short_most.filter(|n| *n > 0)?;
            let short_says = format::count(short);
            let target = bound.target;
            let more = match target >= 0.5 {
                true => {
                    format!("up to {short_says} more came at once than the {} of a worker", number(target))
                }
                false => format!("up to {short_says} came at once, and nothing is kept for them"),
            };
            Some(format!("{more}; a depth of {} has them ready", number((target + short as f64).ceil())))
        }
        Cause::BootsFail => {
            let boots = &summary.boots;
            Some(format!("{} of {} boots failed", format::count(boots.failed), format::count(boots.begun)))
        }
        Cause::WorkerDown
        | Cause::NothingToSpillTo
        | Cause::QueueFull
        | Cause::Deadline
        | Cause::HostRefuses => None,
    }
}

/// Requests that were not served, by cause.
fn by_cause(summary: &Summary, count: fn(&CauseFigures) -> u64) -> String {
    let causes = summary.causes.iter().filter(|cause| count(cause) > 0);
    let causes: Vec<String> =
        causes.map(|cause| format!("{} {}", format::count(count(cause)), self::cause(cause.cause))).collect();
    if causes.is_empty() { String::new() } else { format!(" ({})", causes.join(", ")) }
}

/// How many Sprites were ready.
pub(crate) fn ready(summary: &Summary) -> String {
    let pool = &summary.pool;
    format!(
        "{} on average for a target of {}, {} at the least",
        format::number(pool.ready_mean),
        format::number(pool.target_mean),
        format::count(pool.ready_least)
    )
}

/// How many slots were held, and whether workers were full.
pub(crate) fn slots(summary: &Summary) -> Option<String> {
    let pool = &summary.pool;
    let slots = pool.slots?;
    let share = format::share(pool.slots_most as f64 / slots.max(1) as f64);
    let (most, slots, mean) =
        (format::count(pool.slots_most), format::count(slots), format::number(pool.slots_mean));
    let full = match pool.full_workers {
        0 => String::new(),
        full => {
            let all = summary.workers.len() as u64;
            let over = if all == 1 { "" } else { " over all workers" };
            format!("; full: {} for {}{over}", workers(full, all), format::seconds(pool.full_seconds))
        }
    };
    Some(format!("{most} of {slots} held at most ({share}), {mean} on average{full}"))
}

/// When pools were empty.
pub(crate) fn empty(summary: &Summary) -> String {
    let pool = &summary.pool;
    let (Some(seconds), Some(share), Some(longest), Some(periods)) =
        (pool.empty_seconds, pool.empty_share, pool.empty_longest_s, &summary.empty_periods)
    else {
        return format!("{}, and what is ready is counted over all pools of a worker", NoValue::PerTenant);
    };
    if periods.is_empty() {
        return "never".to_owned();
    }
    let groups = groups(periods, summary.duration_s);
    let told = groups.iter().take(PERIODS).map(|(times, period)| {
        let (from, to) = (format::seconds(period.from_s), format::seconds(period.to_s));
        // Ends that read the same say nothing about how long it was.
        let when = match from == to {
            true => format!("at {from}"),
            false => format!("{from} to {to}"),
        };
        let workers = workers(period.workers, summary.workers.len() as u64);
        match times {
            1 => format!("{when} on {workers}"),
            times if summary.workers.len() == 1 => format!("{times} times {when} on {workers}"),
            times => format!("{times} times {when} on up to {workers}"),
        }
    });
    let mut says = told.collect::<Vec<_>>().join(", ");
    if let more @ 1.. = groups.len().saturating_sub(PERIODS) {
        says += &format!(" and {} later", format::counted(more as u64, "time", "times"));
    }
    let (seconds, share, longest) =
        (format::seconds(seconds), format::share(share), format::seconds(longest));
    if summary.workers.len() == 1 {
        return format!("{seconds} ({share} of the time), longest {longest}; {says}");
    }
    format!("{seconds} over all workers ({share} of the time), longest {longest}; {says}")
}

/// Periods with short pauses between them as one each, with how many they are.
fn groups(periods: &[EmptyPeriod], duration_s: f64) -> Vec<(u64, EmptyPeriod)> {
    let pause = (duration_s / 50.0).max(1.0);
    let mut groups: Vec<(u64, EmptyPeriod)> = Vec::new();
    for period in periods {
        match groups.last_mut() {
            Some((times, last)) if period.from_s - last.to_s <= pause => {
                *times += 1;
                last.to_s = period.to_s;
                last.workers = last.workers.max(period.workers);
            }
            _ => groups.push((1, *period)),
        }
    }
    groups
}

/// How long pools took to recover.
pub(crate) fn recovery(summary: &Summary) -> String {
    let Some(recovery) = &summary.recovery else { return NoValue::PerTenant.to_string() };
    let since = if recovery.after_spike { "after the end of the spike" } else { "from empty to its target" };
    match (Figure::Recovery.value(summary), recovery.worker) {
        (Err(why), Some(worker)) => format!("{why} when the run ended: worker {worker}"),
        (Err(why), None) => format!("{why}: the run ended before the spike did"),
        (Ok(_), None) => "no pool had to recover".to_owned(),
        (Ok(seconds), Some(worker)) => format!("{} {since} (worker {worker})", format::seconds(seconds)),
    }
}

/// `2 of 4 workers`.
pub(crate) fn workers(some: u64, all: u64) -> String {
    match (some, all) {
        (1, 1) => "the worker".to_owned(),
        (some, all) if some == all => format!("all {} workers", format::count(all)),
        (some, all) => format!("{} of {} workers", format::count(some), format::count(all)),
    }
}
