//! Files are read in the sense of their author: each test is a small input that has another reading, and the
//! value that is right.

use actors::Duration;
use scenarios::{Arrival, DemandError, Scenario};

/// A scenario that replays this text with these keys in [demand], and its folder, which must live as long.
fn scenario_of(bytes: &[u8], text: &str) -> (tempfile::TempDir, Scenario) {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::write(dir.path().join("trace"), bytes).expect("written");
    let file = dir.path().join("a.toml");
    std::fs::write(&file, format!("[demand]\ntrace = \"trace\"\n{text}")).expect("written");
    let scenario = Scenario::load(&file, &[]).unwrap_or_else(|error| panic!("{error}"));
    (dir, scenario)
}

fn all(scenario: &Scenario) -> Result<Vec<Arrival>, DemandError> {
    let mut arrivals = scenario.arrivals()?;
    let mut all = Vec::new();
    while let Some(arrival) = arrivals.next()? {
        all.push(arrival);
    }
    Ok(all)
}

fn replay(bytes: &[u8], text: &str) -> Vec<Arrival> {
    let (_dir, scenario) = scenario_of(bytes, text);
    all(&scenario).unwrap_or_else(|error| panic!("{error}"))
}

/// The error without the folder it happened in.
fn error_of(bytes: &[u8], text: &str) -> String {
    let (_dir, scenario) = scenario_of(bytes, text);
    let text = all(&scenario).expect_err("a trace that is refused").to_string();
    text[text.find("/trace").map_or(0, |slash| slash + 1)..].to_owned()
}

/// The first line of each warning, without the folder, and the remedies.
fn warnings_of(bytes: &[u8], text: &str) -> Vec<String> {
    let (_dir, scenario) = scenario_of(bytes, text);
    let of = |warning: &scenarios::Warning| {
        let text = warning.to_string();
        text[text.find("/trace:").map_or(0, |slash| slash + 1)..].to_owned()
    };
    scenario.warnings().iter().map(of).collect()
}

fn seconds(all: &[Arrival]) -> Vec<f64> {
    all.iter().map(|arrival| arrival.request.arrived.as_secs_f64()).collect()
}

fn lifetimes(all: &[Arrival]) -> Vec<f64> {
    all.iter().map(|arrival| arrival.request.lifetime.as_secs_f64()).collect()
}

#[test]
fn json_lines_with_the_names_of_a_journal_are_not_one() {
    let rows = b"{\"at\":0,\"key\":\"a\",\"lifetime\":30}\n{\"at\":10,\"key\":\"b\",\"lifetime\":20}\n";
    assert_eq!(seconds(&replay(rows, "")), [0.0, 10.0]);
    assert_eq!(seconds(&replay(rows, "unit = \"ms\"")), [0.0, 0.01]);
    assert_eq!(lifetimes(&replay(rows, "lifetimes = \"trace\"")), [30.0, 20.0]);
    assert_eq!(seconds(&replay(rows, "format = \"journal\"")), [0.0, 1e-8]);
    let marked = [&b"{\"journal\":\"warmpool\",\"version\":1}\n"[..], rows].concat();
    assert_eq!(seconds(&replay(&marked, "")), [0.0, 1e-8]);
    assert_eq!(seconds(&replay(&marked, "format = \"journal\"")), [0.0, 1e-8]);
    assert!(
        error_of(&marked, "unit = \"ms\"")
            .contains("`demand.unit` is not for traces in the format `journal`")
    );
}

#[test]
fn a_trace_with_civil_times_sets_the_clock() {
    let rows = b"at\n2026-01-08T10:00:00+01:00\n2026-01-08T09:10:00Z\n";
    let begins = |bytes: &[u8], text: &str| scenario_of(bytes, text).1.clock.begins.to_string();
    assert_eq!(begins(rows, "unit = \"rfc3339\""), "2026-01-08T09:00:00Z");
    let given = "unit = \"rfc3339\"\n[clock]\nbegins = \"2020-01-01T00:00:00Z\"";
    assert_eq!(begins(rows, given), "2020-01-01T00:00:00Z");
    let llm = b"TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46.6805900,374,44\n";
    assert_eq!(begins(llm, ""), "2023-11-16T18:15:46.68059Z");
    let unordered = b"at\n2026-01-08T09:10:00Z\n2026-01-08T09:00:00Z\n";
    assert_eq!(begins(unordered, "unit = \"rfc3339\"\norder = \"sort\""), "2026-01-08T09:00:00Z");
    assert_eq!(begins(b"at\n5\n", ""), "2026-01-05T00:00:00Z");
    let (_dir, scenario) = scenario_of(rows, "unit = \"rfc3339\"");
    let explained = scenario.explain().expect("it is written");
    assert!(explained.contains("begins = \"2026-01-08T09:00:00Z\"  # from the trace\n"), "{explained}");
    // A run that begins at this hour is in the window of a schedule.
    assert_eq!(scenario.epoch(), scenario.clock.begins.0);
}

