//! The page of one scenario over several seeds: how often each gate holds, and how far each figure spreads.

use super::document;
use super::text::{escape, section, table};
use crate::format;
use crate::seed_table::SeedTable;
use crate::spread::{Row, Spread};
use crate::verdict::Verdict;

/// Into so many bars the range of a figure is cut.
const BARS: usize = 40;

/// The page of a spread, with every seed's figures.
pub fn spread_page(spread: &Spread, seeds: &SeedTable) -> String {
    let body = banner(spread) + &gates(spread) + &figures(spread, seeds);
    document(&format!("{} over {} seeds", spread.name, spread.seeds.len()), &body)
}

fn banner(spread: &Spread) -> String {
    let over = &spread.gates;
    let class = match over.verdict {
        Verdict::Held => "held",
        Verdict::Failed => "failed",
        Verdict::NoGates => "none",
    };
    let gates: String = over
        .gates
        .iter()
        .map(|gate| {
            let share = gate.holds as f64 / over.of.max(1) as f64;
            let (class, sign) =
                if share >= over.needed { ("ok", "\u{2713}") } else { ("broken", "\u{2717}") };
            format!(
                "<li class=\"{class}\"><b>{sign}</b><span>{}</span><em>{}</em></li>",
                escape(&gate.gate),
                format::share(share)
            )
        })
        .collect();
    let gates = if gates.is_empty() { gates } else { format!("<ul class=\"gates\">{gates}</ul>") };
    format!(
        "<header class=\"banner {class}\"><div><p class=\"word\">{}</p><h1>{}</h1><p>{}</p>\
         <p class=\"about\">{}</p></div>{gates}</header>\n",
        over.verdict.word(),
        escape(&spread.name),
        escape(&over.says()),
        escape(&over.needed_says())
    )
}

fn gates(spread: &Spread) -> String {
    let over = &spread.gates;
    if over.gates.is_empty() {
        return String::new();
    }
    let rows: Vec<Vec<String>> = over
        .gates
        .iter()
        .map(|gate| {
            let (low, high) = gate.interval;
            let broken: Vec<String> = gate.broken_by.iter().take(12).map(u64::to_string).collect();
            let more = if gate.broken_by.len() > broken.len() { ", ..." } else { "" };
            vec![
                escape(&gate.gate),
                format!("{} of {}", gate.holds, over.of),
                format::share(gate.holds as f64 / over.of.max(1) as f64),
                format!("{} to {}", format::share(low), format::share(high)),
                broken.join(", ") + more,
            ]
        })
        .collect();
    let head =
        ["gate", "seeds in which it holds", "share", "share of all seeds", "seeds in which it does not"];
    let says = "The share of all seeds is what these seeds tell of it: a 95 % confidence interval.";
    section("Gates", says, &table(&head, &rows))
}

fn figures(spread: &Spread, seeds: &SeedTable) -> String {
    let rows: Vec<Vec<String>> = spread
        .figures
        .iter()
        .map(|row| {
            let show = |value: f64| escape(&row.unit.show(value));
            let interval = row
                .interval
                .map_or_else(String::new, |(low, high)| format!("{} to {}", show(low.max(0.0)), show(high)));
            vec![
                escape(&row.figure.to_string()),
                bars(row, &seeds.values(row.figure)),
                show(row.min),
                show(row.median),
                show(row.mean),
                show(row.max),
                interval,
            ]
        })
        .collect();
    let head = [
        "figure",
        "seeds, from the least to the largest",
        "least",
        "median",
        "mean",
        "largest",
        "mean, 95 %",
    ];
    let notes: String = spread.notes.iter().map(|note| format!("<p>{}</p>", escape(note))).collect();
    let says = "How many seeds came to which value; each bar is a fortieth of the range. Every value stands in seeds.csv.";
    section("Figures", says, &(table(&head, &rows) + &notes))
}

/// How many values lie in each part of the range.
fn bars(row: &Row, values: &[f64]) -> String {
    let range = row.max - row.min;
    let mut counts = [0_usize; BARS];
    for value in values {
        let place = if range > 0.0 { (value - row.min) / range * BARS as f64 } else { 0.0 };
        counts[(place as usize).min(BARS - 1)] += 1;
    }
    let most = counts.iter().copied().max().unwrap_or(0).max(1);
    let rects: String = counts
        .iter()
        .enumerate()
        .filter(|(_, count)| **count > 0)
        .map(|(index, count)| {
            let height = (*count as f64 / most as f64 * 32.0).max(2.0);
            format!(
                "<rect x=\"{}\" y=\"{:.1}\" width=\"5\" height=\"{height:.1}\"/>",
                index * 6,
                32.0 - height
            )
        })
        .collect();
    let label = format!(
        "{} over {} seeds: from {} to {}, half of them up to {}",
        row.figure,
        values.len(),
        row.unit.show(row.min),
        row.unit.show(row.max),
        row.unit.show(row.median)
    );
    format!(
        "<svg role=\"img\" aria-label=\"{}\" viewBox=\"0 0 240 32\" width=\"240\" height=\"32\" fill=\"currentColor\">\
         {rects}</svg>",
        escape(&label)
    )
}
