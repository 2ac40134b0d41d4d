//! Messages keep their order, timers are never early and can be replaced, and nothing is left when a runtime
//! is gone.

#![allow(clippy::unwrap_used)]

mod fixtures;

use std::sync::{Arc, Mutex};
use std::time::Duration as Wait;

use actors::policy::Begin;
use actors::protocol::{StepIndex, Timer, ToAny, ToPool, ToRefiller, ToWorker};
use actors::{Actor, ActorId, Backend, Context, Duration, Message, Time};
use fixtures::*;
use runtime::{Config, Runtime};

type Log = Arc<Mutex<Vec<(Time, ActorId, Message)>>>;

fn runtime() -> Runtime {
    Runtime::new(&Config::default(), Arc::new(Obedient::default()), Box::new(Seen::default())).unwrap()
}

struct Listener(Log);

impl Actor for Listener {
    fn handle(&mut self, cx: &mut Context<&mut dyn Backend>, message: &Message) {
        self.0.lock().unwrap().push((cx.now(), cx.sender(), *message));
    }
}

/// Spawns a child with its first message and sends it and its brother many more, in turn.
struct Parent(Log);

impl Actor for Parent {
    fn handle(&mut self, cx: &mut Context<&mut dyn Backend>, message: &Message) {
        let Message::Worker(ToWorker::Begin(_)) = *message else { return };
        let one = cx.spawn(Listener(Arc::clone(&self.0)));
        let other = cx.spawn(Listener(Arc::clone(&self.0)));
        for count in 0..1_000 {
            cx.send(one, Message::Worker(ToWorker::Cancel { count }));
            cx.send(other, Message::Refiller(ToRefiller::Cancelled { count }));
        }
    }
}

#[test]
fn messages_between_two_actors_arrive_in_the_order_sent_also_right_after_a_spawn() {
    let (runtime, log) = (runtime(), Log::default());
    let theirs = Arc::clone(&log);
    let parent = runtime.host(move || Parent(Arc::clone(&theirs)));
    runtime.tell(parent, Message::Worker(ToWorker::Begin(Begin::Full)));
    assert!(runtime.wait_until_quiet(SECOND));
    let log = log.lock().unwrap();
    let numbers = |which: fn(&Message) -> Option<u32>| -> Vec<u32> {
        log.iter().filter_map(|(_, _, message)| which(message)).collect()
    };
    let all: Vec<u32> = (0..1_000).collect();
    assert_eq!(
        numbers(|m| if let Message::Worker(ToWorker::Cancel { count }) = m { Some(*count) } else { None }),
        all
    );
    assert_eq!(
        numbers(|m| if let Message::Refiller(ToRefiller::Cancelled { count }) = m {
            Some(*count)
        } else {
            None
        }),
        all
    );
    assert!(log.windows(2).all(|pair| pair[0].0 <= pair[1].0), "times go back");
}

#[test]
fn threads_that_send_at_the_same_time_lose_nothing() {
    let (runtime, log) = (runtime(), Log::default());
    let theirs = Arc::clone(&log);
    let listener = runtime.host(move || Listener(Arc::clone(&theirs)));
    std::thread::scope(|scope| {
        for thread in 0..4u32 {
            let runtime = &runtime;
            scope.spawn(move || {
                for count in 0..5_000 {
                    runtime
                        .tell(listener, Message::Worker(ToWorker::Cancel { count: thread * 10_000 + count }));
                }
            });
        }
    });
    assert!(runtime.wait_until_quiet(5 * SECOND));
    let log = log.lock().unwrap();
    assert_eq!(log.len(), 20_000);
    for thread in 0..4 {
        let mine = log.iter().filter_map(|(_, _, message)| match message {
            Message::Worker(ToWorker::Cancel { count }) if count / 10_000 == thread => Some(count % 10_000),
            _ => None,
        });
        assert!(mine.eq(0..5_000), "thread {thread}");
    }
}

/// Arms timers as it is told and notes when they fire.
struct Alarm(Log);

