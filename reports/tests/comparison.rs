//! Several runs: variants side by side, and one scenario over several seeds.

mod toy;

use reports::compare::CompareError;
use reports::seeds::NEEDED;
use reports::verdict::Shown;
use reports::{Comparison, Figure, SeedTable, Spread, Summary, Twin, Variant, Verdict};
use toy::Toy;

fn runs(depth: u32, seeds: std::ops::RangeInclusive<u64>) -> Vec<Summary> {
    tenants_runs(depth, seeds, false)
}

fn tenants_runs(depth: u32, seeds: std::ops::RangeInclusive<u64>, per_tenant: bool) -> Vec<Summary> {
    let toy = |seed| Toy {
        seed,
        depth,
        demand: vec![(20, 10.0), (10, 40.0), (30, 10.0)],
        crash: None,
        per_tenant,
        ..Toy::default()
    };
    seeds.map(|seed| toy(seed).report().summary).collect()
}

fn variant(name: &str, runs: Vec<Summary>) -> Variant {
    Variant { name: name.to_owned(), runs }
}

#[test]
fn a_deeper_pool_misses_less_and_idles_more() {
    let variants = [variant("shallow", runs(2, 1..=4)), variant("deep", runs(40, 1..=4))];
    let comparison = Comparison::new(&variants, NEEDED).unwrap();
    let shows = |figure: &str| {
        let row = comparison.figures.iter().find(|row| row.figure.to_string() == figure).unwrap();
        row.cells[1].difference.as_ref().unwrap().shows
    };
    assert_eq!((shows("misses"), shows("idle")), (Shown::Better, Shown::Worse));
    assert!(comparison.pareto.iter().all(|point| point.on_front));
    let text = anstream::adapter::strip_str(&comparison.render(80)).to_string();
    assert!(
        text.starts_with("HELD       launch-day: 2 variants over 4 seeds; B deep is the cheapest whose"),
        "{text}"
    );
}

/// The two variants of a comparison are the same policy with different luck, so every claim is a false one.
#[test]
fn of_300_comparisons_of_the_same_policy_at_most_5_percent_claim_a_difference() {
    let run = |seed: u64| {
        let toy = Toy { seed, depth: 3, demand: vec![(4, 12.0), (2, 40.0), (4, 12.0)], ..Toy::default() };
        Toy { crash: None, workers: 2, warmup_s: 0, ..toy }.report().summary
    };
    let all: Vec<Summary> = (0..600).map(run).collect();
    let (mut wrong, mut tested) = (0, 0);
    for comparison in 0..300_u64 {
        // Twenty runs of those, none twice, in two halves with the same names for their seeds.
        let mut order: Vec<usize> = (0..all.len()).collect();
        order.sort_by_key(|index| toy::mixed(comparison << 32 | *index as u64));
        let half = |from: usize| {
            let runs = order[from..from + 10].iter().zip(1..).map(|(index, seed)| {
                let mut run = all[*index].clone();
                (run.seed, run.digest) = (seed, None);
                run
            });
            runs.collect()
        };
        let compared = Comparison::new(&[variant("a", half(0)), variant("b", half(10))], NEEDED).unwrap();
        let claims = |row: &&reports::compare::Row| {
            row.cells[1].difference.as_ref().is_some_and(|it| it.shows != Shown::NoDifference)
        };
        wrong += usize::from(compared.figures.iter().any(|row| claims(&row)));
        tested += compared.tested;
    }
    println!("{wrong} of 300 comparisons, {tested} differences");
    assert!(tested > 300 * 8, "only {tested} differences were tested");
    assert!(wrong <= 15, "{wrong} of 300 comparisons claim a difference that is not there");
}

#[test]
fn the_cheapest_is_found_among_those_whose_gates_hold() {
    let gated = |name: &str, idle: f64, held: u64| {
        let mut runs = runs(8, 1..=4);
        for (index, run) in runs.iter_mut().enumerate() {
            let holds = (index as u64) < held;
            run.gates.truncate(1);
            run.gates[0].holds = holds;
            run.verdict = if holds { Verdict::Held } else { Verdict::Failed };
            run.cost.total = idle;
            run.pool.idle_vm_seconds = idle;
        }
        variant(name, runs)
    };
    let all = [gated("shallow", 10.0, 1), gated("deep", 90.0, 4), gated("right", 50.0, 4)];
    let comparison = Comparison::new(&all, NEEDED).unwrap();
    assert_eq!((comparison.cheapest, comparison.verdict()), (Some(2), Verdict::Held));
    assert!(comparison.headline().1.contains("C right is the cheapest whose gates hold"));
    assert!(
        comparison.says(0).starts_with("A shallow: its gate holds in 1 of 4 seeds (5 % to 70 %)"),
        "{}",
        comparison.says(0)
    );
    assert_eq!(Comparison::new(&all, 0.25).unwrap().cheapest, Some(0), "where one seed of four is enough");
    let none = [gated("one", 10.0, 3), gated("other", 20.0, 0)];
    let comparison = Comparison::new(&none, NEEDED).unwrap();
    assert_eq!((comparison.cheapest, comparison.verdict()), (None, Verdict::Failed));
    let ungated = |mut one: Variant| {
        one.runs.iter_mut().for_each(|run| (run.verdict, run.gates) = (Verdict::NoGates, Vec::new()));
        one
    };
    let none = none.map(ungated);
    assert_eq!(Comparison::new(&none, NEEDED).unwrap().verdict(), Verdict::NoGates);
}

