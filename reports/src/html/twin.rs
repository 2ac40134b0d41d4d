//! The page of a twin: the verdict, every figure simulated and real with its gap, and both runs laid over
//! each other.

use super::comparison::{colour, overlays};
use super::document;
use super::text::{escape, section};
use crate::report::Report;
use crate::twin::Twin;
use crate::verdict::Prediction;

/// The page of a twin, with the reports of the simulated run and of the real ones.
pub fn twin_page(twin: &Twin, simulated: &Report, reals: &[Report]) -> String {
    let real = |run: usize| if reals.len() == 1 { "real".to_owned() } else { format!("real {run}") };
    let names: Vec<String> =
        std::iter::once("simulated".to_owned()).chain((1..=reals.len()).map(real)).collect();
    let reports: Vec<&Report> = std::iter::once(simulated).chain(reals).collect();
    let body = banner(twin) + &figures(twin) + &overlays(&names, &reports);
    document(&format!("{}: simulated and real", twin.scenario), &body)
}

fn banner(twin: &Twin) -> String {
    let (word, says) = twin.verdict();
    let class = match twin.prediction {
        Prediction::Within => "held",
        Prediction::NotDecided => "none",
        Prediction::Beyond => "failed",
    };
    let bounded = twin.rows.iter().filter_map(|row| Some((row, row.prediction?)));
    let lines: String = bounded
        .map(|(row, prediction)| {
            let class = match prediction {
                Prediction::Within => "ok",
                Prediction::NotDecided => "",
                Prediction::Beyond => "broken",
            };
            let (sign, _) = prediction.sign_and_text();
            format!(
                "<li class=\"{class}\"><b>{sign}</b><span>{} within {}</span><em>{}</em></li>",
                escape(&row.figure),
                escape(&row.bound_shown()),
                escape(&row.gap_shown())
            )
        })
        .collect();
    format!(
        "<header class=\"banner {class}\"><div><p class=\"word\">{word}</p><h1>{}</h1><p>{}</p>\
         <p class=\"about\">one scenario, simulated and {} on real microVMs, seed {}</p></div><ul class=\"gates\">{lines}</ul></header>\n",
        escape(&twin.scenario),
        escape(&says),
        if twin.real_runs == 1 { "once".to_owned() } else { format!("{} times", twin.real_runs) },
        twin.seed
    )
}

fn figures(twin: &Twin) -> String {
    let head: String = ["simulated", "real"]
        .iter()
        .enumerate()
        .map(|(index, name)| format!("<th scope=\"col\"><i class=\"key {}\"></i> {name}</th>", colour(index)))
        .collect();
    let spread = if twin.real_runs > 1 { "<th scope=\"col\">real, all runs</th>" } else { "" };
    let rows: String = twin
        .rows
        .iter()
        .map(|row| {
            let [simulated, real] = row.values();
            let class = if row.prediction == Some(Prediction::Beyond) { "worse" } else { "" };
            format!(
                "<tr><td>{}</td><td>{simulated}</td><td>{real}</td><td class=\"{class}\">{}</td><td>{}</td>{}</tr>",
                escape(&row.figure),
                escape(&row.gap_shown()),
                escape(&row.bound_shown()),
                if twin.real_runs > 1 { format!("<td>{}</td>", escape(&row.spread_shown())) } else { String::new() }
            )
        })
        .collect();
    let table = format!(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"figures\"><table class=\"figures\"><thead><tr><th scope=\"col\">figure</th>{head}\
         <th scope=\"col\">gap</th><th scope=\"col\">bound</th>{spread}</tr></thead><tbody>{rows}</tbody></table></div>"
    );
    section(
        "Figures side by side",
        "A gap is simulated less real; of times and counts as a part of the real one. Of several real runs the median is told, and the 95 % interval in which the real figure lies decides.",
        &table,
    )
}
