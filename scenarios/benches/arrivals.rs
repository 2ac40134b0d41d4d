//! What one arrival costs: `cargo bench -p scenarios`.

use std::hint::black_box;
use std::io::Write;
use std::time::Instant;

use scenarios::Scenario;

fn measure(name: &str, scenario: &Scenario) {
    let mut best = f64::INFINITY;
    let mut count = 0u64;
    for _ in 0..5 {
        let begun = Instant::now();
        let mut arrivals = scenario.arrivals().expect("arrivals");
        count = 0;
        while let Some(arrival) = arrivals.next().expect("arrivals") {
            black_box(arrival);
            count += 1;
        }
        best = best.min(begun.elapsed().as_nanos() as f64 / count as f64);
    }
    println!("{name:<44} {count:>9} arrivals  {best:>7.1} ns each");
}

fn stages(demand: &str, more: &str) -> Scenario {
    let text = format!("{more}\n[[demand]]\n{demand}\n");
    Scenario::parse(&text, "bench.toml", &[]).unwrap_or_else(|error| panic!("{error}"))
}

fn main() {
    let constant = "to = 10000\nfor = \"100s\"";
    measure("poisson, constant rate", &stages(constant, ""));
    measure("poisson, ramp", &stages("from = 0\nto = 20000\nfor = \"100s\"", ""));
    measure("even", &stages("to = 10000\nfor = \"100s\"\narrivals = \"even\"", ""));
    measure("bursts of 20", &stages("to = 10000\nfor = \"100s\"\narrivals = { bursts_of = 20 }", ""));
    let more = "[sprite]\nlifetime = { p50 = \"5s\", p99 = \"1m\" }\n[tenants]\ncount = 1000\nskew = 1.0";
    measure("poisson, lognormal lifetimes, 1,000 tenants", &stages(constant, more));

    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    let mut out = std::io::BufWriter::new(file.reopen().expect("a temporary file"));
    writeln!(out, "app,func,end_timestamp,duration").expect("written");
    for row in 0..2_000_000u64 {
        let (end, duration) = (row as f64 * 0.6 + 100.0, (row * 7_919 % 100_003) as f64 / 1_000.0);
        writeln!(out, "{:064x},{:064x},{end},{duration}", row % 119, row % 424).expect("written");
    }
    out.flush().expect("written");
    let text = format!("[demand]\ntrace = {:?}", file.path().display().to_string());
    let scenario = Scenario::parse(&text, "bench.toml", &[]).unwrap_or_else(|error| panic!("{error}"));
    measure("azure-functions-2021, sorted on disk", &scenario);
}
