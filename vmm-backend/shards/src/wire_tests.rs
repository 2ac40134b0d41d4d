//! Tests of the board: both sides in one process, on threads.

use super::*;
use microvm::sys::memory::memory_file;
use std::sync::Arc;

fn board() -> Arc<Board> {
    Arc::new(Board::new(&memory_file(c"test", BOARD_BYTES).unwrap()).unwrap())
}

#[test]
fn every_posted_cell_is_answered_once() {
    let board = board();
    let server = board.clone();
    let serve = std::thread::spawn(move || {
        for _ in 0..VMS_PER_SHARD_MAX * 20 {
            let slot = server.next();
            let command = server.command(slot).unwrap();
            server.answer(slot, &Answer::ok([command.args[0] + 1, 0, 0, 0]));
        }
    });
    let clients: Vec<_> = (0..VMS_PER_SHARD_MAX)
        .map(|slot| {
            let board = board.clone();
            std::thread::spawn(move || {
                for turn in 0..20 {
                    let mut command = Command::new(op::REQUEST, Duration::from_secs(1));
                    command.args[0] = (slot * 100 + turn) as u64;
                    board.post(slot, &command, true);
                    let answer =
                        board.wait(slot, Duration::from_micros(10), Duration::from_secs(10), &|| false);
                    assert_eq!(answer.unwrap().values[0], command.args[0] + 1);
                }
            })
        })
        .collect();
    for client in clients {
        client.join().unwrap();
    }
    serve.join().unwrap();
}

#[test]
fn a_leader_that_is_held_up_is_relieved_by_who_waits() {
    let board = board();
    let held_up = board.take_lead();
    assert!(board.leads(held_up));
    let server = board.clone();
    let relief = std::thread::spawn(move || {
        let lead = server.take_lead();
        let slot = server.next();
        server.answer(slot, &Answer::ok([7; 4]));
        lead
    });
    board.post(5, &Command::new(op::REQUEST, Duration::from_secs(1)), true);
    let answer = board.wait(5, Duration::from_micros(50), Duration::from_secs(10), &|| false);
    assert_eq!(answer.unwrap().values, [7; 4]);
    assert!(!board.leads(held_up));
    let lead = relief.join().unwrap();
    board.end_lead(held_up);
    assert!(board.leads(lead), "an old lead ends no other");
}

#[test]
fn a_command_can_be_taken_back_until_somebody_has_begun() {
    let board = board();
    let command = Command::new(op::REQUEST, Duration::ZERO);
    board.post(2, &command, true);
    assert!(board.withdraw(2));
    assert!(board.command(2).is_none());
    board.post(2, &command, true);
    assert_eq!(board.next(), 2);
    assert!(!board.withdraw(2));
    assert!(board.command(2).is_some());
}

#[test]
fn a_wait_ends_at_its_limit_and_when_the_other_side_is_gone() {
    let board = board();
    let start = Instant::now();
    assert!(board.wait(3, Duration::ZERO, Duration::from_millis(20), &|| false).is_none());
    assert!(board.wait(3, Duration::ZERO, Duration::from_secs(60), &|| true).is_none());
    assert!(start.elapsed() < Duration::from_secs(10));
}

#[test]
fn lengths_on_the_board_are_not_believed() {
    let mut command = Command::new(op::START, Duration::ZERO);
    command.key_bytes = u32::MAX;
    assert!(command.read_bind().is_none());
    let mut answer = Answer::error(code::FAILED, &"x".repeat(2 * TEXT_BYTES_MAX));
    answer.text_bytes = u32::MAX;
    assert_eq!(answer.read_text().len(), TEXT_BYTES_MAX);
}

#[test]
fn nothing_secret_stays_on_the_board() {
    let board = board();
    let mut command = Command::new(op::START, Duration::ZERO).with_key(&Key::new("secret").unwrap());
    (command.entropy, command.file_key) = ([9; 32], [8; 32]);
    board.post(0, &command, false);
    assert_eq!(board.command(0).unwrap().read_key().unwrap().as_str(), "secret");
    board.answer(0, &Answer::ok([0; 4]));
    board.state(0).store(cell::POSTED, Ordering::Release);
    assert_eq!(board.command(0).unwrap().key, [0; KEY_BYTES_MAX]);
    assert_eq!(board.command(0).unwrap().entropy, [0; 32]);
    assert_eq!(board.command(0).unwrap().file_key, [0; 32]);
}

#[test]
fn a_runner_waits_for_its_priority_until_the_parent_has_raised_it() {
    let board = board();
    let runner = board.clone();
    let begun = Instant::now();
    let waits = std::thread::spawn(move || runner.wait_to_be_raised(3));
    while board.lowered().load(Ordering::Acquire) != 1 << 3 {
        assert!(begun.elapsed() < Duration::from_secs(5), "nobody asks");
        std::thread::yield_now();
    }
    board.have_raised(1 << 2);
    assert!(!waits.is_finished(), "that was another");
    board.have_raised(1 << 3);
    waits.join().unwrap();
    assert!(begun.elapsed() < RAISED_WITHIN, "it was told, and did not give up");
}
