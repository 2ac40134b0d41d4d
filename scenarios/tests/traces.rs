//! Traces: every format gives the requests that it holds, in order, and says where it is broken.

use std::io::Write;
use std::path::{Path, PathBuf};

use actors::{Duration, Time};
use flate2::Compression;
use flate2::write::GzEncoder;
use scenarios::{Arrival, DemandError, Scenario};

/// Replays a text with these keys in [demand].
fn replay_bytes(bytes: &[u8], keys: &str) -> Result<Vec<Arrival>, DemandError> {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::write(dir.path().join("trace"), bytes).expect("written");
    let file = dir.path().join("a.toml");
    std::fs::write(&file, format!("[demand]\ntrace = \"trace\"\n{keys}")).expect("written");
    collect(&Scenario::load(&file, &[]).unwrap_or_else(|error| panic!("{error}")))
}

fn replay(text: &str, keys: &str) -> Vec<Arrival> {
    replay_bytes(text.as_bytes(), keys).unwrap_or_else(|error| panic!("{error}"))
}

fn collect(scenario: &Scenario) -> Result<Vec<Arrival>, DemandError> {
    let mut arrivals = scenario.arrivals()?;
    let mut all = Vec::new();
    while let Some(arrival) = arrivals.next()? {
        all.push(arrival);
    }
    Ok(all)
}

/// The error without the folder it happened in.
fn error_of(text: &str, keys: &str) -> String {
    let error = replay_bytes(text.as_bytes(), keys).expect_err("a broken trace");
    let text = error.to_string();
    let start = text.find("/trace").map_or(0, |slash| slash + 1);
    text[start..].to_owned()
}

fn times(all: &[Arrival]) -> Vec<u64> {
    all.iter().map(|arrival| arrival.request.arrived.as_nanos()).collect()
}

fn keys(all: &[Arrival]) -> Vec<u32> {
    all.iter().map(|arrival| arrival.request.key.0).collect()
}

/// A trace that lies beside the project; `None`, with the reason printed, where it does not.
fn shared(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/traces").join(name);
    let path = std::env::var_os("WARMPOOL_TRACES").map_or(path, |folder| Path::new(&folder).join(name));
    support::has(&support::Need::Trace(path.clone())).then_some(path)
}

