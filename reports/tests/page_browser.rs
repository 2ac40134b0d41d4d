//! What a reader can do with a page, in a browser: by keyboard, by touch, with a screen reader. Skipped where
//! there is none.

mod browser;
mod toy;

use browser::Browser;
use reports::html;
use serde_json::{Value, json};
use toy::Toy;

/// A fleet whose run has all that a page can show.
fn shown() -> Option<Browser> {
    let mut browser = Browser::start()?;
    let toy = Toy { workers: 12, depth: 4, ..Toy::default() };
    browser.show(&html::page(&toy.report()));
    Some(browser)
}

/// The plot of this name for people, in the page's own words.
fn plot(about: &str) -> String {
    format!("[...document.querySelectorAll('.plot')].find((p) => p.ariaLabel.startsWith('{about}'))")
}

const DEMAND: &str = "requests over time";
const POOLS: &str = "ready Sprites";

#[test]
fn arrow_keys_read_every_value_and_a_screen_reader_hears_it() {
    let Some(mut browser) = shown() else { return };
    browser.run(&format!("{}.focus()", plot(DEMAND)));
    browser.press("Home");
    // The protocol gives no `aria-valuetext`; that the plot is a slider with this name it does say.
    let named = |(role, name): &(String, String)| role == "slider" && name.starts_with(DEMAND);
    assert!(browser.spoken().iter().any(named), "the plot is told of");
    let heard = |browser: &mut Browser| browser.text(&format!("{}.ariaValueText", plot(DEMAND)));
    let first = heard(&mut browser);
    assert!(first.starts_with("0s to 1s: "), "{first}");
    browser.press("ArrowRight");
    assert!(heard(&mut browser).starts_with("1s to 2s: "), "{}", heard(&mut browser));
    browser.press("PageUp");
    assert!(heard(&mut browser).starts_with("11s to 12s: "), "{}", heard(&mut browser));
    browser.press("End");
    let last = heard(&mut browser);
    // What is seen is what is heard, and what the file holds.
    let seen = browser.text(&format!("{}.querySelector('.tip').textContent", plot(DEMAND)));
    let title = last.split(": ").next().expect("a title");
    assert!(seen.starts_with(title), "{seen} is not {last}");
    let hidden = browser.run(&format!("{}.querySelector('.tip').hidden", plot(DEMAND)));
    assert_eq!(hidden, json!(false));
}

#[test]
fn every_plot_and_table_is_reached_by_keyboard_and_has_a_name() {
    let Some(mut browser) = shown() else { return };
    let wanted = browser.run("document.querySelectorAll('.plot, .tall').length").as_u64().expect("a count");
    assert!(wanted >= 5, "{wanted} plots and tables");
    let mut reached = std::collections::BTreeSet::new();
    for _ in 0..200 {
        browser.press("Tab");
        let at = "document.activeElement.matches('.plot, .tall') ? document.activeElement.ariaLabel : ''";
        reached.insert(browser.text(at));
    }
    reached.remove("");
    assert_eq!(reached.len() as u64, wanted, "{reached:?}");
    for (role, name) in browser.spoken() {
        let must_have_name =
            ["button", "slider", "table", "region", "img", "heading"].contains(&role.as_str());
        assert!(!must_have_name || role == "table" || !name.is_empty(), "a {role} has no name");
    }
}