#[test]
fn figures_without_a_difference_are_on_one_line() {
    let variants = [variant("shallow", runs(2, 1..=4)), variant("deep", runs(40, 1..=4))];
    let comparison = Comparison::new(&variants, NEEDED).unwrap();
    let (told, folded) = comparison.folded();
    assert!(!folded.is_empty() && told.len() + folded.len() == comparison.figures.len());
    let text = anstream::adapter::strip_str(&comparison.render(120)).to_string();
    let line = text.lines().find(|line| line.starts_with("no difference shown: ")).unwrap();
    for figure in folded {
        assert!(line.contains(&figure.to_string()), "{line}");
        assert!(!text.lines().any(|line| line.starts_with(&format!("{figure}  "))), "{figure}: {text}");
    }
    let page = reports::html::comparison_page(&comparison, &[]);
    assert!(page.contains("No difference shown: "));
}

/// Those that are left would be the lucky ones.
#[test]
fn nothing_is_claimed_where_a_seed_has_no_value() {
    let (mut one, other) = (runs(2, 1..=4), runs(40, 1..=4));
    one[2].latency_ns.all.p99 = None;
    let comparison = Comparison::new(&[variant("one", one), variant("other", other)], NEEDED).unwrap();
    let row = comparison.figures.iter().find(|row| row.figure.to_string() == "latency p99").unwrap();
    assert_eq!((row.cells[0].without, &row.cells[1].difference), (1, &None));
}

#[test]
fn runs_of_other_demand_are_told() {
    let (one, mut other) = (runs(8, 1..=2), runs(8, 1..=2));
    other[0].requests += 5;
    let comparison = Comparison::new(&[variant("one", one), variant("other", other)], NEEDED).unwrap();
    assert!(
        comparison.notes[1].contains("B other did not meet as many requests as A one ("),
        "{:?}",
        comparison.notes
    );
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    let name = "a-policy-whose-name-alone-is-half-as-wide-as-the-terminal";
    let short = [variant("shallow", runs(2, 1..=4)), variant("machines-start-create", runs(40, 1..=4))];
    let long = [variant(name, runs(2, 1..=4)), variant("deep", tenants_runs(40, 1..=4, true))];
    for (variants, columns) in [
        (&short, 80),
        (&short, 100),
        (&long, 76),
        (&long, 80),
        (&long, 120),
        (&short, 40),
        (&long, 40),
        (&short, 60),
    ] {
        let comparison = Comparison::new(variants, NEEDED).unwrap();
        let text = anstream::adapter::strip_str(&comparison.render(columns)).to_string();
        for line in text.lines() {
            assert!(line.chars().count() <= columns, "{columns} columns: {line}");
        }
        for part in ["[-", "better", "no difference shown", "not beaten"] {
            assert!(text.contains(part), "{columns} columns leave out {part}: {text}");
        }
        let spread = Spread::new(&variants[0].runs, NEEDED).render(columns);
        let twin =
            Twin::new(&variants[0].runs[0], &[&variants[1].runs[0], &variants[1].runs[1]]).render(columns);
        let spread = anstream::adapter::strip_str(&spread).to_string();
        for line in spread.lines().chain(twin.lines()) {
            assert!(line.chars().count() <= columns, "{columns} columns: {line}");
        }
        for part in ["95 % of the mean", "latency p99.9", "holds in"] {
            assert!(spread.contains(part), "{columns} columns leave out {part}: {spread}");
        }
    }
}

#[test]
fn variants_that_are_the_same_are_said_to_be() {
    let same = [variant("own", runs(8, 1..=3)), variant("x", runs(9, 1..=3)), variant("y", runs(9, 1..=3))];
    let comparison = Comparison::new(&same, NEEDED).unwrap();
    assert_eq!(comparison.notes.len(), 1, "{:?}", comparison.notes);
    assert!(comparison.notes[0].starts_with("C y is the same as B x, "), "{}", comparison.notes[0]);
    let text = anstream::adapter::strip_str(&comparison.render(80)).to_string();
    assert!(text.contains("C y is the same as B x, "), "{text}");
    assert!(reports::html::comparison_page(&comparison, &[]).contains("C y is the same as B x, "));
    let mut real = runs(9, 1..=3);
    real.iter_mut().for_each(|run| run.digest = None);
    let comparison = Comparison::new(&[variant("a", real.clone()), variant("b", real)], NEEDED).unwrap();
    assert!(comparison.notes.is_empty(), "real runs have no digest to tell by");
}

