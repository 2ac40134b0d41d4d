//! What every depth policy must keep to.

use super::*;
use crate::random::{Purpose, Rng};

/// One of each kind, as it stands in a file.
const KINDS: [(&str, &str); 11] = [
    ("fixed", "ready = 16"),
    ("watermark", "low = 4, high = 16"),
    ("buffer", "max = 40, percent = 50, step_up = 3, step_down = 2, cooldown = '30s'"),
    (
        "schedule",
        "windows = [{ from = '00:00', to = '00:01', depth = { kind = 'fixed', ready = 9 } }], \
         otherwise = { kind = 'base-stock', misses = 0.1 }",
    ),
    ("base-stock", "misses = 0.01, window = '1m'"),
    ("window-quantile", "misses = 0.01, window = '1m'"),
    ("on-misses", "min = 2, max = 40, ttl = '1m', period = '5s'"),
    ("panic", "max = 60"),
    ("forecast", "slot = '5m'"),
    (
        "largest-of",
        "of = [{ kind = 'fixed', ready = 3 }, { kind = 'window-quantile', misses = 0.1, window = '1m' }]",
    ),
    ("at-least", "ready = 5, of = { kind = 'on-misses', min = 0, max = 9 }"),
];

#[derive(Deserialize)]
struct Pool {
    depth: Depth,
}

fn read(kind: &str, parameters: &str) -> Result<Depth, toml::de::Error> {
    toml::from_str::<Pool>(&format!("depth = {{ kind = '{kind}', {parameters} }}")).map(|pool| pool.depth)
}

/// Targets over some minutes of random arrivals, with what every controller promises checked on the way.
fn targets(depth: &Depth) -> Vec<(Time, Target)> {
    let mut controller = depth.controller(WallClock::default());
    let mut rng = Rng::stream(1, Purpose::Arrivals, 0);
    let mut levels = Levels { ready: 10, ..Levels::default() };
    let (mut now, mut seen) = (Time::ZERO, Vec::new());
    for step in 0..20_000 {
        let pause = if step % 2_000 == 0 { 90_000_000_000 } else { 60_000_000 };
        let next = now + Duration::from_nanos(rng.below(pause));
        // A timer comes first where one is armed, and a little late.
        let timer = controller.changes_at().map(|at| at + Duration::from_nanos(rng.below(1_000_000)));
        let is_timer = timer.is_some_and(|timer| timer < next);
        now = if is_timer { timer.unwrap_or(next) } else { next };
        if !is_timer {
            let missed = levels.ready == 0;
            controller.demand(now, missed);
            levels.ready = if missed || rng.chance(0.5) { rng.below(20) as u32 } else { levels.ready - 1 };
            levels.in_use = rng.below(80) as u32;
        }
        let lead_time = (step > 50).then(|| Duration::from_millis(1_500 + rng.below(100)));
        let view = View { now, levels, on_order: 0, lead_time };
        let (target, at) = (controller.target(&view), controller.changes_at());
        assert_eq!(
            (controller.target(&view), controller.changes_at()),
            (target, at),
            "{depth:?} at {now}: asked twice"
        );
        assert!(
            target.reorder_at < target.depth || target == Target::default(),
            "{depth:?} at {now}: {target:?}"
        );
        assert!(at.is_none_or(|at| at > now), "{depth:?} at {now}: may change at {at:?}");
        seen.push((now, target));
    }
    seen
}

#[test]
fn every_kind_keeps_its_promises_and_repeats_itself() {
    for (kind, parameters) in KINDS {
        let depth = read(kind, parameters).unwrap();
        assert_eq!(depth.validate(), Ok(()), "{kind}");
        let first = targets(&depth);
        assert!(first == targets(&depth), "{kind}");
        let is_constant = first.iter().all(|(_, target)| *target == first[0].1);
        assert_eq!(is_constant, matches!(kind, "fixed" | "watermark"), "{kind}");
    }
}

/// What each of the kinds above is sure to aim for, with the parameter that says so.
const GUARANTEED: [(&str, u32); 11] = [
    ("ready", 16),
    ("high", 16),
    ("min", 0),
    ("windows.0.depth.ready", 9),
    ("least", 1),
    ("least", 1),
    ("min", 2),
    ("min", 1),
    ("least", 1),
    ("of.0.ready", 3),
    ("ready", 5),
];

#[test]
fn every_kind_reaches_its_guaranteed_depth() {
    for ((kind, parameters), (key, ready)) in KINDS.iter().zip(GUARANTEED) {
        let depth = read(kind, parameters).unwrap();
        assert_eq!(depth.guaranteed_depth(), GuaranteedDepth::new(key, ready), "{kind}");
        let most = targets(&depth).iter().map(|(_, target)| target.depth).max();
        assert!(most >= Some(ready), "{kind}: {most:?}");
    }
    let guaranteed_depth = |kind, parameters| read(kind, parameters).unwrap().guaranteed_depth();
    assert_eq!(
        guaranteed_depth("buffer", "max = 40, percent = 5, min = 3, least = 9"),
        GuaranteedDepth::new("least", 9)
    );
    assert_eq!(
        guaranteed_depth("buffer", "max = 40, percent = 5, min = 3, least = 90"),
        GuaranteedDepth::new("max", 40)
    );
    let nested = "ready = 2, of = { kind = 'largest-of', of = [{ kind = 'panic', max = 9, min = 7 }] }";
    assert_eq!(guaranteed_depth("at-least", nested), GuaranteedDepth::new("of.of.0.min", 7));
}

#[test]
fn every_kind_is_written_as_it_is_read() {
    for (kind, parameters) in KINDS {
        let depth = read(kind, parameters).unwrap();
        let json = serde_json::to_string(&depth).unwrap();
        assert!(json.starts_with(&format!("{{\"kind\":\"{kind}\"")), "{json}");
        assert_eq!(serde_json::from_str::<Depth>(&json).unwrap(), depth);
    }
}

#[test]
fn no_kind_takes_a_key_that_it_does_not_know() {
    for (kind, parameters) in KINDS {
        let error = read(kind, &format!("{parameters}, colour = 'red'")).expect_err(kind).to_string();
        assert!(error.contains("colour"), "{error}");
    }
}