fn replay_file(path: &Path, keys: &str) -> Vec<Arrival> {
    let text = format!("[demand]\ntrace = {:?}\n{keys}", path.display().to_string());
    let scenario = Scenario::parse(&text, "a.toml", &[]).unwrap_or_else(|error| panic!("{error}"));
    collect(&scenario).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn azure_llm_is_read_to_the_last_decimal() {
    let text = "TIMESTAMP,ContextTokens,GeneratedTokens\n\
                2023-11-16 18:15:46.6805900,374,44\n2023-11-16 18:15:50.9951690,396,109\n";
    let all = replay(text, "");
    assert_eq!(times(&all), [0, 4_314_579_000]);
    assert_eq!(all[1].request.id, 1);
    let with_offset = "TIMESTAMP,ContextTokens,GeneratedTokens\n\
                       2024-05-10 00:00:00.009930+00:00,1,2\n2024-05-10T00:00:01.009931Z,1,2\n";
    assert_eq!(times(&replay(with_offset, "")), [0, 1_000_001_000]);
}

#[test]
fn azure_functions_2021_arrive_before_they_end() {
    let text = "app,func,end_timestamp,duration\na,f,10,9.5\nb,g,10.25,0.25\na,f,10.5,10.25\n";
    let all = replay(text, "lifetimes = \"trace\"");
    assert_eq!(times(&all), [0, 250_000_000, 9_750_000_000]);
    assert_eq!(keys(&all), [0, 0, 1]);
    let lifetimes: Vec<u64> =
        all.iter().map(|arrival| arrival.request.lifetime.as_nanos() / 1_000_000).collect();
    assert_eq!(lifetimes, [10_250, 9_500, 250]);
    assert!(replay(text, "").iter().all(|arrival| arrival.request.lifetime == Duration::ZERO));
}

#[test]
fn azure_functions_2019_keep_their_counts() {
    let text = "HashOwner,HashApp,HashFunction,Trigger,1,2,3\no,a,f,queue,0,2,0\no,b,g,http,0,2,3\n";
    let even = replay(text, "arrivals = \"even\"");
    let minute = 60_000_000_000;
    let expected =
        [0, minute / 4, minute / 2, minute / 4 * 3, minute, minute + minute / 3, minute + minute / 3 * 2];
    assert_eq!(times(&even), expected);
    assert_eq!(keys(&even), [0, 1, 0, 1, 1, 1, 1]);
    let poisson = replay(text, "");
    assert_eq!(poisson.len(), 7);
    assert_eq!(times(&poisson)[0], 0);
    assert!(times(&poisson).is_sorted());
    let bursts = times(&replay(text, "arrivals = { bursts_of = 3 }"));
    assert_eq!(bursts[4], bursts[6]);
}

#[test]
fn csv_takes_the_columns_that_it_is_told() {
    let keys_ = "columns = { at = \"when\", key = \"who\", lifetime = \"used\" }\nunit = \"ms\"\nlifetimes = \"trace\"";
    let all = replay("who,when,used\n\"x, y\",1.5,2\nz,1.5,\n\"x, y\",4,0\n", keys_);
    assert_eq!(times(&all), [0, 0, 2_500_000]);
    assert_eq!(keys(&all), [0, 1, 0]);
    let lifetimes: Vec<u64> = all.iter().map(|arrival| arrival.request.lifetime.as_nanos()).collect();
    assert_eq!(lifetimes, [2_000_000, 0, 1]);
    assert_eq!(times(&replay("at,key\n5,a\n7,b\n", "")), [0, 2_000_000_000]);
    let dates = "at\n2026-01-05T00:00:00Z\n2026-01-05T01:00:00.5+01:00\n";
    assert_eq!(times(&replay(dates, "unit = \"rfc3339\"")), [0, 500_000_000]);
}

#[test]
fn json_lines_and_journals_are_read() {
    let journal = "{\"journal\":\"warmpool\",\"version\":1}\n{\"at\":1000,\"key\":\"a\",\"lifetime\":5}\n{\"at\":1001,\"key\":\"b\",\"lifetime\":6}\n";
    let all = replay(journal, "lifetimes = \"trace\"");
    assert_eq!((times(&all), keys(&all)), (vec![0, 1], vec![0, 1]));
    assert_eq!(all[1].request.lifetime, Duration::from_nanos(6));
    let other =
        "{\"t\":1700000000.000000001,\"user\":{\"id\":3}}\n{\"t\":1700000000.000000003,\"user\":null}\n";
    let columns = "columns = { at = \"t\", key = \"user\" }";
    assert_eq!(times(&replay(other, columns)), [0, 2]);
}

#[test]
fn a_path_in_a_file_counts_from_its_folder_and_one_on_the_command_line_from_here() {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::write(dir.path().join("trace.csv"), "at\n1\n").expect("written");
    let file = dir.path().join("a.toml");
    std::fs::write(&file, "[demand]\ntrace = \"trace.csv\"").expect("written");
    let load = |overrides: &[String]| Scenario::load(&file, overrides);
    assert_eq!(collect(&load(&[]).expect("it reads")).expect("a row").len(), 1);
    // Tests run in the folder of this crate, where there is no such file, but a README.
    let error = load(&["demand.trace=trace.csv".to_owned()]).expect_err("it is not here");
    assert!(
        error.to_string().starts_with("--set demand.trace=trace.csv: `demand.trace` names `/"),
        "{error}"
    );
    load(&["demand.trace=README.md".to_owned()]).expect("it is here");
}

#[test]
fn gzip_is_read_like_plain_text() {
    let text = "at\n1\n2\n3\n";
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).expect("in memory");
    let bytes = encoder.finish().expect("in memory");
    assert_eq!(replay_bytes(&bytes, "").expect("it reads"), replay(text, ""));
}