#[test]
fn each_column_has_its_own_unit() {
    let rows = b"{\"t\":\"2026-01-05T08:00:00Z\",\"ms\":250}\n{\"t\":\"2026-01-05T08:00:01Z\",\"ms\":1500}\n";
    let keys = |unit: &str| {
        format!("columns = {{ at = \"t\", lifetime = \"ms\" }}\nlifetimes = \"trace\"\nunit = {unit}")
    };
    let all = replay(rows, &keys("{ at = \"rfc3339\", lifetime = \"ms\" }"));
    assert_eq!((seconds(&all), lifetimes(&all)), (vec![0.0, 1.0], vec![0.25, 1.5]));
    assert_eq!(warnings_of(rows, &keys("{ at = \"rfc3339\", lifetime = \"ms\" }")), [""; 0]);
    assert_eq!(
        warnings_of(rows, &keys("\"rfc3339\"")),
        [
            "trace:1: `ms` is read in seconds, for `unit` only says that `t` is a date\n  say it with `unit = { at = \
          \"rfc3339\", lifetime = \"s\" }` in [demand], or ms, us or ns"
        ]
    );
    let numbers = b"at,lifetime\n0,30\n500,40\n";
    let all = replay(numbers, "unit = \"ms\"\nlifetimes = \"trace\"");
    assert_eq!((seconds(&all), lifetimes(&all)), (vec![0.0, 0.5], vec![0.03, 0.04]));
}

#[test]
fn counts_per_interval_are_so_many_requests() {
    let rows = b"at,count\n0,120\n60,0\n120,240\n";
    let counted = "columns = { count = \"count\" }\n";
    let all = replay(rows, &format!("{counted}arrivals = \"even\""));
    assert_eq!(all.len(), 360);
    let times = seconds(&all);
    assert_eq!((times[0], times[1], times[119], times[120], times[121]), (0.0, 0.5, 59.5, 120.0, 120.25));
    assert_eq!(*times.last().expect("rows"), 179.75);
    let poisson = seconds(&replay(rows, counted));
    assert_eq!(poisson.len(), 360);
    assert!(
        poisson.is_sorted()
            && poisson.iter().all(|at| (0.0..60.0).contains(at) || (120.0..180.0).contains(at))
    );
    assert_eq!(warnings_of(rows, counted), [""; 0]);
    let warnings = warnings_of(rows, "");
    assert!(
        warnings[0].starts_with("trace:1: the column `count` is not read, and each row is one request\n"),
        "{warnings:?}"
    );
    assert!(warnings[0].contains("`columns = { count = \"count\" }`"), "{warnings:?}");
    // Keys share an interval; the last one is as long as the one before, or as long as is said.
    let keyed = b"{\"t\":0,\"who\":\"a\",\"n\":2}\n{\"t\":0,\"who\":\"b\",\"n\":1}\n{\"t\":10,\"who\":\"b\",\"n\":2}\n";
    let columns = "columns = { at = \"t\", key = \"who\", count = \"n\" }\narrivals = \"even\"\n";
    let all = replay(keyed, &format!("{columns}interval = \"4s\""));
    assert_eq!(seconds(&all)[3..], [10.0, 12.0]);
    let keys: Vec<u32> = all.iter().map(|arrival| arrival.request.key.0).collect();
    assert_eq!(keys, [0, 1, 0, 1, 1]);
    assert_eq!(
        error_of(b"at,n\n5,7\n", "columns = { count = \"n\" }"),
        "trace:2: nothing says how long the only interval of this trace is\n  give `interval = \"1m\"` in [demand]"
    );
    assert_eq!(replay(b"at,n\n5,7\n", "columns = { count = \"n\" }\ninterval = \"1m\"").len(), 7);
    assert_eq!(
        error_of(b"at,n\n0,1.5\n", "columns = { count = \"n\" }\ninterval = \"1m\""),
        "trace:2: `1.5` is not a count of requests (`n`)\n  give whole numbers from 0 to 5000000, of requests since the row before"
    );
}