#[test]
fn a_tooltip_says_what_the_axis_says() {
    let Some(mut browser) = shown() else { return };
    // The highest bin: its tooltip's sum over outcomes, placed on the axis, is where its column ends.
    let script = format!(
        "(() => {{ const plot = {}; plot.focus();
           const data = JSON.parse(plot.parentElement.querySelector('script').textContent);
           const sums = data.rows.map((row) => data.columns.reduce((sum, c, n) => sum + (c.draw === 'stack' ? row[n + 2] : 0), 0));
           return sums.indexOf(Math.max(...sums)); }})()",
        plot(DEMAND)
    );
    let highest = browser.run(&script).as_u64().expect("an index");
    browser.press("Home");
    for _ in 0..highest / 10 {
        browser.press("PageUp");
    }
    for _ in 0..highest % 10 {
        browser.press("ArrowRight");
    }
    let arrivals = browser.text(&format!(
        "[...{}.querySelectorAll('.tip p')].find((p) => p.children[1].textContent === 'arrivals').children[2].textContent",
        plot(DEMAND)
    ));
    let arrivals: f64 = arrivals.trim_end_matches(" /s").parse().expect("a number per second");
    let place = browser.run(&format!(
        "(() => {{ const plot = {};
           const area = [...plot.querySelectorAll('.area')].map((a) => a.getBoundingClientRect().top);
           const box = plot.getBoundingClientRect();
           const ticks = [...plot.querySelectorAll('.yt')].map((t) => [parseFloat(t.style.bottom), Number(t.textContent)]);
           const last = ticks.at(-1);
           return (box.bottom - Math.min(...area)) / box.height * 100 / last[0] * last[1]; }})()",
        plot(DEMAND)
    ));
    let drawn = place.as_f64().expect("a height");
    assert!((drawn / arrivals - 1.0).abs() < 0.02, "the tooltip says {arrivals}, the axis {drawn}");
}

#[test]
fn a_range_of_time_is_chosen_by_keyboard_and_all_plots_follow() {
    let Some(mut browser) = shown() else { return };
    browser.run(&format!("{}.focus()", plot(DEMAND)));
    browser.press("Home");
    (0..9).for_each(|_| browser.press("PageUp"));
    (0..3).for_each(|_| browser.press("Shift+PageUp"));
    browser.press("Enter");
    let ranges = "[...document.querySelectorAll('.tools output')].map((o) => o.textContent)";
    let shown = browser.run(ranges);
    for range in shown.as_array().expect("plots over time") {
        assert_eq!(range, "1m 30s to 2m 1s");
    }
    let ticks =
        browser.run(&format!("[...{}.querySelectorAll('.xt')].map((t) => t.textContent)", plot(POOLS)));
    assert!(ticks.as_array().is_some_and(|ticks| ticks.contains(&json!("1m 45s"))), "{ticks}");
    browser.press("+");
    assert_ne!(browser.run(ranges), shown);
    browser.press("Escape");
    assert_eq!(browser.run(&format!("new Set({ranges}).size + {ranges}[0]")), json!("1"));
}

#[test]
fn a_series_is_left_out_and_what_is_left_has_the_room() {
    let Some(mut browser) = shown() else { return };
    let highest = format!("{}.querySelector('.yt:last-of-type').textContent", plot(DEMAND));
    let before: f64 = browser.text(&highest).parse().expect("a number");
    let switch = format!("{}.parentElement.querySelector('.legend button')", plot(DEMAND));
    assert_eq!(browser.text(&format!("{switch}.textContent")), "warm");
    browser.run(&format!("{switch}.focus()"));
    browser.press("Enter");
    assert_eq!(browser.text(&format!("{switch}.ariaPressed")), "false");
    let after: f64 = browser.text(&highest).parse().expect("a number");
    assert!(after < before, "the axis still goes up to {after}");
    let area = format!("{}.querySelector('.area.warm').getBoundingClientRect().height", plot(DEMAND));
    assert_eq!(browser.run(&area), json!(0));
    browser.press("Enter");
    assert_eq!(browser.text(&highest).parse(), Ok(before));
}

