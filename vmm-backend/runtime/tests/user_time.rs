//! A Sprite whose user says when it is over: it runs until then, and saying so twice, too late or of another
//! VM does nothing.

#![allow(clippy::unwrap_used)]

mod fixtures;

use std::sync::Arc;

use actors::{Key, Observation, State};
use fixtures::*;
use runtime::{Admission, Config, UNTIL_TOLD};

#[test]
fn a_run_ends_when_the_host_says_so_and_only_once() {
    let machines = Arc::new(Obedient::default());
    let seen = Seen::default();
    let pool = pool("depth = { kind = \"fixed\", ready = 1 }\nrefill = { kind = \"never\" }");
    let runtime = full(&Config::default(), worker(2, 2, pool), Arc::clone(&machines) as _, &seen);
    assert!(matches!(runtime.submit(WORKER, Key(7), UNTIL_TOLD), Admission::Admitted(_)));
    wait_for("it runs", || seen.level(State::Running) == 1);
    assert!(runtime.wait_until_quiet(SECOND), "a user that works is nothing to wait for");
    let (sprite, generation) = seen
        .all()
        .into_iter()
        .find_map(|(_, observation)| match observation {
            Observation::Sprite { sprite, generation, is: State::Running, .. } => Some((sprite, generation)),
            _ => None,
        })
        .unwrap();

    runtime.end_run(sprite, generation + 1);
    assert!(runtime.wait_until_quiet(SECOND));
    assert_eq!((seen.level(State::Running), machines.alive()), (1, 1), "another VM's user has gone");

    runtime.end_run(sprite, generation);
    runtime.end_run(sprite, generation);
    assert!(runtime.wait_until_quiet(SECOND));
    assert_eq!((seen.level(State::Running), machines.alive()), (0, 0));
    let stops =
        |observation: &Observation| matches!(observation, Observation::Sprite { is: State::Stopping, .. });
    assert_eq!(seen.count(stops), 1, "it was stopped twice");
}
