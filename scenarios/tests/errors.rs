//! What users see: the whole text of errors, for the faults that files have.

use scenarios::Scenario;

/// A scenario with these lines in front of its demand.
fn error_of(text: &str) -> String {
    let text = format!("{text}\n[[demand]]\nto = 5\nfor = \"1m\"\n");
    of(&text, &[])
}

fn of(text: &str, overrides: &[&str]) -> String {
    let overrides: Vec<String> = overrides.iter().map(|text| (*text).to_owned()).collect();
    match Scenario::parse(text, "a.toml", &overrides) {
        Ok(_) => panic!("this must not read:\n{text}"),
        Err(error) => error.to_string(),
    }
}

macro_rules! errors {
    ($($name:ident: $text:expr => $expected:expr;)*) => {
        $(#[test] fn $name() { assert_eq!(error_of($text), $expected); })*
    };
}

errors! {
    an_unknown_key: "[pool]\ndepth = { kind = \"fixed\", redy = 16 }" =>
        "a.toml:2: unknown key `redy` in [pool.depth]\n  did you mean `ready`?";
    an_unknown_key_at_the_top: "sede = 1" =>
        "a.toml:1: unknown key `sede` at the top of the file\n  did you mean `seed`?";
    an_unknown_key_like_no_other: "[timer]\nzzz = 1" =>
        "a.toml:2: unknown key `zzz` in [timer]\n  known here: `grid`, `lag`";
    an_unknown_key_in_the_second_of_two_policies:
        "[pool.depth]\nkind = \"largest-of\"\nof = [\n  { kind = \"fixed\", ready = 1 },\n  { kind = \"watermark\", low = 1, high = 2, ready = 3 },\n]" =>
        "a.toml:5: unknown key `ready` in [pool.depth.of.1]\n  known here: `low`, `high`";
    an_unknown_kind: "[pool]\nrefill = { kind = \"imediate\" }" =>
        "a.toml:2: `pool.refill.kind` is \"imediate\", which is none of the names that it can have\n  did you mean `immediate`?";
    an_unknown_name: "[fleet]\nplacement = \"round-robbin\"" =>
        "a.toml:2: `fleet.placement` is \"round-robbin\", which is none of the names that it can have\n  did you mean `round-robin`?";
    a_missing_key: "[pool]\n\ndepth = { kind = \"watermark\", low = 3 }" =>
        "a.toml:3: the key `high` is missing in [pool.depth]\n  add `high = ...` to it";
    a_missing_kind: "[pool]\ndepth = { ready = 3 }" =>
        "a.toml:2: the key `kind` is missing in [pool.depth]\n  add `kind = ...` to it";
    no_unit: "warmup = 30" =>
        "a.toml:1: `warmup` is invalid: `30` has no unit\n  add one of ns, us, ms, s, m, h, d, as in \"30s\"";
    a_wrong_unit: "[latency]\nboot = \"3 parsecs\"" =>
        "a.toml:2: `latency.boot` is invalid: `parsecs` in `3 parsecs` is not a unit of time\n  use one of ns, us, ms, s, m, h, d";
    a_wrong_unit_inside_a_policy:
        "[pool]\nexhausted = [\n  { kind = \"boot\" },\n  { kind = \"wait\", deadline = \"200\" },\n]" =>
        "a.toml:4: `pool.exhausted.1.deadline` is invalid: `200` has no unit\n  add one of ns, us, ms, s, m, h, d, as in \"200s\"";
    a_text_for_a_number: "seed = \"seven\"" =>
        "a.toml:1: `seed` is \"seven\"\n  give a whole number from 0 to 18446744073709551615";
    a_negative_number: "[fleet]\nworkers = -3" =>
        "a.toml:2: `fleet.workers` is -3\n  give a whole number from 0 to 4294967295";
    a_wrong_type_inside_a_policy: "[pool.depth]\nkind = \"fixed\"\nready = \"many\"" =>
        "a.toml:3: `pool.depth.ready` is \"many\"\n  give a whole number from 0 to 4294967295";
    a_list_for_a_table: "fleet = [1]" =>
        "a.toml:1: `fleet` is a list\n  give a table";
    low_above_high: "[pool]\ndepth = { kind = \"watermark\", low = 9, high = 3 }" =>
        "a.toml:2: `pool.depth.low` is 9, not below `high` (3)\n  lower it, or raise `high`";
    no_workers: "[fleet]\nworkers = 0" =>
        "a.toml:2: `fleet.workers` is 0\n  a fleet has at least one worker";
    deeper_than_the_slots: "[fleet]\nslots = 8\n[pool]\ndepth = { kind = \"fixed\", ready = 9 }" =>
        "a.toml:4: `pool.depth.ready` is 9, but a worker has 8 slots\n  lower the depth, or raise `slots`";
    a_high_mark_without_room: "[fleet]\nslots = 50\n[pool]\ndepth = { kind = \"watermark\", low = 1, high = 900 }" =>
        "a.toml:4: `pool.depth.high` is 900, but a worker has 50 slots\n  lower the depth, or raise `slots`";
    a_floor_without_room:
        "[fleet]\nslots = 50\n[pool]\ndepth = { kind = \"at-least\", ready = 900, of = { kind = \"fixed\", ready = 1 } }" =>
        "a.toml:4: `pool.depth.ready` is 900, but a worker has 50 slots\n  lower the depth, or raise `slots`";
    the_largest_of_several_without_room:
        "[fleet]\nslots = 50\n[pool.depth]\nkind = \"largest-of\"\nof = [\n  { kind = \"fixed\", ready = 1 },\n  { kind = \"fixed\", ready = 900 },\n]" =>
        "a.toml:7: `pool.depth.of.1.ready` is 900, but a worker has 50 slots\n  lower the depth, or raise `slots`";
    a_least_after_misses_without_room:
        "[fleet]\nslots = 50\n[pool]\ndepth = { kind = \"on-misses\", min = 900, max = 901 }" =>
        "a.toml:4: `pool.depth.min` is 900, but a worker has 50 slots\n  lower the depth, or raise `slots`";
    a_least_in_panic_without_room: "[fleet]\nslots = 50\n[pool]\ndepth = { kind = \"panic\", min = 900, max = 901 }" =>
        "a.toml:4: `pool.depth.min` is 900, but a worker has 50 slots\n  lower the depth, or raise `slots`";
    a_least_buffer_without_room:
        "[fleet]\nslots = 50\n[pool]\ndepth = { kind = \"buffer\", min = 900, max = 901, percent = 1 }" =>
        "a.toml:4: `pool.depth.min` is 900, but a worker has 50 slots\n  lower the depth, or raise `slots`";
    a_least_stock_without_room:
        "[fleet]\nslots = 50\n[pool]\ndepth = { kind = \"base-stock\", misses = 0.01, least = 900 }" =>
        "a.toml:4: `pool.depth.least` is 900, but a worker has 50 slots\n  lower the depth, or raise `slots`";
    a_window_without_room:
        "[fleet]\nslots = 50\n[pool.depth]\nkind = \"schedule\"\nwindows = [\n  { from = \"08:00\", to = \"18:00\", depth = { kind = \"fixed\", ready = 900 } },\n]\notherwise = { kind = \"fixed\", ready = 1 }" =>
        "a.toml:6: `pool.depth.windows.0.depth.ready` is 900, but a worker has 50 slots\n  lower the depth, or raise `slots`";
    a_region_without_room_for_the_pool_of_all:
        "[fleet]\nworkers = 2\n[[region]]\nname = \"a\"\nworkers = 1\nslots = 8\n[pool]\ndepth = { kind = \"watermark\", low = 1, high = 9 }" =>
        "a.toml:6: `region.0.slots` is 8, but pools are 9 deep\n  raise it, or lower `pool.depth.high`";
    half_a_distribution: "[latency]\nboot = { p50 = \"1s\" }" =>
        "a.toml:2: `latency.boot.p50` is one percentile, through which many distributions go\n  add another, such as `p50`, `p90` or \
         `p99`; for a value that is always the same write { constant = \"1s\" }";
    a_mixed_distribution: "[latency]\nboot = { p50 = \"1s\", exponential = \"2s\" }" =>
        "a.toml:2: `latency.boot.p50` stands beside keys of another distribution\n  give one of { constant = \"1ms\" }, { p50 = \"36ms\", p99 = \"120ms\" } \
         (any two or more percentiles), { mean = \"2s\", deviation = \"500ms\" }, { exponential = \"2s\" }, { uniform = \
         [\"1s\", \"3s\"] }, { histogram = \"boot.hlog\" } or { samples = \"boots.txt\", unit = \"ms\" }";
    a_median_is_not_a_mean: "[latency]\nboot = { median = \"1s\", p99 = \"2s\" }" =>
        "a.toml:2: `latency.boot.median` is not a key of a distribution\n  the median is `p50`";
    a_maximum_is_no_percentile: "[latency]\nboot = { p50 = \"1s\", max = \"2s\" }" =>
        "a.toml:2: `latency.boot.max` is not a key of a distribution\n  bounds are those of `uniform = [\"1s\", \"3s\"]`; a \
         percentile is not a bound";
    percentiles_that_fall: "[latency]\nboot = { p50 = \"1s\", p90 = \"3s\", p95 = \"2s\" }" =>
        "a.toml:2: `latency.boot` has p90 = 3s and p95 = 2s\n  give a p90 longer than zero, and a p95 that is at least as long";
    a_mean_alone: "[latency]\nboot = { mean = \"1s\" }" =>
        "a.toml:2: `latency.boot.mean` is a mean alone, which many distributions have\n  add `deviation`, or write \
         { exponential = \"2s\" } or { constant = \"2s\" } for what it is";
    bounds_upside_down: "[latency]\nboot = { uniform = [\"2s\", \"1s\"] }" =>
        "a.toml:2: `latency.boot` is uniform from 2s to 1s\n  give the shortest value first";
    requests_that_share_a_sprite: "[sprite]\nlifetime = \"1s\"\nconcurrency = 4" =>
        "a.toml:3: unknown key `concurrency` in [sprite]\n  a Sprite serves one request at a time; divide the rates of [[demand]] \
         by the number of requests that share a VM";
    several_pools: "[[pool]]\ndepth = { kind = \"fixed\", ready = 8 }" =>
        "a.toml:1: `pool` is a list\n  give one [pool]; a [[region]] or a [[worker]] may have a `pool` of its own, and `key = \
         \"tenant\"` keeps one pool for each tenant. Several templates on one worker are not modelled";
    a_fleet_that_grows: "[fleet]\ngrow = { most = 4 }" =>
        "a.toml:2: unknown key `grow` in [fleet]\n  a fleet does not grow; give `workers` all that it may have, and let those that \
         come late begin with a [[fault]] of kind \"crash\" at \"0s\", which lasts `for` as long as they take";
    a_rollout: "[[fault]]\nat = \"1s\"\nkind = \"rollout\"" =>
        "a.toml:3: `fault.0.kind` is \"rollout\", which is none of the names that it can have\n  a new template is not modelled; \
         `max_age` in [pool] replaces what is ready and leaves what is in use, and \"crash\" loses both";
    percentiles_upside_down: "[latency]\nboot = { p50 = \"2s\", p99 = \"1s\" }" =>
        "a.toml:2: `latency.boot` has p50 = 2s and p99 = 1s\n  give a p50 longer than zero, and a p99 that is at least as long";
    a_missing_histogram: "[latency]\nboot = { histogram = \"none.hlog\" }" =>
        "a.toml:2: `latency.boot` is invalid: `none.hlog` cannot be read: No such file or directory (os error 2)\n  \
         give the path of a file, from the folder of the scenario";
    more_failures_than_all: "[latency]\nboot_failures = 1.5" =>
        "a.toml:2: `latency.boot_failures` is 1.5\n  give a share from 0 to 1";
    a_return_to_a_uniform_pool: "[sprite]\nlifetime = \"1s\"\nafter_use = \"return\"" =>
        "a.toml:3: `sprite.after_use` is \"return\", but the pools are uniform and a Sprite never passes from one user to another\n  \
         set `key = \"tenant\"` in [pool], or leave `after_use` at \"stop\"";
    own_sprites_that_nobody_keeps: "[sprite]\nlifetime = \"1s\"\nprefers = \"own\"" =>
        "a.toml:3: `sprite.prefers` is \"own\", but no tenant keeps a Sprite after use\n  \
            give `idle_after` in [sprite] and leave `after_use` at \"stop\", or leave it out";
    sleep_without_a_life: "[sprite]\nidle_after = \"1s\"" =>
        "a.toml:2: `sprite.idle_after` has no effect, for without a lifetime a started Sprite leaves the model at once\n  \
         give `lifetime` in [sprite], or leave this key out";
    no_tenants: "[tenants]\ncount = 0" =>
        "a.toml:2: `tenants.count` is 0\n  give a number from 1 to 10000000";
    a_warmup_without_an_end: "warmup = \"1m\"" =>
        "a.toml:1: `warmup` is 1m, but the demand ends after 1m, so that nothing is counted\n  shorten it, or let the demand last longer";
    a_fault_at_nobody: "[[fault]]\nat = \"1s\"\nworker = 1\nkind = \"crash\"" =>
        "a.toml:3: `fault.0.worker` is 1, and there is no such worker\n  give a number from 0 to 0";
    a_fault_in_no_region: "[[fault]]\nat = \"1s\"\nregion = \"fra\"\nkind = \"crash\"" =>
        "a.toml:3: `fault.0.region` is \"fra\", which no region is named\n  use a";
    slow_boots_without_a_factor: "[[fault]]\nat = \"1s\"\nkind = \"slow-boots\"\nfor = \"1s\"" =>
        "a.toml:1: `fault.0.factor` is missing\n  say how many times as long boots take";
    more_workers_in_regions_than_there_are: "[fleet]\nworkers = 3\n[[region]]\nname = \"a\"\nworkers = 4" =>
        "a.toml:5: `region.0.workers` is 4, and 3 of the fleet's 3 workers are left\n  take at least one and at most those";
    shares_beyond_the_whole:
        "[fleet]\nworkers = 3\n[[region]]\nname = \"a\"\nworkers = 1\nshare = 0.7\n[[region]]\nname = \"b\"\nworkers = 1\nshare = 0.7" =>
        "a.toml:10: `region.1.share` is 0.7, which makes 1.4 with the regions above\n  shares are 0 or more, and 1 together at most";
    shares_that_leave_some_to_nobody: "[[region]]\nname = \"a\"\nworkers = 1\nshare = 0.7" =>
        "a.toml:3: `region.0.workers` takes the last worker, but the shares make only 0.7\n  \
         let them make 1, or leave workers to the rest of the demand";
    a_date_without_an_offset: "[clock]\nbegins = \"2026-01-05\"" =>
        "a.toml:2: `clock.begins` is \"2026-01-05\"\n  give a date and time with its offset, such as \"2026-01-05T00:00:00Z\"";
    a_beginning_before_civil_time: "[clock]\nbegins = \"1500-01-05T00:00:00Z\"" =>
        "a.toml:2: `clock.begins` is \"1500-01-05T00:00:00Z\"\n  give a year from 1678 to 2261";
    a_beginning_at_the_end_of_civil_time: "[clock]\nbegins = \"2262-04-11T00:00:00Z\"" =>
        "a.toml:2: `clock.begins` is 2262-04-11T00:00:00Z, so that the demand ends after the year 2261\n  begin earlier";
    a_demand_that_outlasts_civil_time: "[clock]\nbegins = \"2261-12-31T23:59:30Z\"" =>
        "a.toml:2: `clock.begins` is 2261-12-31T23:59:30Z, so that the demand ends after the year 2261\n  begin earlier";
    a_negative_seed: "seed = -1" =>
        "a.toml:1: `seed` is -1\n  give a whole number from 0 to 18446744073709551615";
    negative_costs: "[cost]\nmiss = -1" =>
        "a.toml:2: `cost.miss` is -1\n  give a price, zero or more";
    a_fault_in_a_region_s_own_pool:
        "[fleet]\nworkers = 2\n[[region]]\nname = \"a\"\nworkers = 1\npool = { backoff = { first = \"1h\" } }" =>
        "a.toml:6: `region.0.pool.backoff.longest` is shorter than `first` (1h)\n  make it at least as long";
    a_cron_with_an_hour_that_is_none:
        "[pool.depth]\nkind = \"schedule\"\nwindows = [\n  { cron = \"0 25 * * *\", lasts = \"1h\", depth = { kind = \"fixed\", ready = 1 } },\n]\notherwise = { kind = \"fixed\", ready = 1 }" =>
        "a.toml:4: `pool.depth.windows.0.cron` is \"0 25 * * *\", which is not a cron expression (Component error: Number out of bounds)\n  \
         write minute, hour, day of the month, month and day of the week, such as \"0 8 * * mon-fri\"";
    a_cron_with_text_that_looks_like_a_remedy:
        "[pool.depth]\nkind = \"schedule\"\nwindows = [\n  { cron = \"0: 8\", lasts = \"1h\", depth = { kind = \"fixed\", ready = 1 } },\n]\notherwise = { kind = \"fixed\", ready = 1 }" =>
        "a.toml:4: `pool.depth.windows.0.cron` is \"0: 8\", which is not a cron expression (Invalid pattern: Pattern must have 5 fields when seconds are disallowed)\n  \
         write minute, hour, day of the month, month and day of the week, such as \"0 8 * * mon-fri\"";
    a_time_zone_that_looks_like_a_remedy:
        "[pool.depth]\nkind = \"forecast\"\ntimezone = \"here: there\"" =>
        "a.toml:3: `pool.depth.timezone` is \"here: there\", which is not a time zone\n  write a name such as \"Europe/Berlin\", or \"UTC\"";
    a_region_whose_name_looks_like_a_remedy:
        "[[fault]]\nat = \"1s\"\nkind = \"crash\"\nregion = \"a: b\"" =>
        "a.toml:4: `fault.0.region` is \"a: b\", which no region is named\n  use a";
    a_date_that_looks_like_a_remedy: "[clock]\nbegins = \"now: then\"" =>
        "a.toml:2: `clock.begins` is \"now: then\"\n  give a date and time with its offset, such as \"2026-01-05T00:00:00Z\"";
    boots_that_look_like_a_remedy: "[fleet]\nboots = \"a: b\"" =>
        "a.toml:2: `fleet.boots` is \"a: b\"\n  give a whole number, or \"unlimited\"";
    a_duration_that_looks_like_a_remedy: "warmup = \"a: b\"" =>
        "a.toml:1: `warmup` is invalid: `a: b` is not a duration\n  write a number and a unit, such as \"250us\", \"2.5s\" or \"1m30s\"";
    not_toml: "[fleet\nworkers = 1" =>
        "a.toml:1: this is not TOML: unclosed table, expected `]`";
    a_number_without_end: "seed = 99999999999999999999" =>
        "a.toml:1: the number 99999999999999999999 is too large to be held\n  the largest whole number is 9223372036854775807";
}

#[test]
fn demand_has_errors_of_its_own() {
    assert_eq!(
        of("name = \"x\"", &[]),
        "a.toml: `demand` is missing\n  add [[demand]] stages with `to` and `for`, or [demand] with a `trace`"
    );
    assert_eq!(
        of("[[demand]]\nfor = \"1s\"", &[]),
        "a.toml:1: `demand.0` has neither `from` nor `to`\n  give a rate in arrivals per second"
    );
    assert_eq!(
        of("[[demand]]\nfrom = 1\nto = -5\nfor = \"1s\"", &[]),
        "a.toml:3: `demand.0.to` is -5\n  give a rate in arrivals per second, from 0 to 1000000000"
    );
    assert_eq!(
        of("[[demand]]\nfrom = nan\nfor = \"1s\"", &[]),
        "a.toml:2: `demand.0.from` is NaN\n  give a rate in arrivals per second, from 0 to 1000000000"
    );
    assert_eq!(
        of("[[demand]]\nto = 5", &[]),
        "a.toml:1: the key `for` is missing in [demand.0]\n  add `for = ...` to it"
    );
    assert_eq!(
        of("[[demand]]\nto = 5\nfor = \"1s\"\narrivals = { burst_of = 5 }", &[]),
        "a.toml:4: `demand.0.arrivals` is \"burst_of\", which is none of the names that it can have\n  did you mean `bursts_of`?"
    );
    assert_eq!(
        of("[demand]\ntrace = \"none.csv\"", &[]),
        "a.toml:2: `demand.trace` names `none.csv`, which cannot be opened (No such file or directory (os error 2))\n  \
         give the path of a trace"
    );
    assert_eq!(
        of("[[demand]]\nto = 1\nfor = \"20000d\"\n[[demand]]\nto = 1\nfor = \"213500d\"", &[]),
        "a.toml:6: `demand.1.for` is 213500d, with which the demand lasts more than 36525d\n  \
         let it last 100 years at most"
    );
    assert_eq!(
        of("[demand]\ntrace = \"README.md\"\nspeed = 1e-300", &[]),
        "a.toml:3: `demand.speed` is 1e-300\n  give a factor of 0.000001 or more"
    );
    assert_eq!(
        of("[clock]\nbegins = \"2262-04-11T00:00:00Z\"\n[demand]\ntrace = \"README.md\"", &[]),
        "a.toml:2: `clock.begins` is 2262-04-11T00:00:00Z, so that the demand ends after the year 2261\n  begin earlier"
    );
    assert_eq!(
        of("[demand]\nformat = \"csv\"", &[]),
        "a.toml:1: the key `trace` is missing in [demand]\n  add `trace = ...` to it"
    );
}

#[test]
fn overrides_are_named_where_they_are_at_fault() {
    const TEXT: &str = "[[demand]]\nto = 5\nfor = \"1m\"\n";
    assert_eq!(
        of(TEXT, &["pool.dept.ready=3"]),
        "--set pool.dept.ready=3: unknown key `dept` in [pool]\n  did you mean `depth`?"
    );
    assert_eq!(
        of(TEXT, &["demand.0.to=-1"]),
        "--set demand.0.to=-1: `demand.0.to` is -1\n  give a rate in arrivals per second, from 0 to 1000000000"
    );
    assert_eq!(of(TEXT, &["seed"]), "--set seed: has no `=`\n  write --set key=value, as in --set seed=7");
    assert_eq!(
        of(TEXT, &["demand.7.to=1"]),
        "--set demand.7.to=1: `7` stands where the list needs a number from 0 to 1\n  \
         write the path of a key, as in --set pool.depth.ready=8 or --set demand.1.to=200"
    );
    assert_eq!(
        of(TEXT, &["demand.0.to.x=1"]),
        "--set demand.0.to.x=1: `x` lies under something that is not a table\n  \
         write the path of a key, as in --set pool.depth.ready=8 or --set demand.1.to=200"
    );
}

#[test]
fn errors_carry_their_parts() {
    let error = Scenario::parse("[fleet]\nworkers = 0", "a.toml", &[]).expect_err("no workers");
    assert_eq!((&*error.path, error.line(), &*error.key), ("a.toml", Some(2), "fleet.workers"));
    assert!(!error.host_fault);
    let missing = Scenario::load(std::path::Path::new("none.toml"), &[]).expect_err("no file");
    assert_eq!(missing.to_string(), "none.toml: there is no such file\n  check the path");
    for (path, wrong) in
        [("src", "src: this is a folder"), ("README.md/a", "README.md/a: there is no such file")]
    {
        let error = Scenario::load(std::path::Path::new(path), &[]).expect_err("no scenario");
        assert!(error.to_string().starts_with(wrong) && !error.host_fault, "{error}");
    }
}

#[test]
fn errors_found_later_find_their_line_too() {
    let text = "[gates]\n\"latency p99\" = \"< soon\"\n[[demand]]\nto = 5\nfor = \"1m\"\n";
    let scenario = Scenario::parse(text, "a.toml", &[]).expect("gates are not read here");
    let error = scenario.error_at(&["gates", "latency p99"], "is \"< soon\"", "give a duration");
    assert_eq!(error.to_string(), "a.toml:2: `gates.latency p99` is \"< soon\"\n  give a duration");
}

#[test]
fn clients_that_wait_are_answered() {
    assert!(
        of("[[demand]]\nclients = 8\nthink = \"1ms\"\nfor = \"1m\"", &[])
            .starts_with("a.toml:2: unknown key `clients` in [demand.0]\n  demand is open: ")
    );
}

/// Every name that a message offers is one that the reference explains.
#[test]
fn the_reference_has_every_name_that_a_message_lists() {
    let reference = include_str!("../README.md");
    for text in [
        "[pool]\ndepth = { kind = \"qqq\" }",
        "[pool]\nrefill = { kind = \"qqq\" }",
        "[pool]\nexhausted = [{ kind = \"qqq\" }]",
        "[fleet]\nplacement = \"qqq\"",
        "[pool]\ntake = \"qqq\"",
        "[pool]\nstart = \"qqq\"",
        "[pool]\nkey = \"qqq\"",
        "[sprite]\nafter_use = \"qqq\"",
        "[[fault]]\nat = \"1s\"\nkind = \"qqq\"",
    ] {
        let error = error_of(text);
        let (_, names) = error.split_once("known here: ").unwrap_or_else(|| panic!("{error}"));
        for name in names.split(", ").map(|name| name.trim_matches('`')) {
            let is_there =
                reference.contains(&format!("`{name}`")) || reference.contains(&format!("`\"{name}\"`"));
            assert!(is_there, "`{name}` is not in the reference: {error}");
        }
    }
}