#[test]
fn a_table_is_sorted_by_any_column() {
    let Some(mut browser) = shown() else { return };
    let table = "[...document.querySelectorAll('.sortable')].at(-1)";
    let column = |browser: &mut Browser, number: u32| -> Vec<f64> {
        let cells =
            format!("[...{table}.querySelectorAll('tbody tr')].map((r) => r.cells[{number}].textContent)");
        let cells = browser.run(&cells);
        let cells = cells.as_array().expect("cells").iter();
        cells.map(|cell| cell.as_str().expect("text").replace(',', "").parse().expect("a number")).collect()
    };
    assert_eq!(column(&mut browser, 0).len(), 12);
    browser.run(&format!("{table}.querySelectorAll('th button')[2].focus()"));
    browser.press("Enter");
    let falling = column(&mut browser, 2);
    assert!(falling.is_sorted_by(|a, b| a >= b), "{falling:?}");
    assert_eq!(browser.text(&format!("{table}.querySelectorAll('th')[2].ariaSort")), "descending");
    browser.press("Enter");
    assert!(column(&mut browser, 2).is_sorted());
    browser.run(&format!("{table}.querySelector('th button').click()"));
    assert_eq!(column(&mut browser, 0), (0..12).map(f64::from).collect::<Vec<_>>());
}

#[test]
fn every_plot_and_table_gives_its_numbers_as_a_file() {
    let Some(mut browser) = shown() else { return };
    let folder = browser.folder.path().join("files");
    let allow = json!({ "behavior": "allow", "downloadPath": folder, "eventsEnabled": true });
    browser.call("Browser.setDownloadBehavior", &allow);
    let buttons = "[...document.querySelectorAll('.tools button')].filter((b) => b.textContent === 'CSV')";
    let count = browser.run(&format!("{buttons}.length")).as_u64().expect("a count");
    for index in 0..count {
        browser.run(&format!("{buttons}[{index}].click()"));
        while browser.await_event("Browser.downloadProgress")["state"] != json!("completed") {}
    }
    let rows = |name: &str| -> Vec<Vec<String>> {
        let file = folder.join(format!("launch-day-{name}.csv"));
        let mut reader =
            csv::ReaderBuilder::new().has_headers(false).from_path(&file).expect("the file is there");
        reader
            .records()
            .map(|row| row.expect("every row is as long").iter().map(str::to_owned).collect())
            .collect()
    };
    let report = Toy { workers: 12, depth: 4, ..Toy::default() }.report();
    let demand = rows("demand");
    let at = demand[0].iter().position(|name| name == "arrivals_counted").expect("a column of arrivals");
    let arrivals: u64 = demand[1..].iter().map(|row| row[at].parse::<u64>().expect("a count")).sum();
    assert_eq!(arrivals, report.timeline.rows.iter().map(|row| row.arrivals).sum::<u64>());
    assert_eq!(rows("pools").len(), report.timeline.rows.len() + 1);
    let workers = rows("workers");
    assert_eq!((workers.len(), workers[0][0].as_str()), (13, "worker"));
    for name in ["latency", "workers-over-time", "regions"] {
        assert!(rows(name).len() > 2, "{name}");
    }
}

#[test]
fn numbers_read_the_same_as_everywhere_else() {
    let Some(mut browser) = Browser::start() else { return };
    let scripts = include_str!("../src/html/scripts/format.js");
    let values: Vec<f64> = (-12..=17)
        .flat_map(|power| {
            [1.0, 1.234_567, 2.5, 5.995, 9.996, 47.3, 59.96].map(|value| value * 10_f64.powi(power))
        })
        .chain([0.0, 999.5, 0.999_96, 3_599.6e9])
        .collect();
    let calls = format!(
        "(() => {{ {scripts} return {}.map((v) => [number(v), nanos(v), share(v)]); }})()",
        json!(values)
    );
    let answers = browser.run(&calls);
    for (value, answer) in values.iter().zip(answers.as_array().expect("an answer for each")) {
        let here =
            [reports::format::number(*value), reports::format::nanos(*value), reports::format::share(*value)];
        assert_eq!(answer, &json!(here), "{value}");
    }
}

#[test]
fn the_page_asks_nobody_for_anything() {
    let page = html::page(&Toy::default().report());
    for part in ["http:", "https:", "src=", "@import", "url(", "fetch(", "XMLHttpRequest"] {
        assert!(!page.contains(part), "the page has {part}");
    }
}

