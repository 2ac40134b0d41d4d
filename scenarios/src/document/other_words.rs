//! Words of other systems that a scenario has no key or kind for, and what there is instead. A name that
//! merely looks alike would say something else.

/// What there is instead of an unknown key in this table; `None` where nothing is known of it.
pub(super) fn for_key(table: &[&str], key: &str) -> Option<&'static str> {
    let place = table.iter().find(|segment| segment.parse::<usize>().is_err()).copied().unwrap_or_default();
    let known = KEYS.iter().find(|(tables, words, _)| tables.contains(&place) && words.contains(&key));
    known.map(|(_, _, instead)| *instead)
}

/// What there is instead of an unknown name of a value under this path.
pub(super) fn for_name(path: &[&str], name: &str) -> Option<&'static str> {
    let named: Vec<&str> = path.iter().copied().filter(|segment| segment.parse::<usize>().is_err()).collect();
    let known = NAMES.iter().find(|(end, words, _)| named.ends_with(end) && words.contains(&name));
    known.map(|(_, _, instead)| *instead)
}

/// What there is instead of a list under this key.
pub(super) fn for_list(path: &[&str]) -> Option<&'static str> {
    (path == ["pool"]).then_some(
        "give one [pool]; a [[region]] or a [[worker]] may have a `pool` of its own, and `key = \"tenant\"` keeps one pool for each \
         tenant. Several templates on one worker are not modelled",
    )
}

/// Tables, keys in them, and what there is instead.
const KEYS: [(&[&str], &[&str], &str); 6] = [
    (
        &["sprite", "pool", "fleet"],
        &[
            "concurrency",
            "container_concurrency",
            "max_concurrency",
            "requests_per_vm",
            "capacity_per_instance",
        ],
        "a Sprite serves one request at a time; divide the rates of [[demand]] by the number of requests that share a VM",
    ),
    (
        &["fleet"],
        &["grow", "autoscale", "scale_up", "min_workers", "max_workers"],
        "a fleet does not grow; give `workers` all that it may have, and let those that come late begin with a [[fault]] of \
         kind \"crash\" at \"0s\", which lasts `for` as long as they take",
    ),
    (
        &["fleet", "latency", "pool"],
        &["boots_per_second", "creations_per_second", "boot_rate", "rate_limit"],
        "a limit on the boots of all is not modelled; `boots` in [fleet] bounds how many run at once, and the refill `rate` bounds \
         those that the pool orders",
    ),
    (
        &["demand"],
        &["clients", "users", "think", "think_time", "vus", "concurrency"],
        "demand is open: requests arrive whether earlier ones were served or not. Give their rate with `to`; so many clients that \
         each wait t seconds between requests make about clients / t a second",
    ),
    (
        &["demand"],
        &["retries", "retry", "backoff"],
        "requests that were turned away do not come again; raise the rate of [[demand]] by what would",
    ),
    (
        &["template", "templates"],
        &["name", "depth", "boot"],
        "give one [pool]; a [[region]] or a [[worker]] may have a `pool` of its own",
    ),
];

/// Ends of paths, names under them, and what there is instead.
const NAMES: [(&[&str], &[&str], &str); 3] = [
    (
        &["fault", "kind"],
        &["rollout", "rolling-update", "deploy", "upgrade", "drain"],
        "a new template is not modelled; `max_age` in [pool] replaces what is ready and leaves what is in use, and \"crash\" loses \
         both",
    ),
    (
        &["refill", "kind"],
        &["periodic", "interval", "cron", "loop", "poll"],
        "a controller that looks every so often is not modelled; \"batch\" orders many at once, \"rate\" so many a second, and \
         \"delay\" some time after a take",
    ),
    (
        &["depth", "kind"],
        &["total", "min-runners", "prepared-capacity", "size"],
        "depths count what is ready or on its way, not what is in use; \"buffer\" keeps a share of what is in use",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_words_are_answered_where_they_stand() {
        assert!(
            for_key(&["sprite"], "concurrency").is_some_and(|text| text.contains("one request at a time"))
        );
        assert!(for_key(&["demand", "0"], "clients").is_some());
        assert_eq!(for_key(&["cost"], "clients"), None);
        assert!(for_list(&["pool"]).is_some() && for_list(&["demand"]).is_none());
    }
}