impl Actor for Alarm {
    fn handle(&mut self, cx: &mut Context<&mut dyn Backend>, message: &Message) {
        match *message {
            // Arms `Depth` twice: only the second counts.
            Message::Worker(ToWorker::NothingToYield) => {
                cx.arm(Timer::Depth, Duration::from_millis(5));
                cx.arm(Timer::Depth, Duration::from_millis(30));
                cx.arm(Timer::Age, Duration::from_millis(10));
                cx.arm(Timer::Idle, Duration::from_millis(10));
                cx.disarm(Timer::Idle);
            }
            // Arms one of no length: it is cast at once, but disarmed before it is delivered.
            Message::Pool(ToPool::Yield) => {
                cx.arm(Timer::Refill, Duration::ZERO);
                std::thread::sleep(Wait::from_millis(20));
                cx.disarm(Timer::Refill);
            }
            Message::Pool(ToPool::Shrink { keep }) => {
                cx.arm(Timer::Deadline(StepIndex::FIRST), Duration::from_micros(u64::from(keep)))
            }
            _ => {}
        }
        self.0.lock().unwrap().push((cx.now(), cx.sender(), *message));
    }
}

#[test]
fn timers_are_never_early_and_only_the_last_arming_counts() {
    let (runtime, log) = (runtime(), Log::default());
    let theirs = Arc::clone(&log);
    let alarm = runtime.host(move || Alarm(Arc::clone(&theirs)));
    runtime.open();
    runtime.tell(alarm, Message::Worker(ToWorker::NothingToYield));
    runtime.tell(alarm, Message::Pool(ToPool::Yield));
    wait_for("three timers have fired or should not", || log.lock().unwrap().len() >= 4);
    std::thread::sleep(Wait::from_millis(60));
    let log = log.lock().unwrap();
    let armed = log[0].0;
    let fired: Vec<(Timer, Duration)> = log
        .iter()
        .filter_map(|(at, _, message)| match message {
            Message::Any(ToAny::Fired(timer)) => Some((*timer, at.since(armed))),
            _ => None,
        })
        .collect();
    let names: Vec<Timer> = fired.iter().map(|(timer, _)| *timer).collect();
    assert_eq!(names, [Timer::Age, Timer::Depth], "{fired:?}");
    assert!(fired[0].1 >= Duration::from_millis(10) && fired[1].1 >= Duration::from_millis(30), "{fired:?}");
}

#[test]
fn hundreds_of_timers_fire_at_or_after_their_times() {
    let (runtime, log) = (runtime(), Log::default());
    let theirs = Arc::clone(&log);
    let alarm = runtime.host(move || Alarm(Arc::clone(&theirs)));
    runtime.open();
    for keep in (1..=200).rev() {
        let before = log.lock().unwrap().len();
        runtime.tell(alarm, Message::Pool(ToPool::Shrink { keep }));
        wait_for("it has fired", || log.lock().unwrap().len() >= before + 2);
    }
    let log = log.lock().unwrap();
    for pair in log.chunks(2) {
        let Message::Pool(ToPool::Shrink { keep }) = pair[0].2 else { panic!("{pair:?}") };
        let after = pair[1].0.since(pair[0].0);
        assert!(after >= Duration::from_micros(u64::from(keep)), "{keep} us came after {after}");
    }
    assert!(runtime.stats().timer_lag.count >= 200);
}

#[test]
fn time_stands_still_until_the_opening() {
    let (runtime, log) = (runtime(), Log::default());
    let theirs = Arc::clone(&log);
    let alarm = runtime.host(move || Alarm(Arc::clone(&theirs)));
    runtime.tell(alarm, Message::Pool(ToPool::Shrink { keep: 1 }));
    std::thread::sleep(Wait::from_millis(20));
    assert_eq!(log.lock().unwrap().len(), 1, "a timer fired before t = 0");
    assert_eq!(log.lock().unwrap()[0].0, Time::ZERO);
    runtime.open();
    wait_for("it has fired", || log.lock().unwrap().len() == 2);
}
