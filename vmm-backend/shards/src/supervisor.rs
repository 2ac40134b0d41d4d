//! The thread that starts shards, sees them end, tells which VMs went with them, and starts new ones in their
//! place. It lives as long as the fleet, because the kernel ties a shard's life to the thread that started
//! it.

use crate::config::ShardsConfig;
use crate::error::ShardsError;
use crate::lost::Lost;
use crate::registry::Registry;
use crate::serve::{Setup, encode_setup};
use crate::shard::Shard;
use crate::spawn;
use crate::wire::{BOARD_BYTES, Board, HEARTBEAT};
use microvm::sys::memory::{SEALS, memory_file, seal};
use microvm::sys::process::Ended;
use microvm::sys::socket;
use microvm::template::Template;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// Shards restarted within [`RESTART_WINDOW`] before the supervisor waits: a shard that cannot live must not
/// keep the host busy.
const RESTARTS_MAX: usize = 64;
const RESTART_WINDOW: Duration = Duration::from_secs(60);
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// A shard that was seen not to run so many times in a row is killed: its VMs are told as lost within a
/// second.
const SILENT_LOOKS_MAX: u32 = 8;

/// What every shard is given, prepared once.
pub(crate) struct Recipe {
    template: Arc<Template>,
    device: File,
    setup: [Arc<File>; 2],
}

impl Recipe {
    pub(crate) fn new(
        template: &Arc<Template>,
        config: &ShardsConfig,
        run_ahead: bool,
    ) -> Result<Self, ShardsError> {
        let device = File::options().read(true).write(true).open("/dev/kvm").map_err(ShardsError::Device)?;
        let description = template.description()?;
        let file = |own_pid_namespace| {
            let setup = Setup {
                runners: config.runners_per_shard,
                run_ahead,
                quota: config.memory.quota,
                own_pid_namespace,
                memory_bytes: template.manifest().memory_bytes,
                template: description.clone(),
            };
            let encoded = encode_setup(&setup).map_err(microvm::template::TemplateError::from)?;
            let sealed = || {
                let file = memory_file(c"warmpool-setup", encoded.len() as u64)?;
                file.write_all_at(&encoded, 0)?;
                seal(&file, SEALS)?;
                Ok(file)
            };
            sealed().map_err(ShardsError::Spawn)
        };
        Ok(Self { template: template.clone(), device, setup: [file(false)?, file(true)?] })
    }

    fn start(&self, number: usize, inner: &Registry) -> io::Result<Arc<Shard>> {
        let board_file = memory_file(c"warmpool-board", BOARD_BYTES)?;
        seal(&board_file, libc::F_SEAL_GROW | libc::F_SEAL_SHRINK | libc::F_SEAL_SEAL)?;
        let board = Board::new(&board_file)?;
        let (ours, theirs) = socket::pair()?;
        let (log, said) = io::pipe()?;
        let config = &inner.config;
        let start = |own_pid_namespace: bool| {
            let setup = &self.setup[usize::from(own_pid_namespace)];
            let descriptors = [
                theirs.as_fd(),
                board_file.as_fd(),
                self.template.file().as_fd(),
                setup.as_fd(),
                self.device.as_fd(),
            ];
            spawn::shard(config.program.as_deref(), &descriptors, said.as_fd(), own_pid_namespace)
        };
        let child = start(true).or_else(|_| start(false))?;
        Ok(Arc::new(Shard::new(number, child, board, ours, log, config.vms_of(number), config.spin)))
    }
}

/// Start this many shards and wait until each is ready.
pub(crate) fn start_all(recipe: &Recipe, inner: &Registry, shards: usize) -> Result<(), ShardsError> {
    // All first, then wait, so that they set themselves up side by side.
    let started: Vec<_> = (0..shards)
        .map(|number| recipe.start(number, inner))
        .collect::<io::Result<_>>()
        .map_err(ShardsError::Spawn)?;
    for shard in &started {
        let ready = shard.wait_ready();
        shard.pass_log_on();
        ready.map_err(|text| ShardsError::Setup { shard: shard.number, text })?;
    }
    *inner.shards_mut() = started;
    Ok(())
}