#[test]
fn broken_traces_say_where_and_what_to_do() {
    assert_eq!(
        error_of("at,key\n1,a\nsoon,b\n", ""),
        "trace:3: `soon` is not a number of s (`at`)\n  mend the row, or check `unit` in [demand]"
    );
    assert_eq!(
        error_of("at,key\n1,a\n2\n", ""),
        "trace:3: the row has no `key`\n  complete the row, or remove it"
    );
    assert_eq!(
        error_of("at\n5\n9\n7.5\n", ""),
        "trace:4: this row arrives 2.5s after the first and the row above it 4s after the first: the trace is not in \
         the order of time\n  have it sorted with `order = \"sort\"` in [demand]"
    );
    let empty = "trace: the trace is empty: it holds no request\n  name a trace with rows, or describe the demand \
                 with [[demand]] stages";
    assert_eq!(error_of("", ""), empty);
    assert_eq!(error_of("\n\n", ""), empty);
    assert_eq!(error_of("at,key\n", ""), empty);
    assert_eq!(error_of("HashOwner,HashApp,HashFunction,Trigger,1,2\no,a,f,t,0,0\n", ""), empty);
    assert_eq!(
        error_of("time,key\n1,a\n", "columns = { at = \"tmie\" }"),
        "trace:1: the heading has no column `tmie`\n  did you mean `time`? there are `time`, `key`; name the right one with `columns = \
         { at = \"time\" }` in [demand]"
    );
    assert!(
        error_of("x,y\n1,2\n", "")
            .starts_with("trace:1: the format cannot be told from the first line, `x,y`\n")
    );
    assert_eq!(
        error_of("{\"at\":1}\n{\"at\":}\n", ""),
        "trace:2: this is not a JSON object: expected value (column 7)\n  mend the line, or remove it"
    );
    assert_eq!(
        error_of("app,func,end_timestamp,duration\na,f,1,-2\n", ""),
        "trace:2: `-2` is not a length of time, zero or more (`duration`)\n  mend the row, or check `unit` in [demand]"
    );
    assert_eq!(
        error_of("HashOwner,HashApp,HashFunction,Trigger,1,2\no,a,f,t,1,x\n", ""),
        "trace:2: minute 2 has `x`, which is not a count\n  give whole numbers from 0 to 5000000"
    );
}

#[test]
fn a_trace_out_of_order_is_sorted_where_asked() {
    assert_eq!(
        times(&replay("at\n5\n9\n7.5\n5\n", "order = \"sort\"")),
        [0, 0, 2_500_000_000, 4_000_000_000]
    );
}