/// Boxes of all labels of a kind, as left, right, top, bottom.
fn boxes(browser: &mut Browser, labels: &str) -> Vec<(String, [f64; 4])> {
    let found = browser.run(&format!(
        "[...document.querySelectorAll('{labels}')].map((e) => [e, e.getBoundingClientRect()])
           .filter(([e, b]) => b.width > 0 && getComputedStyle(e).visibility === 'visible')
           .map(([e, b]) => [e.textContent, b.left, b.right, b.top, b.bottom])"
    ));
    let side = |of: &Value, index: usize| of[index].as_f64().expect("a place");
    let found = found.as_array().expect("boxes").iter();
    found.map(|of| (of[0].to_string(), [side(of, 1), side(of, 2), side(of, 3), side(of, 4)])).collect()
}

/// A page of each kind.
fn pages() -> Vec<(&'static str, String)> {
    let toys = [42, 43, 44].map(|seed| Toy { seed, workers: 12, depth: 4, ..Toy::default() }.report());
    let (simulated, reals) = (&toys[0], &toys[1..]);
    let twin = reports::Twin::new(&simulated.summary, &[&reals[0].summary, &reals[1].summary]);
    let runs = |depth| {
        let toy = |seed| Toy { seed, depth, ..Toy::default() }.report();
        [1, 2].map(toy).to_vec()
    };
    let (shallow, deep) = (runs(4), runs(40));
    let variant = |name: &str, runs: &[reports::Report]| reports::Variant {
        name: name.to_owned(),
        runs: runs.iter().map(|run| run.summary.clone()).collect(),
    };
    let variants = [variant("shallow", &shallow), variant("a policy with a long name", &deep)];
    let comparison = reports::Comparison::new(&variants, reports::seeds::NEEDED).expect("a comparison");
    vec![
        ("run", html::page(simulated)),
        ("twin", html::twin_page(&twin, simulated, reals)),
        ("comparison", html::comparison_page(&comparison, &[&shallow[0], &deep[0]])),
    ]
}

#[test]
fn no_label_covers_another_and_no_page_is_wider_than_the_screen() {
    let Some(mut browser) = Browser::start() else { return };
    for (kind, page) in pages() {
        browser.show(&page);
        let plots = browser.run("document.querySelectorAll('.plot[role=slider]').length");
        assert!(plots.as_u64() >= Some(3), "the page of a {kind} has {plots} plots that can be read");
        labels_are_apart(&mut browser, kind);
    }
}

fn labels_are_apart(browser: &mut Browser, kind: &str) {
    for width in [400, 700, 1280] {
        browser.window(width, 900);
        browser.settle();
        for labels in [".xt", ".yt", ".mark", ".limit-label"] {
            let boxes = boxes(browser, labels);
            for (index, (a, one)) in boxes.iter().enumerate() {
                for (b, other) in &boxes[..index] {
                    let apart =
                        one[1] <= other[0] || other[1] <= one[0] || one[3] <= other[2] || other[3] <= one[2];
                    assert!(apart, "{kind}, {width} wide: {a} covers {b}");
                }
                assert!(one[0] >= 0.0 && one[1] <= f64::from(width), "{kind}, {width} wide: {a} is cut off");
            }
        }
        let wide = browser.run("document.documentElement.scrollWidth").as_u64().expect("a width");
        assert!(wide <= u64::from(width), "the page of a {kind} is {wide} wide on a screen of {width}");
    }
}