/// See to the shards until the parent lets go of them. Starting one takes a while, and nothing here waits for
/// it: a shard that ends or hangs meanwhile is noticed as soon as ever.
pub(crate) fn supervise(recipe: &Recipe, inner: &Weak<Registry>, wakeup: &OwnedFd, lost: &Sender<Lost>) {
    let mut restarts: Vec<Instant> = Vec::new();
    let mut missing: Vec<usize> = Vec::new();
    let mut starting: Vec<Arc<Shard>> = Vec::new();
    let (mut looked, mut retry_at) = (Instant::now(), Instant::now());
    loop {
        let Some(registry) = inner.upgrade() else { return };
        let shards = registry.shards().clone();
        drop(registry);
        let ended = wait(&shards, wakeup, HEARTBEAT);
        let Some(registry) = inner.upgrade() else { return };
        if registry.is_closing() {
            return;
        }
        for shard in ended {
            let ended = shard.child().reap();
            missing.push(shard.number);
            report(&registry, &shard, ended, lost);
        }
        if looked.elapsed() >= HEARTBEAT {
            looked = Instant::now();
            if registry.config.memory.budget.is_some() {
                let written = shards.iter().map(|shard| written_in(shard.child().pid())).sum();
                registry.written.store(written, Ordering::Relaxed);
            }
            for shard in shards.iter().filter(|shard| !shard.is_gone()) {
                shard.pass_log_on();
                shard.raise_runners();
                shard.clear_abandoned();
                if shard.is_hung(SILENT_LOOKS_MAX) {
                    shard.kill_as_hung();
                }
            }
        }
        starting.retain(|shard| match shard.readiness() {
            None => true,
            Some(Ok(())) => {
                registry.shards_mut().push(Arc::clone(shard));
                false
            }
            Some(Err(_)) => {
                shard.pass_log_on();
                missing.push(shard.number);
                retry_at = Instant::now() + RETRY_AFTER;
                false
            }
        });
        restarts.retain(|at| at.elapsed() < RESTART_WINDOW);
        if Instant::now() < retry_at {
            continue;
        }
        missing.retain(|&number| {
            if restarts.len() >= RESTARTS_MAX {
                return true;
            }
            restarts.push(Instant::now());
            match recipe.start(number, &registry) {
                Ok(shard) => {
                    starting.push(shard);
                    false
                }
                Err(_) => {
                    retry_at = Instant::now() + RETRY_AFTER;
                    true
                }
            }
        });
    }
}

/// Bytes of memory that a process has of its own: of a shard almost all are pages that guests have written. 0
/// where it has ended.
fn written_in(pid: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) << 10
}

fn report(fleet: &Registry, shard: &Arc<Shard>, ended: Ended, lost: &Sender<Lost>) {
    shard.pass_log_on();
    let vms = shard.lose();
    fleet.shards_mut().retain(|other| !Arc::ptr_eq(other, shard));
    fleet.forget(&vms);
    // Nobody may be interested any more, which is as well.
    let _ =
        lost.send(Lost { shard: shard.number, pid: shard.child().pid(), ended, hung: shard.was_hung(), vms });
}

/// Those that ended; returns early when woken or after `limit`.
fn wait(shards: &[Arc<Shard>], wakeup: &OwnedFd, limit: Duration) -> Vec<Arc<Shard>> {
    let entry = |fd| PollFd::from_borrowed_fd(fd, PollFlags::IN);
    let mut entries: Vec<_> = shards.iter().map(|shard| entry(shard.child().handle())).collect();
    entries.push(entry(wakeup.as_fd()));
    let limit = Timespec::try_from(limit).ok();
    // An interrupted call leaves nothing marked, and the next one sees the same.
    let _ = poll(&mut entries, limit.as_ref());
    let ended = shards.iter().zip(&entries).filter(|(_, entry)| !entry.revents().is_empty());
    ended.map(|(shard, _)| shard.clone()).collect()
}