#[test]
fn samples_of_a_metric_are_told_from_arrivals() {
    let scraped =
        b"at,instance,value\n0,a,17\n0,b,3\n15,a,18\n15,b,3\n30.01,a,18\n30.01,b,4\n45,a,21\n45,b,9\n";
    let warnings = warnings_of(scraped, "");
    assert!(
        warnings[0].starts_with("trace:1: the rows are evenly spaced and have a column `value`"),
        "{warnings:?}"
    );
    assert_eq!(warnings_of(b"at,value\n0,17\n3,18\n19,18\n20,21\n", ""), [""; 0]);
    assert_eq!(warnings_of(b"at,tenant\n0,17\n15,18\n30,18\n45,21\n", ""), [""; 0]);
}

#[test]
fn an_end_says_how_long_a_request_lasts() {
    let rows = b"started,finished\n2026-01-05T08:00:00Z,2026-01-05T08:05:00Z\n2026-01-05T08:01:00Z,\n";
    let columns = "columns = { at = \"started\", end = \"finished\" }\nunit = \"rfc3339\"\n";
    let all = replay(rows, &format!("{columns}lifetimes = \"trace\"\n[sprite]\nlifetime = \"1m\""));
    assert_eq!((seconds(&all), lifetimes(&all)), (vec![0.0, 60.0], vec![300.0, 60.0]));
    let warnings = warnings_of(rows, &format!("{columns}[sprite]\nlifetime = \"1m\""));
    assert!(warnings[0].contains("`finished` is named in `columns` and not used"), "{warnings:?}");
    let mixed = b"at,end\n1767600000,2026-01-05T08:00:09Z\n";
    let unit = "columns = { end = \"end\" }\nunit = { at = \"s\", end = \"rfc3339\" }\nlifetimes = \"trace\"";
    assert_eq!(lifetimes(&replay(mixed, unit)), [9.0]);
    assert_eq!(
        error_of(b"at,end\n5,4\n", "columns = { end = \"end\" }\nlifetimes = \"trace\""),
        "trace:2: `end` (4) is before `at` (5)\n  mend the row, or check `columns` and `unit` in [demand]"
    );
}

#[test]
fn columns_are_separated_by_what_separates_them() {
    for text in ["at;key\n0;a,b\n1;c\n", "at\tkey\n0\ta,b\n1\tc\n", "at,key\n0,\"a,b\"\n1,c\n"] {
        let all = replay(text.as_bytes(), "");
        assert_eq!(seconds(&all), [0.0, 1.0], "{text}");
        assert_eq!(all.iter().map(|arrival| arrival.request.key.0).collect::<Vec<_>>(), [0, 1], "{text}");
    }
    assert_eq!(seconds(&replay(b"at|x\n0|a\n1|b\n", "delimiter = \"|\"")), [0.0, 1.0]);
    assert_eq!(seconds(&replay(b"x;y,at\n5;6,0\n7;8,1\n", "")), [0.0, 1.0]);
    assert_eq!(
        error_of(b"at;x\n0,5;a\n", ""),
        "trace:2: `0,5` is not a number of s (`at`)\n  write decimals with a point"
    );
}

#[test]
fn comments_and_rows_without_a_time_are_left_out_where_asked() {
    let rows = b"# exported\nat,key\n0,a\n# half\n,b\n1,c\n";
    assert_eq!(seconds(&replay(rows, "comment = \"#\"\nempty = \"skip\"")), [0.0, 1.0]);
    assert_eq!(
        error_of(rows, "comment = \"#\""),
        "trace:5: `at` is empty\n  complete the row, or leave out such rows with `empty = \"skip\"` in [demand]"
    );
    assert!(error_of(rows, "").ends_with("say so with `comment = \"#\"` in [demand]"));
    let objects = b"{\"at\":0}\n{\"at\":null}\n{\"other\":1}\n{\"at\":\"\"}\n{\"at\":2}\n";
    assert_eq!(seconds(&replay(objects, "empty = \"skip\"")), [0.0, 2.0]);
}

