//! One self-contained page: no network, no script needed to read it, the same bytes for the same report.
//!
//! Plots are SVG made here. Where scripts run, `scripts/` adds what a reader can do with them: read values,
//! choose a range of time, leave series out, sort tables, take the data along.

mod axis;
mod bins;
mod comparison;
mod data;
mod labels;
mod over_time;
mod percentiles;
mod plot;
mod provenance;
mod spread;
mod table;
mod text;
mod twin;
mod workers;

use crate::figure::Figure;
use crate::format;
use crate::report::Report;
use crate::summary::Summary;
use crate::verdict::{Verdict, gates_say};
use crate::wording;
use text::{escape, section, table};

pub use comparison::comparison_page;
pub use spread::spread_page;
pub use twin::twin_page;

const STYLE: &str = include_str!("page.css");
/// One script, cut into files by what each is for. None has a name outside.
const SCRIPTS: [&str; 7] = [
    include_str!("scripts/format.js"),
    include_str!("scripts/axis.js"),
    include_str!("scripts/file.js"),
    include_str!("scripts/draw.js"),
    include_str!("scripts/plot.js"),
    include_str!("scripts/workers.js"),
    include_str!("scripts/table.js"),
];

/// The page of one run.
pub fn page(report: &Report) -> String {
    let summary = &report.summary;
    let body = [
        banner(summary),
        cards(summary),
        over_time::demand(report),
        over_time::pool(report),
        over_time::causes(report),
        over_time::slots(report),
        percentiles::latency(report),
        workers::workers(summary, over_time::span(report)),
        cost(summary),
        run(summary),
        provenance::provenance(summary),
    ]
    .concat();
    document(&summary.name, &body)
}

/// A whole document around a body.
fn document(title: &str, body: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<link rel=\"icon\" href=\"data:,\">\n\
         <title>{} - warmpool</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n{body}</main>\n\
         <script>\n\"use strict\";\n(() => {{\n{}}})();\n</script>\n</body>\n</html>\n",
        escape(title),
        SCRIPTS.concat()
    )
}

fn banner(summary: &Summary) -> String {
    let class = match summary.verdict {
        Verdict::Held => "held",
        Verdict::Failed => "failed",
        Verdict::NoGates => "none",
    };
    let gates: String = summary
        .gates
        .iter()
        .map(|gate| {
            let class = if gate.holds { "ok" } else { "broken" };
            let (sign, _) = gate.sign_and_word();
            format!(
                "<li class=\"{class}\"><b>{sign}</b><span>{}</span><em>{}</em></li>",
                escape(&gate.gate),
                escape(&gate.shown())
            )
        })
        .collect();
    let gates = if gates.is_empty() { gates } else { format!("<ul class=\"gates\">{gates}</ul>") };
    let about = escape(&wording::about(summary));
    let cause = wording::bound(summary)
        .map_or_else(String::new, |says| format!("<p class=\"cause\">{}.</p>", escape(&capitalised(&says))));
    format!(
        "<header class=\"banner {class}\"><div><p class=\"word\">{}</p><h1>{}</h1><p>{}</p><p class=\"about\">{about}</p>{cause}</div>{gates}</header>\n",
        summary.verdict.word(),
        escape(&summary.name),
        capitalised(&gates_say(&summary.gates)),
    )
}

fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

/// The key figures.
fn cards(summary: &Summary) -> String {
    let pool = &summary.pool;
    let latency = percentiles::headline(&summary.gates);
    let latency_value = match (latency.value(summary), summary.requests) {
        (_, 0) => "none".to_owned(),
        (Ok(value), _) => latency.unit().show(value),
        (Err(why), _) => why.to_string(),
    };
    let worst = match summary.latency_ns.served.count {
        0 => "no request was served".to_owned(),
        _ => format!("the worst took {}", format::nanos(summary.latency_ns.served.max as f64)),
    };
    let misses = match summary.requests {
        0 => card(summary, &[Figure::Misses], "Misses", "none", "no request came"),
        requests => {
            let about = format!(
                "{} of {}",
                format::count(summary.misses),
                format::counted(requests, "request", "requests")
            );
            card(summary, &[Figure::Misses], "Misses", &format::share(summary.miss_ratio), &about)
        }
    };
    let mut cards = vec![
        card(summary, &[Figure::Requests], "Requests", &format::count(summary.requests), &arrivals(summary)),
        misses,
        card(summary, &[latency], &capitalised(&latency.to_string()), &latency_value, &worst),
    ];
    if pool.per_tenant {
        // When one of several pools was empty, and when it was full again, is not known.
        let ready = match pool.target_mean > 0.0 {
            true => {
                format!("on average, of {} aimed for, over all tenants", format::number(pool.target_mean))
            }
            false => "on average, over all tenants".to_owned(),
        };
        let waited = format!(
            "requests at once; {} in use at most",
            format::counted(pool.in_use_most, "Sprite", "Sprites")
        );
        cards.push(card(summary, &[Figure::ReadyMean], "Ready", &format::number(pool.ready_mean), &ready));
        cards.push(card(summary, &[], "Waiting at most", &format::count(pool.waiting_most), &waited));
    } else {
        cards.push(empty_card(summary));
        cards.push(recovery_card(summary));
    }
    if !summary.cost.items.is_empty() {
        let cost = format::number(summary.cost.total);
        let idle = format!("{} idle VM-seconds", format::number(pool.idle_vm_seconds));
        cards.push(card(summary, &[Figure::Cost, Figure::Idle], "Cost", &cost, &idle));
    } else {
        let running = format!("VM-seconds ready; {} in use", format::number(pool.running_vm_seconds));
        cards.push(card(summary, &[Figure::Idle], "Idle", &format::number(pool.idle_vm_seconds), &running));
    }
    format!("<div class=\"cards\">{}</div>\n", cards.concat())
}

