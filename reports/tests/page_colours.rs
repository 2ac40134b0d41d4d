//! Every colour of a page stands out from what it lies on, in both colour schemes, by the ratio of WCAG 2.2:
//! text by 4.5 to 1 (1.4.3), whatever else tells something by 3 to 1 (1.4.11).

mod toy;

use std::collections::BTreeMap;

use reports::html;
use toy::Toy;

/// What other colours lie on.
const GROUNDS: [&str; 8] =
    ["page", "card", "good-soft", "bad-soft", "none-soft", "ready-soft", "void-soft", "shade"];
/// What text is written in, and on which of them.
const TEXTS: [(&str, &[&str]); 4] = [
    ("ink", &GROUNDS),
    ("soft", &["page", "card", "good-soft", "bad-soft", "none-soft", "shade"]),
    ("good", &["card", "good-soft"]),
    ("bad", &["card", "bad-soft"]),
];
/// What shapes of plots lie on.
const PLOTS: [&str; 4] = ["card", "ready-soft", "void-soft", "shade"];
/// Lines between rows and at marks of an axis: nothing is told by them.
const DECORATION: [&str; 1] = ["faint"];

type Colours = BTreeMap<String, String>;

fn style() -> String {
    let page = html::page(&Toy::default().report());
    let (_, rest) = page.split_once("<style>").expect("a style");
    rest.split_once("</style>").expect("its end").0.to_owned()
}

/// The variables of the block that begins after this text.
fn variables(style: &str, before: &str) -> Colours {
    let (_, rest) = style.split_once(before).unwrap_or_else(|| panic!("no {before}"));
    let (_, rest) = rest.split_once(":root {").expect("variables");
    let (block, _) = rest.split_once('}').expect("its end");
    let pairs = block.split(';').filter_map(|pair| pair.trim().strip_prefix("--")?.split_once(':'));
    pairs.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect()
}

/// Both schemes. The dark one changes what it names.
fn schemes(style: &str) -> [(&'static str, Colours); 2] {
    let light = variables(style, "");
    let mut dark = light.clone();
    dark.extend(variables(style, "(prefers-color-scheme: dark)"));
    [("light", light), ("dark", dark)]
}

/// Relative luminance, as WCAG 2.2 defines it.
fn luminance(colour: &str) -> f64 {
    let digits = colour.strip_prefix('#').unwrap_or_else(|| panic!("{colour} is not written as #rrggbb"));
    assert_eq!(digits.len(), 6, "{colour} is not written as #rrggbb");
    let channel = |at: usize| {
        let part = f64::from(u8::from_str_radix(&digits[at..at + 2], 16).expect("hexadecimal")) / 255.0;
        if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * channel(0) + 0.7152 * channel(2) + 0.0722 * channel(4)
}

fn contrast(one: &str, other: &str) -> f64 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

#[test]
fn the_ratio_is_that_of_the_guidelines() {
    assert!((contrast("#000000", "#ffffff") - 21.0).abs() < 1e-9);
    assert!((contrast("#777777", "#ffffff") - 4.48).abs() < 0.01);
}

#[test]
fn every_colour_stands_out_in_both_schemes() {
    for (scheme, colours) in schemes(&style()) {
        let mut checked = 0;
        for (name, colour) in &colours {
            let (least, grounds) = match TEXTS.iter().find(|(text, _)| text == name) {
                _ if GROUNDS.contains(&name.as_str()) || DECORATION.contains(&name.as_str()) => continue,
                Some((_, grounds)) => (4.5, *grounds),
                None => (3.0, &PLOTS[..]),
            };
            for ground in grounds {
                let ratio = contrast(colour, &colours[*ground]);
                assert!(ratio >= least, "{scheme}: --{name} on --{ground} has {ratio:.2}, not {least}");
                checked += 1;
            }
        }
        assert!(checked > 60, "{scheme}: only {checked} pairs");
    }
}

/// Else a colour would escape the test above.
#[test]
fn colours_are_named_where_schemes_are_and_none_is_thinned() {
    let style = style();
    let schemes_end = style.find("* {").expect("rules after the variables");
    for (number, line) in style[schemes_end..].lines().enumerate() {
        let is_print = line.contains("--page: #fff");
        assert!(is_print || !line.contains('#'), "line {number} after the variables has a colour: {line}");
        let thinned = line.contains("opacity") && !line.contains("button:disabled");
        assert!(!thinned, "line {number} after the variables thins a colour: {line}");
    }
}
