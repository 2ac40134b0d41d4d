//! Tests of the parent's handle, with a process that does nothing in the place of a shard: the test answers.

use super::*;
use crate::wire::BOARD_BYTES;
use microvm::sys::memory::memory_file;
use microvm::sys::process::{Start, spawn};
use microvm::sys::socket::pair;
use std::io::Write;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;

const LIMIT: Duration = Duration::from_millis(20);

/// The handle, the other side's board, and its end of the socket, which nobody reads.
fn shard() -> (Shard, Board, OwnedFd) {
    let file = Arc::new(memory_file(c"test", BOARD_BYTES).unwrap());
    let child = spawn(&Start {
        program: Some(Path::new("/bin/sleep")),
        argument: c"60",
        argument_if_mapped: c"60",
        descriptors: &[],
        log: std::io::stderr().as_fd(),
        own_pid_namespace: false,
    });
    let (ours, unread) = pair().unwrap();
    let board = Board::new(&file).unwrap();
    let shard = Shard::new(0, child.unwrap(), board, ours, std::io::pipe().unwrap().0, 1, Duration::ZERO);
    (shard, Board::new(&file).unwrap(), unread)
}

#[test]
fn an_end_that_is_late_frees_its_cell_when_it_comes_and_kills_nobody() {
    let (shard, theirs, _unread) = shard();
    let slot = shard.reserve().unwrap();
    let late = shard.control(slot, &Command::new(op::STOP, LIMIT), None);
    assert!(matches!(late, Err(NoAnswer::Late)));
    shard.release(slot);
    shard.clear_abandoned();
    assert_eq!(shard.reserve(), None, "its VM is still there");
    theirs.answer(slot, &Answer::ok([0; 4]));
    shard.clear_abandoned();
    assert_eq!(shard.reserve(), Some(slot));
    assert!(!shard.was_hung() && shard.ended().is_none());
}

#[test]
fn a_load_that_is_late_is_ended_when_it_comes() {
    let (shard, theirs, _unread) = shard();
    let slot = shard.reserve().unwrap();
    let late = shard.control(slot, &Command::new(op::LOAD, LIMIT), None);
    assert!(matches!(late, Err(NoAnswer::Late)));
    theirs.answer(slot, &Answer::ok([0; 4]));
    shard.clear_abandoned();
    assert_eq!(theirs.command(slot).map(|command| command.op), Some(op::STOP));
    assert_eq!(shard.reserve(), None, "nobody asked for what was loaded, and it has still to end");
    theirs.answer(slot, &Answer::ok([0; 4]));
    shard.clear_abandoned();
    assert_eq!(shard.reserve(), Some(slot));
}

#[test]
fn a_shard_whose_heart_stops_is_hung_and_one_that_beats_is_not() {
    let (shard, theirs, _unread) = shard();
    for _ in 0..20 {
        theirs.beats().fetch_add(1, Ordering::Relaxed);
        assert!(!shard.is_hung(3));
    }
    assert!(!shard.is_hung(3) && !shard.is_silent());
    assert!(!shard.is_hung(3) && shard.is_silent());
    assert_eq!(shard.load().map(|(silent, ..)| silent), Some(true), "others are preferred");
    assert!(shard.is_hung(3));
    // Who waits for it does not give up on its VM but on the whole shard.
    let slot = shard.reserve().unwrap();
    let stuck = shard.control(slot, &Command::new(op::STOP, LIMIT), None);
    assert!(matches!(stuck, Err(NoAnswer::Stuck)));
    assert!(shard.was_hung());
}

#[test]
fn what_a_shard_says_is_passed_on_by_lines_that_cannot_steer_a_terminal() {
    let (ours, mut theirs) = std::io::pipe().unwrap();
    let (log, mut said) = (Log::new(ours), String::new());
    theirs.write_all(b"shard: one\x1b[2J\ntw").unwrap();
    log.pass_on(3, &mut |line| said += line);
    assert_eq!(said, "shard 3: shard: one[2J\nshard 3: tw\n");
    log.pass_on(3, &mut |line| said += line);
    assert_eq!(said.lines().count(), 2, "there is nothing more, and nobody waits for it");
}