#[test]
fn what_a_heading_or_a_row_has_too_much_or_too_little_is_an_error() {
    const MINUTES: &str = "HashOwner,HashApp,HashFunction,Trigger,1,2,3\n";
    const REMEDY: &str = "complete the row, or put quotes around a field that has a comma in it";
    for row in ["o,a,f,queue,1,2", "o,a,f,queue", "o,a,f,queue,1,2,3,4"] {
        let count = row.split(',').count();
        let expected = format!("trace:2: the row has {count} fields, and the heading has 7\n  {REMEDY}");
        assert_eq!(error_of(&format!("{MINUTES}{row}\n"), ""), expected);
    }
    assert_eq!(
        error_of("HashOwner,HashApp,HashFunction,Trigger,1,3\no,a,f,queue,1,2\n", ""),
        "trace:1: the heading has `3` where minute 2 stands\n  number the columns of counts 1, 2, 3 and so on to the last"
    );
    for (count, wrong) in [
        ("99999999999", "` invocations, more than 5000000"),
        ("5000001", "` invocations, more than 5000000"),
        ("-1", "`, which is not a count"),
    ] {
        assert_eq!(
            error_of(&format!("{MINUTES}o,a,f,queue,1,{count},2\n"), ""),
            format!("trace:2: minute 2 has `{count}{wrong}\n  give whole numbers from 0 to 5000000")
        );
    }
    assert_eq!(
        error_of("at,key\n1,a\n2,b,c\n", ""),
        format!("trace:3: the row has 3 fields, and the heading has 2\n  {REMEDY}")
    );
    let twice = |name| {
        format!(
            "trace:1: the heading has the column `{name}` twice\n  rename or remove one, so that it is clear which counts"
        )
    };
    assert_eq!(error_of("at,at\n1,2\n", ""), twice("at"));
    assert_eq!(error_of("at,key,key\n1,a,b\n", ""), twice("key"));
    assert_eq!(error_of("t,u,u\n1,a,b\n", "columns = { at = \"t\", lifetime = \"u\" }"), twice("u"));
    // A column that nobody asks for may be there as often as it likes, and may be missing at the end.
    assert_eq!(times(&replay("at,x,x\n1,a,b\n2\n", "")), [0, 1_000_000_000]);
}

#[test]
fn keys_that_the_format_of_a_trace_does_not_ask_for_are_errors() {
    const LLM: &str = "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46.68,1,2\n";
    const MINUTES: &str = "HashOwner,HashApp,HashFunction,Trigger,1\no,a,f,t,1\n";
    for (text, keys, key, format) in [
        (LLM, "unit = \"ms\"", "unit", "azure-llm"),
        (LLM, "columns = { at = \"TIMESTAMP\" }", "columns", "azure-llm"),
        (MINUTES, "unit = \"us\"", "unit", "azure-functions-2019"),
        ("{\"at\":1}\n", "unit = \"ms\"\nformat = \"journal\"", "unit", "journal"),
        ("at\n1\n", "interval = \"1m\"", "interval", "csv"),
        ("{\"at\":1}\n", "delimiter = \";\"", "delimiter", "jsonl"),
        (LLM, "empty = \"skip\"", "empty", "azure-llm"),
        ("at\n1\n", "arrivals = \"even\"", "arrivals", "csv"),
    ] {
        let error = error_of(text, keys);
        let expected = format!(
            "`demand.{key}` is not for traces in the format `{format}`\n  leave it out, or name another `format`"
        );
        assert!(error.ends_with(&expected), "{error}");
    }
    assert_eq!(times(&replay("at\n1\n", "arrivals = \"poisson\"\nunit = \"ms\"")), [0]);
}

#[test]
fn arrivals_that_no_run_can_reach_are_errors_with_their_line() {
    let late = |line, longest| {
        format!(
            "trace:{line}: this lies more than {longest} after the first request\n  check `unit` and `speed` in [demand]: \
             it lasts 100 years at most, and from `clock.begins` not beyond the year 2261"
        )
    };
    // A row a second: at this speed, every second is more than eleven days.
    assert_eq!(error_of("at\n0\n1\n3155\n3156\n9000\n", "speed = 0.000001"), late(5, "36525d"));
    assert_eq!(error_of("at\n0\n9000\n3155\n1\n", "speed = 0.000001\norder = \"sort\""), late(3, "36525d"));
    let minutes = format!(
        "HashApp,HashFunction,{}\na,f{}1\n",
        (1..=60).map(|minute| minute.to_string()).collect::<Vec<_>>().join(","),
        ",1".repeat(59) + ","
    );
    assert_eq!(error_of(&minutes, "speed = 0.000001\narrivals = \"even\""), late(1, "36525d"));
    let clock = "[clock]\nbegins = \"2261-12-31T00:00:00Z\"";
    assert_eq!(error_of("at\n0\n86400\n86401\n", clock), late(4, "1d"));
    assert_eq!(
        error_of("at\n0\n8640100000000\n", ""),
        "trace:3: `at` is out of range\n  times lie within 292 years of 0, and of 1970 where they are dates; check `unit`"
    );
}