#[test]
fn what_is_not_known_of_pools_per_tenant_is_left_out_and_said_so() {
    let variants = [variant("one", runs(2, 1..=3)), variant("tenants", tenants_runs(3, 1..=3, true))];
    let comparison = Comparison::new(&variants, NEEDED).unwrap();
    let shown = |name: &str| comparison.figures.iter().any(|row| row.figure.to_string() == name);
    assert!(shown("misses") && !shown("empty") && !shown("recovery"));
    assert!(comparison.notes[0].contains("as in B tenants"), "{:?}", comparison.notes);
    let spread = Spread::new(&variants[1].runs, NEEDED);
    assert!(
        spread.figures.iter().all(|row| !["empty", "recovery"].contains(&row.figure.to_string().as_str()))
    );
    assert!(spread.render(120).contains("empty and recovery: not known"), "{}", spread.render(120));
}

#[test]
fn equal_variants_show_no_difference() {
    let variants = [variant("one", runs(8, 1..=3)), variant("other", runs(8, 1..=3))];
    let comparison = Comparison::new(&variants, NEEDED).unwrap();
    for row in &comparison.figures {
        let difference = row.cells[1].difference.as_ref().unwrap();
        assert_eq!((difference.mean, difference.shows), (0.0, Shown::NoDifference), "{}", row.figure);
    }
    assert!(comparison.pareto.iter().all(|point| point.on_front), "equals do not beat each other");
}

#[test]
fn one_seed_shows_no_difference_and_a_costlier_equal_is_beaten() {
    let (mut costly, fair) = (runs(8, 1..=1), runs(8, 1..=1));
    costly[0].pool.idle_vm_seconds += 1.0;
    let comparison = Comparison::new(&[variant("fair", fair), variant("costly", costly)], NEEDED).unwrap();
    let row = comparison.figures.iter().find(|row| row.figure.to_string() == "idle").unwrap();
    let difference = row.cells[1].difference.as_ref().unwrap();
    assert_eq!((difference.interval, difference.shows), (None, Shown::NoDifference));
    assert_eq!(comparison.pareto.iter().map(|point| point.on_front).collect::<Vec<_>>(), [true, false]);
}

#[test]
fn runs_without_partners_cannot_be_compared() {
    let error =
        Comparison::new(&[variant("a", runs(4, 1..=2)), variant("b", runs(4, 2..=3))], NEEDED).unwrap_err();
    assert_eq!(error, CompareError::Seeds { variant: "b".into(), seeds: vec![2, 3], first: vec![1, 2] });
    assert_eq!(Comparison::new(&[variant("a", runs(4, 1..=1))], NEEDED).unwrap_err(), CompareError::TooFew);
}

#[test]
fn a_comparison_survives_its_file() {
    let comparison =
        Comparison::new(&[variant("a", runs(4, 1..=2)), variant("b", runs(9, 1..=2))], NEEDED).unwrap();
    let text = serde_json::to_string(&comparison).unwrap();
    assert_eq!(serde_json::from_str::<Comparison>(&text).unwrap(), comparison);
    let page = reports::html::comparison_page(&comparison, &[]);
    assert!(page.contains("<h2>Figures side by side</h2>"));
}

#[test]
fn a_spread_holds_where_enough_seeds_do() {
    let mut summaries = runs(8, 1..=3);
    for (index, summary) in summaries.iter_mut().enumerate() {
        summary.requests = 100;
        summary.misses = index as u64;
        summary.gates.truncate(1);
        summary.gates[0].holds = index != 1;
        summary.verdict = if index == 1 { Verdict::Failed } else { Verdict::Held };
    }
    let spread = Spread::new(&summaries, NEEDED);
    assert_eq!(
        (spread.gates.verdict, spread.gates.holds, &spread.gates.gates[0].broken_by[..]),
        (Verdict::Failed, 2, &[2][..])
    );
    let misses = &spread.figures[0];
    assert_eq!((misses.min, misses.median, misses.mean, misses.max), (0.0, 0.01, 0.01, 0.02));
    let text = anstream::adapter::strip_str(&spread.render(120)).to_string();
    assert!(text.contains("holds in 2 of 3 seeds (21 % to 94 %); not for 2"), "{text}");
    assert_eq!(Spread::new(&[], NEEDED).gates.verdict, Verdict::NoGates);
}

#[test]
fn a_table_of_seeds_survives_its_file_and_its_page_draws_every_seed() {
    let summaries = runs(8, 1..=7);
    let (table, spread) = (SeedTable::new(&summaries), Spread::new(&summaries, 0.95));
    let mut file = Vec::new();
    table.write(&mut file).unwrap();
    assert_eq!(SeedTable::read(&file).unwrap(), table);
    let misses: Vec<f64> = summaries.iter().map(|run| run.miss_ratio).collect();
    assert_eq!(table.values(Figure::Misses), misses);
    let page = reports::html::spread_page(&spread, &table);
    assert!(page.contains("misses over 7 seeds: from"), "{page}");
    for gate in &spread.gates.gates {
        assert!(page.contains(&format!("{} of 7", gate.holds)), "{}", gate.gate);
    }
}