/// How fast requests came, and whether all were served.
fn arrivals(summary: &Summary) -> String {
    let served = match (summary.requests, summary.outcomes.unserved()) {
        (0, _) => return "none came".to_owned(),
        (_, 0) => "all served".to_owned(),
        (_, unserved) => format!("{} not served", format::count(unserved)),
    };
    match summary.rate().filter(|_| summary.requests > 1) {
        Some(rate) => format!("{} per second; {served}", format::number(rate)),
        None if summary.requests > 1 => format!("at one moment; {served}"),
        None => served,
    }
}

fn empty_card(summary: &Summary) -> String {
    let pool = &summary.pool;
    let (value, about) = match (pool.empty_seconds, pool.empty_share, pool.empty_longest_s) {
        (Some(sum), Some(share), Some(longest)) if sum > 0.0 => {
            let (longest, sum) = (format::seconds(longest), format::seconds(sum));
            (format::share(share), format!("of the time; longest {longest}, {sum} over all workers"))
        }
        _ => ("never".to_owned(), "a Sprite was always ready wherever one was aimed for".to_owned()),
    };
    card(summary, &[Figure::Empty], "Pool empty", &value, &about)
}

fn recovery_card(summary: &Summary) -> String {
    let value = Figure::Recovery.value(summary).map_or_else(|why| why.to_string(), format::seconds);
    card(summary, &[Figure::Recovery], "Recovery", &value, &wording::recovery(summary))
}

/// One card. It is marked where a gate on one of its figures does not hold.
fn card(summary: &Summary, figures: &[Figure], title: &str, value: &str, about: &str) -> String {
    let judged =
        |holds: bool| summary.gates.iter().any(|gate| gate.holds == holds && figures.contains(&gate.figure));
    let class = match (judged(false), judged(true)) {
        (true, _) => "card broken",
        (false, true) => "card ok",
        (false, false) => "card",
    };
    // So many characters must fit beside each other: a number is not broken, it is set smaller.
    let longest = value.split(' ').map(|word| word.chars().count()).max().unwrap_or(1).max(1);
    format!(
        "<div class=\"{class}\"><h2>{}</h2><p class=\"value\" style=\"--n:{longest}\">{}</p><p>{}</p></div>",
        escape(title),
        escape(value),
        escape(about)
    )
}

fn cost(summary: &Summary) -> String {
    if summary.cost.items.is_empty() {
        return String::new();
    }
    let mut rows: Vec<Vec<String>> = summary
        .cost
        .items
        .iter()
        .map(|item| {
            let share = if summary.cost.total > 0.0 { item.amount / summary.cost.total } else { 0.0 };
            let bar = format!("<span class=\"bar\" style=\"--w:{:.1}%\"></span>", share * 100.0);
            vec![
                escape(&item.what.replace('_', " ")),
                format::number(item.quantity),
                format::significant(item.price),
                format::number(item.amount),
                bar,
            ]
        })
        .collect();
    let total = format!("<strong>{}</strong>", format::number(summary.cost.total));
    rows.push(vec!["<strong>total</strong>".to_owned(), String::new(), String::new(), total, String::new()]);
    section("What it cost", "", &table(&["what", "quantity", "price", "amount", "share"], &rows))
}

/// How VMs came to be, what besides, and how to run it again.
fn run(summary: &Summary) -> String {
    let boots = &summary.boots;
    let facts = [
        ("boots begun", format::count(boots.begun)),
        ("boots failed", format::count(boots.failed)),
        ("creates", format::count(boots.creates)),
        ("wakes", format::count(boots.wakes)),
        ("VMs lost", format::count(boots.lost)),
        ("outages of hosts", format::count(boots.hosts_down)),
        ("ready VM-seconds", format::number(summary.pool.idle_vm_seconds)),
        ("VM-seconds in use", format::number(summary.pool.running_vm_seconds)),
        ("most in use at once", format::count(summary.pool.in_use_most)),
        ("most waiting at once", format::count(summary.pool.waiting_most)),
        ("seed", summary.seed.to_string()),
        ("events", format::count(summary.events)),
        ("digest", summary.digest.clone().unwrap_or_else(|| "none".to_owned())),
    ];
    let facts: String = facts
        .iter()
        .map(|(name, value)| format!("<div><dt>{name}</dt><dd>{}</dd></div>", escape(value)))
        .collect();
    let notes = summary.shortages.iter().chain(&summary.notes);
    let notes: String = notes.map(|note| format!("<li>{}</li>", escape(note))).collect();
    let notes = if notes.is_empty() { notes } else { format!("<ul class=\"notes\">{notes}</ul>") };
    section("VMs and the run itself", "", &format!("<dl class=\"facts\">{facts}</dl>{notes}"))
}