#[test]
fn speed_compresses_time_and_scale_multiplies_arrivals() {
    let rows: Vec<String> = (0..2_000).map(|second| second.to_string()).collect();
    let text = format!("at\n{}\n", rows.join("\n"));
    assert_eq!(times(&replay(&text, "speed = 4.0"))[1_999], 1_999_000_000_000 / 4);
    for (scale, expected) in [(0.25, 500.0), (1.5, 3_000.0), (3.0, 6_000.0)] {
        let all = times(&replay(&text, &format!("scale = {scale}")));
        assert!((all.len() as f64 - expected).abs() < 80.0, "{scale} {}", all.len());
        assert!(all.is_sorted());
        assert!(all.last() < Some(&2_000_000_000_000));
        assert_eq!(all, times(&replay(&text, &format!("scale = {scale}"))));
    }
}

#[test]
fn a_trace_beyond_memory_is_the_same_as_one_within() {
    // More rows than one sorted run holds, in no order at all.
    let rows = 700_000u64;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    writeln!(encoder, "app,func,end_timestamp,duration").expect("in memory");
    let mut expected: Vec<u64> = Vec::new();
    for row in 0..rows {
        let end = row * 7_919 % rows + 1_000;
        let duration = row % 1_000;
        expected.push(end - duration);
        writeln!(encoder, "a{},f,{end},{duration}", row % 100).expect("in memory");
    }
    expected.sort_unstable();
    let first = expected[0];
    expected.iter_mut().for_each(|at| *at = (*at - first) * 1_000_000_000);
    let all = replay_bytes(&encoder.finish().expect("in memory"), "").expect("it reads");
    assert!(times(&all) == expected);
}

#[test]
fn the_real_llm_trace_replays_in_whole() {
    let Some(path) = shared("azure-llm-conv.csv") else { return };
    let all = replay_file(&path, "");
    assert_eq!(all.len(), 19_366);
    let last = all.last().expect("rows").request.arrived;
    assert!(
        last > Time::from_nanos(58 * 60_000_000_000) && last < Time::from_nanos(60 * 60_000_000_000),
        "{last}"
    );
}

#[test]
fn the_real_functions_of_2021_arrive_as_an_independent_reading_says() {
    let Some(path) = shared("azure-functions-2021-sample.csv") else { return };
    let all = replay_file(&path, "lifetimes = \"trace\"");
    let text = std::fs::read_to_string(&path).expect("a text");
    let mut expected: Vec<f64> = text
        .lines()
        .skip(1)
        .filter_map(|line| {
            let mut fields = line.split(',').skip(2).map(|field| field.parse::<f64>().expect("a number"));
            Some(fields.next()? - fields.next()?)
        })
        .collect();
    expected.sort_by(f64::total_cmp);
    assert_eq!(all.len(), 199);
    assert_eq!(keys(&all).iter().max(), Some(&(distinct(&text) as u32 - 1)));
    for (arrival, at) in all.iter().zip(&expected) {
        assert!((arrival.request.arrived.as_secs_f64() - (at - expected[0])).abs() < 1e-8);
    }
}

fn distinct(text: &str) -> usize {
    let apps: std::collections::BTreeSet<&str> =
        text.lines().skip(1).filter_map(|line| line.split(',').next()).collect();
    apps.len()
}

#[test]
fn the_real_functions_of_2019_keep_all_their_counts() {
    let Some(path) = shared("azure-functions-2019-sample.csv") else { return };
    let all = replay_file(&path, "");
    let text = std::fs::read_to_string(&path).expect("a text");
    let counts = text.lines().skip(1).flat_map(|line| line.split(',').skip(4));
    let total: usize = counts.map(|count| count.trim().parse::<usize>().expect("a count")).sum();
    assert_eq!(all.len(), total);
    assert!(times(&all).is_sorted());
}
