//! Several runs: variants side by side, and one scenario over several seeds.

mod toy;

use reports::compare::{CompareError, Shown};
use reports::{Comparison, Spread, Summary, Variant, Verdict};
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
    let comparison = Comparison::new(&variants).unwrap();
    let shows = |figure: &str| {
        let row = comparison.figures.iter().find(|row| row.figure.to_string() == figure).unwrap();
        row.cells[1].difference.as_ref().unwrap().shows
    };
    assert_eq!((shows("misses"), shows("idle")), (Shown::Better, Shown::Worse));
    assert!(comparison.pareto.iter().all(|point| point.on_front));
    let text = anstream::adapter::strip_str(&comparison.render(80)).to_string();
    assert!(text.starts_with("COMPARED   launch-day: 2 variants over 4 seeds"), "{text}");
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    let name = "a-policy-whose-name-alone-is-half-as-wide-as-the-terminal";
    let short = [variant("shallow", runs(2, 1..=4)), variant("machines-start-create", runs(40, 1..=4))];
    let long = [variant(name, runs(2, 1..=4)), variant("deep", tenants_runs(40, 1..=4, true))];
    for (variants, columns) in [(&short, 80), (&short, 100), (&long, 76), (&long, 80), (&long, 120)] {
        let comparison = Comparison::new(variants).unwrap();
        let text = anstream::adapter::strip_str(&comparison.render(columns)).to_string();
        for line in text.lines() {
            assert!(line.chars().count() <= columns, "{columns} columns: {line}");
        }
        for part in ["[-", "better", "no difference shown", "on the front"] {
            assert!(text.contains(part), "{columns} columns leave out {part}: {text}");
        }
    }
}

#[test]
fn variants_that_are_the_same_are_said_to_be() {
    let same = [variant("own", runs(8, 1..=3)), variant("x", runs(9, 1..=3)), variant("y", runs(9, 1..=3))];
    let comparison = Comparison::new(&same).unwrap();
    assert_eq!(comparison.notes.len(), 1, "{:?}", comparison.notes);
    assert!(comparison.notes[0].starts_with("C y is the same as B x, "), "{}", comparison.notes[0]);
    let text = anstream::adapter::strip_str(&comparison.render(80)).to_string();
    assert!(text.contains("C y is the same as B x, "), "{text}");
    assert!(reports::html::comparison_page(&comparison, &[]).contains("C y is the same as B x, "));
    let mut real = runs(9, 1..=3);
    real.iter_mut().for_each(|run| run.digest = None);
    let comparison = Comparison::new(&[variant("a", real.clone()), variant("b", real)]).unwrap();
    assert!(comparison.notes.is_empty(), "real runs have no digest to tell by");
}

#[test]
fn what_is_not_known_of_pools_per_tenant_is_left_out_and_said_so() {
    let variants = [variant("one", runs(2, 1..=3)), variant("tenants", tenants_runs(3, 1..=3, true))];
    let comparison = Comparison::new(&variants).unwrap();
    let shown = |name: &str| comparison.figures.iter().any(|row| row.figure.to_string() == name);
    assert!(shown("misses") && !shown("empty") && !shown("recovery"));
    assert!(comparison.notes[0].contains("as in B tenants"), "{:?}", comparison.notes);
    let spread = Spread::new(&variants[1].runs);
    assert!(
        spread.figures.iter().all(|row| !["empty", "recovery"].contains(&row.figure.to_string().as_str()))
    );
    assert!(spread.render().contains("empty and recovery: not known"), "{}", spread.render());
}

#[test]
fn equal_variants_show_no_difference() {
    let variants = [variant("one", runs(8, 1..=3)), variant("other", runs(8, 1..=3))];
    let comparison = Comparison::new(&variants).unwrap();
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
    let comparison = Comparison::new(&[variant("fair", fair), variant("costly", costly)]).unwrap();
    let row = comparison.figures.iter().find(|row| row.figure.to_string() == "idle").unwrap();
    let difference = row.cells[1].difference.as_ref().unwrap();
    assert_eq!((difference.interval, difference.shows), (None, Shown::NoDifference));
    assert_eq!(comparison.pareto.iter().map(|point| point.on_front).collect::<Vec<_>>(), [true, false]);
}

#[test]
fn runs_without_partners_cannot_be_compared() {
    let error = Comparison::new(&[variant("a", runs(4, 1..=2)), variant("b", runs(4, 2..=3))]).unwrap_err();
    assert_eq!(error, CompareError::Seeds { variant: "b".into(), seeds: vec![2, 3], first: vec![1, 2] });
    assert_eq!(Comparison::new(&[variant("a", runs(4, 1..=1))]).unwrap_err(), CompareError::TooFew);
}

#[test]
fn a_comparison_survives_its_file() {
    let comparison = Comparison::new(&[variant("a", runs(4, 1..=2)), variant("b", runs(9, 1..=2))]).unwrap();
    let text = serde_json::to_string(&comparison).unwrap();
    assert_eq!(serde_json::from_str::<Comparison>(&text).unwrap(), comparison);
    let page = reports::html::comparison_page(&comparison, &[]);
    assert!(page.contains("<h2>Figures side by side</h2>"));
}

#[test]
fn a_spread_holds_only_where_every_seed_does() {
    let mut summaries = runs(8, 1..=3);
    for (index, summary) in summaries.iter_mut().enumerate() {
        summary.requests = 100;
        summary.misses = index as u64;
        summary.gates.truncate(1);
        summary.gates[0].holds = index != 1;
        summary.verdict = if index == 1 { Verdict::Failed } else { Verdict::Held };
    }
    let spread = Spread::new(&summaries);
    assert_eq!(
        (spread.verdict, spread.gates[0].holds, &spread.gates[0].broken_by[..]),
        (Verdict::Failed, 2, &[2][..])
    );
    let misses = &spread.figures[0];
    assert_eq!((misses.min, misses.median, misses.mean, misses.max), (0.0, 0.01, 0.01, 0.02));
    let text = anstream::adapter::strip_str(&spread.render()).to_string();
    assert!(text.contains("holds for 2 of 3 seeds; not for 2"), "{text}");
    assert_eq!(Spread::new(&[]).verdict, Verdict::NoGates);
}
