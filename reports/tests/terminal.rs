//! What people see at a terminal, to the letter.

mod toy;

use toy::Toy;

fn small() -> Toy {
    Toy {
        name: "small",
        demand: vec![(20, 6.0), (5, 80.0), (20, 6.0)],
        warmup_s: 5,
        crash: None,
        lifetime_s: 0.5,
        ..Toy::default()
    }
}

#[test]
fn the_verdict_stands_first_and_every_part_follows() {
    let text = reports::terminal::plain(&small().report(), 80);
    let expected = include_str!("terminal.txt");
    if std::env::var_os("UPDATE_TEXTS").is_some() {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/terminal.txt"), &text).unwrap();
        return;
    }
    assert!(text == expected, "run with UPDATE_TEXTS=1 if this is meant:\n{text}");
}

#[test]
fn no_line_is_wider_than_the_terminal_and_colour_adds_nothing() {
    for columns in [40, 50, 75, 76, 80, 120] {
        let report = Toy::default().report();
        let plain = reports::terminal::plain(&report, columns);
        for line in plain.lines() {
            assert!(line.chars().count() <= columns, "{columns} columns: {line}");
        }
        for part in ["launch-day", "latency p99 < 250ms", "misses", "p99.9", "cause", "total", "slots"] {
            assert!(plain.contains(part), "{columns} columns lack {part}:\n{plain}");
        }
        let coloured = reports::terminal::render(&report, columns);
        assert!(coloured.contains("\u{1b}[") && coloured != plain);
    }
}

#[test]
fn a_run_that_held_says_so_and_one_without_gates_too() {
    let held = Toy { depth: 200, gates: vec![("misses", "< 100%")], ..small() };
    assert!(reports::terminal::plain(&held.report(), 80).starts_with("HELD       small: its gate holds\n"));
    let none = Toy { gates: vec![], ..small() };
    assert!(reports::terminal::plain(&none.report(), 80).starts_with("NO GATES   small: there are no gates"));
}
