//! Distributions as reports and tools give them: each small file has the values that it says.

use actors::random::Purpose;
use actors::{Duration, Rng};
use scenarios::{Distribution, Sampler, Scenario};

fn scenario(dir: &std::path::Path, boot: &str) -> Result<Scenario, String> {
    let file = dir.join("a.toml");
    std::fs::write(&file, format!("[latency]\nboot = {boot}\n[[demand]]\nto = 1\nfor = \"1m\"\n"))
        .expect("written");
    Scenario::load(&file, &[]).map_err(|error| error.to_string())
}

fn boot(scenario: &Scenario) -> Sampler {
    let [boot]: &[Distribution] = scenario.latency.boot.as_slice() else { panic!("one distribution") };
    boot.sampler(scenario.base()).expect("it was checked")
}

fn of(name: &str, bytes: &[u8], rest: &str) -> Result<Vec<u64>, String> {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::write(dir.path().join(name), bytes).expect("written");
    let scenario = scenario(dir.path(), &format!("{{ histogram = \"{name}\"{rest} }}"))?;
    let sampler = boot(&scenario);
    let mut rng = Rng::stream(1, Purpose::Boots, 0);
    let mut values: Vec<u64> = (0..1_000).map(|_| sampler.sample(&mut rng).as_nanos()).collect();
    values.sort_unstable();
    values.dedup();
    Ok(values)
}

#[test]
fn percentiles_of_a_report_are_those_of_the_draws() {
    let dir = tempfile::tempdir().expect("a folder");
    let scenario =
        scenario(dir.path(), "{ p50 = \"1.4s\", p90 = \"1.9s\", \"p99.9\" = \"6s\" }").expect("it reads");
    let sampler = boot(&scenario);
    let mut rng = Rng::stream(1, Purpose::Boots, 0);
    let mut values: Vec<Duration> = (0..200_000).map(|_| sampler.sample(&mut rng)).collect();
    values.sort_unstable();
    for (share, expected) in [(0.5, 1.4), (0.9, 1.9), (0.999, 6.0)] {
        let found = values[(values.len() as f64 * share) as usize].as_secs_f64();
        assert!((found / expected - 1.0).abs() < 0.05, "{share}: {found}");
    }
    let explained = scenario.explain().expect("it is written");
    assert!(explained.contains("boot = { p50 = \"1.4s\", p90 = \"1.9s\", p999 = \"6s\" }"), "{explained}");
    let again = Scenario::parse(&explained, "again.toml", &[]).expect("it reads back");
    assert_eq!(again, scenario);
}

/// Made by hand in the encoding of 2014: ten values of 7.
#[test]
fn an_old_interval_log_is_read() {
    let log = "#[Histogram log format version 1.1]\n\
        \"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"\n\
        0.1,1.0,0.01,HISTggAAACJ4nJNpmdzIwMDgwAABzFCaEURcm7yEwf4DAzUAFwC2WQU/\n";
    let values = of("old.hlog", log.as_bytes(), "").expect("it reads");
    assert_eq!(values, [7]);
    let in_us = of("old.hlog", log.as_bytes(), ", unit = \"us\"").expect("it reads");
    assert_eq!(in_us, [7_000]);
}

#[test]
fn a_log_of_another_version_is_named() {
    let error = of("new.hlog", b"#[Histogram log format version 2.0]\n0.1,1.0,0.01,HISTx\n", "")
        .expect_err("unknown");
    assert!(
        error.contains(
            "new.hlog`, line 1, is an HdrHistogram log of version 2.0\n  write it as version 1.0 to 1.3"
        ),
        "{error}"
    );
}

#[test]
fn a_percentile_distribution_is_read_in_its_unit() {
    let rows = "       Value     Percentile TotalCount 1/(1-Percentile)\n\n       1.500 0.500000000000          2           2.00\n      \
                20.000 1.000000000000          3          inf\n";
    assert_eq!(of("a.hgrm", rows.as_bytes(), ", unit = \"ms\"").expect("it reads"), [1_500_000, 20_000_000]);
    let wrk2 = format!(
        "  Latency Distribution (HdrHistogram - Recorded Latency)\n 50.000%    1.50ms\n\n  Detailed Percentile spectrum:\n{rows}"
    );
    assert_eq!(of("wrk2.txt", wrk2.as_bytes(), "").expect("it reads"), [1_500_000, 20_000_000]);
    let error = of("a.hgrm", rows.as_bytes(), "").expect_err("no unit");
    assert!(
        error.contains("does not say the unit of its values\n  say it beside `histogram`: unit = \"ms\""),
        "{error}"
    );
}

#[test]
fn recorded_files_may_be_compressed_and_others_are_named() {
    let rows = b"Value Percentile TotalCount 1/(1-Percentile)\n2.0 1.0 1 inf\n";
    let zstd = ruzstd::encoding::compress_to_vec(&rows[..], ruzstd::encoding::CompressionLevel::Fastest);
    assert_eq!(of("a.hgrm.zst", &zstd, ", unit = \"ms\"").expect("it reads"), [2_000_000]);
    let error = of("a.hlog.xz", b"\xfd7zXZ\0\0\x04", "").expect_err("xz");
    assert!(
        error.contains("a.hlog.xz` is compressed with xz\n  decompress it with `xz -dk FILE`"),
        "{error}"
    );
}