/// What is shown on: colours that the reader's system forces, no motion, paper.
#[test]
fn the_page_follows_what_it_is_shown_on() {
    let Some(mut browser) = shown() else { return };
    let keys =
        "[...document.querySelectorAll('.legend button i')].map((i) => getComputedStyle(i).backgroundColor)";
    let as_made = browser.run(keys);
    let motion = "[...document.querySelectorAll('*')].filter((e) => getComputedStyle(e).transitionDuration !== '0s').length";
    assert_ne!(browser.run(motion), json!(0), "there is motion to do without");
    browser.media("", &[("forced-colors", "active"), ("prefers-reduced-motion", "reduce")]);
    assert_eq!(browser.run(motion), json!(0));
    assert_eq!(browser.run("matchMedia('(forced-colors: active)').matches"), json!(true));
    // Keys of series keep the series' colours; those of target and of all served take the colour of text.
    let forced = browser.run(keys);
    let pairs = as_made.as_array().expect("keys").iter().zip(forced.as_array().expect("keys"));
    let kept = pairs.filter(|(one, other)| one == other).count();
    assert!(kept >= 5, "{as_made} became {forced}");
    browser.media("print", &[]);
    let hidden = "[...document.querySelectorAll('.tools, .tip, .help')].every((e) => getComputedStyle(e).display === 'none')";
    assert_eq!(browser.run(hidden), json!(true));
    let whole = "[...document.querySelectorAll('.tall')].every((e) => e.scrollHeight <= e.clientHeight)";
    assert_eq!(browser.run(whole), json!(true));
}

/// Touch has no hover: a tap leaves the readout standing.
#[test]
fn a_tap_shows_values_and_keeps_them() {
    let Some(mut browser) = shown() else { return };
    let place = browser.run(&format!(
        "(() => {{ const plot = {}; plot.scrollIntoView({{ block: 'center' }});
           const box = plot.getBoundingClientRect();
           return [box.left + box.width / 2, box.top + box.height / 2]; }})()",
        plot(POOLS)
    ));
    let point = json!({ "x": place[0], "y": place[1] });
    browser.call("Emulation.setTouchEmulationEnabled", &json!({ "enabled": true }));
    browser.call("Input.dispatchTouchEvent", &json!({ "type": "touchStart", "touchPoints": [point] }));
    browser.call("Input.dispatchTouchEvent", &json!({ "type": "touchEnd", "touchPoints": [] }));
    browser.settle();
    let tip = browser.text(&format!(
        "(() => {{ const tip = {}.querySelector('.tip'); return tip.hidden ? '' : tip.textContent; }})()",
        plot(POOLS)
    ));
    assert!(tip.contains("ready, mean") && tip.contains("target"), "the tap shows {tip:?}");
}

#[test]
fn civil_time_is_read_out_and_in_files_where_the_clock_is_set() {
    let Some(mut browser) = Browser::start() else { return };
    let mut report = Toy { demand: vec![(3_600, 1.0)], ..Toy::default() }.report();
    report.summary.begins = Some("2026-01-05T09:12:00Z".to_owned());
    browser.show(&html::page(&report));
    browser.run(&format!("{}.focus()", plot(POOLS)));
    browser.press("Home");
    let heard = browser.text(&format!("{}.ariaValueText", plot(POOLS)));
    assert!(heard.starts_with("Mon 5 Jan 09:12:00 UTC, 0s to 10s: "), "{heard}");
    let ticks =
        browser.run(&format!("[...{}.querySelectorAll('.xt')].map((t) => t.textContent)", plot(POOLS)));
    assert!(ticks.as_array().is_some_and(|ticks| ticks.contains(&json!("09:30"))), "{ticks}");
}

#[test]
fn a_text_can_be_copied() {
    let Some(mut browser) = Browser::start() else { return };
    let page = html::page(&Toy::default().report())
        .replace("</main>", "<pre tabindex=\"0\">name = \"spike\"</pre></main>");
    browser.show(&page);
    let allow = json!({ "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"] });
    browser.call("Browser.grantPermissions", &allow);
    browser.run("document.querySelector('.copyable button').click()");
    browser.run("new Promise((done) => setTimeout(done, 100))");
    assert_eq!(browser.text("document.querySelector('.copyable button').textContent"), "Copied");
    let kept = browser.run("navigator.clipboard.readText()");
    assert_eq!(kept, json!("name = \"spike\""));
}