#[test]
fn zones_are_read_however_they_stand_and_other_dates_are_named() {
    let rows = b"at\n2026-01-05 08:00:00 UTC\n2026-01-05 10:00:01 +02:00\n2026-01-05 08:00:02 +0000\n";
    assert_eq!(seconds(&replay(rows, "unit = \"rfc3339\"")), [0.0, 1.0, 2.0]);
    assert_eq!(
        error_of(b"at\n07/31/2026 08:00:00\n", "unit = \"rfc3339\""),
        "trace:2: `07/31/2026 08:00:00` is not a date and time (`at`)\n  write the year first, as in \
         \"2026-07-31 08:00:00\" or \"2026-07-31T08:00:00+02:00\""
    );
    assert_eq!(
        error_of(b"at\n2026-07-31T08:00:00Z\n", ""),
        "trace:2: `2026-07-31T08:00:00Z` is not a number of s (`at`)\n  dates are read with `unit = \"rfc3339\"` in [demand]"
    );
    assert_eq!(
        error_of(b"at\n17\n", "unit = \"rfc3339\""),
        "trace:2: `17` is not a date and time (`at`)\n  numbers are read with `unit = \"s\"`, or ms, us or ns, in [demand]"
    );
}

#[test]
fn a_field_that_is_not_there_is_named_with_those_that_are() {
    assert_eq!(
        error_of(b"{\"timestamp\":0,\"n\":1}\n", ""),
        "trace:1: this object has no field `at`\n  there are `n`, `timestamp`; name the right one with `columns = { at = \
         \"...\" }` in [demand]"
    );
    let nested = b"{\"event\":{\"time\":7,\"user\":{\"id\":\"x\"}}}\n{\"event\":{\"time\":9,\"user\":{\"id\":\"y\"}}}\n";
    let error = error_of(nested, "columns = { at = \"event.tme\" }");
    assert!(error.contains("did you mean `event.time`? there are `event.time`, `event.user.id`;"), "{error}");
    let all = replay(nested, "columns = { at = \"event.time\", key = \"event.user.id\" }");
    assert_eq!((seconds(&all), all[1].request.key.0), (vec![0.0, 2.0], 1));
    let dotted = b"{\"event.time\":7}\n{\"event.time\":8}\n";
    assert_eq!(seconds(&replay(dotted, "columns = { at = \"event.time\" }")), [0.0, 1.0]);
    assert_eq!(
        error_of(b"when,who\n0,a\n", "columns = { key = \"who\" }"),
        "trace:1: the heading has no column `at`\n  there are `when`, `who`; name the right one with `columns = { at = \
         \"...\" }` in [demand]"
    );
}

#[test]
fn compressed_traces_are_read_and_other_files_are_named() {
    let text = b"at\n0\n1\n";
    let zstd = ruzstd::encoding::compress_to_vec(&text[..], ruzstd::encoding::CompressionLevel::Fastest);
    assert_eq!(seconds(&replay(&zstd, "")), [0.0, 1.0]);
    for (bytes, says) in [
        (&b"\xfd7zXZ\0\0\x04"[..], "compressed with xz\n  decompress it with `xz -dk FILE`"),
        (b"BZh91AY&SY", "compressed with bzip2\n"),
        (b"PK\x03\x04\x14\0", "a zip archive\n"),
        (b"\x04\x22\x4d\x18\x64", "compressed with lz4\n"),
        (b"\xff\xfea\0t\0\n\0", "text in UTF-16\n  convert it with `iconv -f UTF-16 -t UTF-8 FILE`"),
    ] {
        let error = error_of(bytes, "");
        assert!(error.starts_with(&format!("trace: the trace is {says}")), "{error}");
    }
}

#[test]
fn times_lose_no_digit_whatever_the_unit() {
    let rows =
        b"{\"at\":1700000000.123456789,\"lifetime\":0.1}\n{\"at\":1700000000.123456790,\"lifetime\":0.1}\n";
    let all = replay(rows, "unit = { at = \"s\", lifetime = \"us\" }\nlifetimes = \"trace\"");
    assert_eq!(all[1].request.arrived.as_nanos(), 1);
    assert_eq!(all[0].request.lifetime, Duration::from_nanos(100));
}
