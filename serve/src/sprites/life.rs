//! The life of a Sprite between its uses: it is used, idle, warm, cold, and used again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actors::{Key, Outcome, State};

use super::names::{Phase, Vm, lose_memory};
use super::{SpriteError, Sprites, Status, now_ms};
use crate::host::{Change, Changes, Lease, Visit};
use crate::store::{Life, Record};

/// How long the end of a use, or a sleep, may take before whoever waits for it gives up.
const SETTLE_LIMIT: Duration = Duration::from_secs(10);
/// When a memory that could not be saved is tried again.
const RETRY: Duration = Duration::from_secs(30);
/// Sleepers that are saved at once when the host leaves.
const SAVES_AT_ONCE: usize = 4;

/// One use of a VM. While there is one the Sprite is awake; dropping the last one makes it idle.
pub struct Used {
    sprites: Arc<Sprites>,
    lease: Lease,
}

impl Used {
    pub(super) fn new(sprites: &Arc<Sprites>, lease: Lease) -> Self {
        Self { sprites: Arc::clone(sprites), lease }
    }
}

impl Drop for Used {
    fn drop(&mut self) {
        let over = {
            let mut names = self.sprites.names();
            let Some(name) = names.by_lease.get(&self.lease).cloned() else { return };
            let left = names.change(&name, |entry| {
                let Some(vm) = &mut entry.vm else { return false };
                vm.users = vm.users.saturating_sub(1);
                end_if_over(vm)
            });
            left == Ok(true)
        };
        if over {
            self.sprites.host.end_use(self.lease);
        }
    }
}

/// Marks a VM that nobody needs awake. Whether it was one: then its use has to be ended.
fn end_if_over(vm: &mut Vm) -> bool {
    let over = vm.is_over(Instant::now());
    if over {
        (vm.phase, vm.awake_until) = (Phase::Ending, None);
    }
    over
}

impl Sprites {
    // Use.

    /// Has the guest of a Sprite answer one request; the Sprite is in use meanwhile.
    ///
    /// # Errors
    /// An unknown name; no VM for it; a guest that does not answer.
    pub async fn visit(self: &Arc<Self>, name: &str) -> Result<(Visit, Record), SpriteError> {
        let used = self.enter(name).await?;
        let (host, lease) = (Arc::clone(&self.host), used.lease);
        let visited = tokio::task::spawn_blocking(move || host.visit(lease)).await;
        let visit = visited.map_err(|error| SpriteError::Guest(error.to_string()))?;
        let record = self.record(name)?;
        drop(used);
        Ok((visit.map_err(|error| SpriteError::Guest(error.to_string()))?, record))
    }

    /// Begins a use: joins one that is under way, wakes the Sprite, or has it begin anew where it has no
    /// memory.
    ///
    /// # Errors
    /// An unknown name; no VM for it; a record that cannot be written.
    pub async fn enter(self: &Arc<Self>, name: &str) -> Result<Used, SpriteError> {
        if let Some(lease) = self.names().join(name)? {
            return Ok(Used::new(self, lease));
        }
        let gate = self.gate(name)?;
        let _held = gate.lock().await;
        self.settled(name, |phase| phase != Some(Phase::Ending)).await?;
        if let Some(lease) = self.names().join(name)? {
            return Ok(Used::new(self, lease));
        }
        let lease = self.begin_use(name).await?;
        Ok(Used::new(self, lease))
    }

    /// Waits until the phase of a name is so.
    async fn settled(&self, name: &str, is: impl Fn(Option<Phase>) -> bool) -> Result<(), SpriteError> {
        let limit = tokio::time::Instant::now() + SETTLE_LIMIT;
        loop {
            let changed = self.names().entry(name).map(|entry| Arc::clone(&entry.changed))?;
            // Asked for before looking, so that no change falls between the two.
            let told = changed.notified();
            tokio::pin!(told);
            told.as_mut().enable();
            let phase = self.vm(name)?.map(|vm| vm.phase);
            if is(phase) {
                return Ok(());
            }
            if tokio::time::timeout_at(limit, told).await.is_err() {
                let limit_s = SETTLE_LIMIT.as_secs();
                return Err(SpriteError::Busy(format!("it is still {phase:?} after {limit_s} s")));
            }
        }
    }

    /// The gate is held, and no use is under way.
    async fn begin_use(&self, name: &str) -> Result<Lease, SpriteError> {
        let (before, old) = (self.record(name)?, self.vm(name)?);
        let key = Key(before.key);
        if before.life == Life::Saved {
            // Written before the guest runs: after a crash nobody wakes this memory again.
            self.replace(Record { life: Life::Running, seal: None, ..before.clone() }).await?;
        }
        let (lease, outcome) = match self.begin(key, None).await {
            Ok(began) => began,
            Err(error) => {
                self.not_begun(&before, &error).await;
                return Err(error);
            }
        };
        let had_memory = old.is_some() || before.life == Life::Saved;
        let is_kept = had_memory && (outcome == Outcome::Woken || old.is_some_and(|vm| vm.lease == lease));
        let mut record = self.record(name)?;
        record.last_running_ms = Some(now_ms(record.last_running_ms.unwrap_or(record.created_ms)));
        if is_kept {
            self.names().change(name, |entry| entry.record = record)?;
        } else {
            if had_memory {
                lose_memory(&mut record);
            }
            record.life = Life::Running;
            record.beginnings += 1;
            if let Err(error) = self.replace(record).await {
                self.give_up(lease, key);
                return Err(error);
            }
        }
        {
            let mut names = self.names();
            if names.lost_early.remove(&lease) {
                names.set_vm(name, None)?;
                return Err(SpriteError::Failed);
            }
            names.set_vm(name, Some(Vm::in_use(lease, 1)))?;
        }
        if before.life == Life::Saved {
            self.discard(key).await;
        }
        Ok(lease)
    }

    /// A use could not begin. A sleeper that was not woken sleeps on.
    async fn not_begun(&self, before: &Record, error: &SpriteError) {
        if before.life != Life::Saved {
            return;
        }
        let Ok(mut record) = self.record(&before.name) else { return };
        if *error == SpriteError::Rejected {
            (record.life, record.seal) = (Life::Saved, before.seal.clone());
        } else {
            lose_memory(&mut record);
            self.host.forget(Key(record.key));
            let _ = self.names().set_vm(&record.name, None);
        }
        if let Err(error) = self.replace(record).await {
            tracing::error!("{:?}: its memory will be lost when this host ends: {error}", before.name);
        }
    }

    /// Ends a VM that nobody has, or will have: now, or as soon as it is idle.
    pub(super) fn end_vm(&self, vm: Option<Vm>, key: Key) {
        match vm {
            Some(vm) if matches!(vm.phase, Phase::InUse | Phase::Ending) => {
                self.names().leaving.insert(vm.lease, key);
                if vm.phase == Phase::InUse {
                    self.host.end_use(vm.lease);
                }
            }
            _ => self.host.forget(key),
        }
    }

    /// A VM that was taken for a key, but whose record could not be written.
    pub(super) fn give_up(&self, lease: Lease, key: Key) {
        self.end_vm(Some(Vm::in_use(lease, 0)), key);
    }

    pub(super) async fn discard(&self, key: Key) {
        let host = Arc::clone(&self.host);
        // It only fails where the host ends.
        let _ = tokio::task::spawn_blocking(move || host.discard(key)).await;
    }

    // What is asked for beside the public API.

    /// Puts a Sprite to sleep now, and to disk as well where that is asked for.
    ///
    /// # Errors
    /// A Sprite in use; a memory that cannot be saved.
    pub async fn sleep(&self, name: &str, to: Status) -> Result<(), SpriteError> {
        let gate = self.gate(name)?;
        let _held = gate.lock().await;
        let over = self.names().change(name, |entry| {
            let Some(vm) = &mut entry.vm else { return Ok(None) };
            if vm.users > 0 {
                return Err(SpriteError::InUse);
            }
            vm.awake_until = None;
            Ok(end_if_over(vm).then_some(vm.lease))
        })??;
        if let Some(lease) = over {
            self.host.end_use(lease);
        }
        self.settled(name, |phase| phase != Some(Phase::Ending)).await?;
        if let Some(vm) = self.vm(name)?.filter(|vm| vm.phase == Phase::Idle) {
            self.host.sleep_now(vm.lease);
            self.settled(name, |phase| phase != Some(Phase::Idle)).await?;
        }
        match self.vm(name)? {
            Some(vm) if to == Status::Cold && vm.phase == Phase::Warm => self.save(name, vm).await,
            _ => Ok(()),
        }
    }

    /// Keeps a Sprite awake, for so long at the least; zero ends that.
    ///
    /// # Errors
    /// As a use.
    pub async fn keep_awake(self: &Arc<Self>, name: &str, length: Duration) -> Result<(), SpriteError> {
        let used = self.enter(name).await?;
        let until = Instant::now() + length;
        {
            let mut names = self.names();
            names.change(name, |entry| {
                if let Some(vm) = &mut entry.vm {
                    vm.awake_until = (!length.is_zero()).then_some(until);
                }
            })?;
            names.due.insert((until, name.to_owned()));
        }
        self.due_changed.notify_one();
        drop(used);
        Ok(())
    }

    /// For how much longer a Sprite is kept awake.
    pub fn awake_for(&self, name: &str) -> Option<Duration> {
        let until = self.vm(name).ok().flatten()?.awake_until?;
        until.checked_duration_since(Instant::now())
    }

    /// Ends the VM of a Sprite and has it begin anew; name, key and settings stay.
    ///
    /// # Errors
    /// As a use.
    pub async fn restart(self: &Arc<Self>, name: &str) -> Result<(), SpriteError> {
        let gate = self.gate(name)?;
        let _held = gate.lock().await;
        self.settled(name, |phase| phase != Some(Phase::Ending)).await?;
        let (mut record, vm) = (self.record(name)?, self.vm(name)?);
        let key = Key(record.key);
        lose_memory(&mut record);
        self.replace(record).await?;
        if let Some(vm) = vm.filter(|vm| vm.phase == Phase::InUse) {
            self.names().change(name, |entry| entry.vm.iter_mut().for_each(|vm| vm.phase = Phase::Ending))?;
            self.host.end_use(vm.lease);
            self.settled(name, |phase| phase != Some(Phase::Ending)).await?;
        }
        self.host.forget(key);
        self.names().set_vm(name, None)?;
        self.discard(key).await;
        let lease = self.begin_use(name).await?;
        drop(Used::new(self, lease));
        Ok(())
    }

    // What happens by itself.

    /// Takes note of what becomes of VMs, until the host is closed.
    pub async fn watch(self: &Arc<Self>, mut changes: Changes) {
        while let Some(change) = changes.recv().await {
            self.note(change).await;
        }
    }

    async fn note(self: &Arc<Self>, Change { lease, is, .. }: Change) {
        if matches!(is, State::Failed | State::Stopped) {
            self.names().leaving.remove(&lease);
            return self.lost(lease).await;
        }
        let is_saved = is == State::Asleep && self.host.is_saved(lease);
        let mut names = self.names();
        if let Some(key) = names.leaving.remove(&lease) {
            drop(names);
            return self.host.forget(key);
        }
        let Some(name) = names.by_lease.get(&lease).cloned() else { return };
        let cold_after = if is_saved { Duration::ZERO } else { self.cold_after };
        let cold_at = Instant::now() + cold_after;
        let fell_asleep = names.change(&name, |entry| {
            let Some(vm) = &mut entry.vm else { return false };
            match (is, vm.phase) {
                (State::Idle, Phase::Ending) => vm.phase = Phase::Idle,
                (State::Asleep, Phase::Idle) => {
                    (vm.phase, vm.cold_at) = (Phase::Warm, Some(cold_at));
                    entry.record.last_warming_ms = Some(now_ms(entry.record.created_ms));
                    return true;
                }
                // A use has begun meanwhile.
                _ => {}
            }
            false
        });
        if fell_asleep == Ok(true) {
            names.due.insert((cold_at, name));
            drop(names);
            self.due_changed.notify_one();
        }
    }

    /// Does what is due at its time: ends what was kept awake, saves what has been warm for long enough.
    pub async fn keep_time(self: &Arc<Self>) {
        loop {
            let next = self.names().due.first().map(|(at, _)| *at);
            let sleep =
                next.map_or(Duration::from_secs(3_600), |at| at.saturating_duration_since(Instant::now()));
            if tokio::time::timeout(sleep, self.due_changed.notified()).await.is_ok() {
                continue;
            }
            let due = {
                let mut names = self.names();
                let now = Instant::now();
                names.due.first().is_some_and(|(at, _)| *at <= now).then(|| names.due.pop_first()).flatten()
            };
            if let Some((_, name)) = due {
                self.look_at(&name).await;
            }
        }
    }

    async fn look_at(self: &Arc<Self>, name: &str) {
        let now = Instant::now();
        let Ok(Some(vm)) = self.vm(name) else { return };
        if vm.is_over(now) {
            let over = self.names().change(name, |entry| entry.vm.as_mut().is_some_and(end_if_over));
            if over == Ok(true) {
                self.host.end_use(vm.lease);
            }
        } else if vm.phase == Phase::Warm && vm.cold_at.is_some_and(|at| at <= now) {
            let theirs = Arc::clone(self);
            let name = name.to_owned();
            tokio::spawn(async move {
                let Ok(gate) = theirs.gate(&name) else { return };
                let _held = gate.lock().await;
                let still = theirs.vm(&name).ok().flatten().filter(|vm| vm.phase == Phase::Warm);
                if let Some(vm) = still.filter(|vm| vm.cold_at.is_some_and(|at| at <= now))
                    && let Err(error) = theirs.save(&name, vm).await
                {
                    tracing::error!("{name:?} stays warm: {error}");
                }
            });
        }
    }

    /// Brings a warm Sprite to disk: first its memory, then its record. The gate is held.
    async fn save(&self, name: &str, vm: Vm) -> Result<(), SpriteError> {
        let mut record = self.record(name)?;
        let (host, key) = (Arc::clone(&self.host), Key(record.key));
        let saved = tokio::task::spawn_blocking(move || host.save(vm.lease, key)).await;
        let saved = saved.map_err(|error| error.to_string());
        let done = match saved.and_then(|saved| saved.map_err(|error| error.to_string())) {
            Ok(seal) => {
                (record.life, record.seal) = (Life::Saved, Some(seal));
                self.replace(record).await
            }
            Err(why) => Err(SpriteError::Busy(why)),
        };
        let mut names = self.names();
        let again = Instant::now() + RETRY;
        names.change(name, |entry| {
            let Some(now) = entry.vm.as_mut().filter(|now| now.lease == vm.lease) else { return };
            match done {
                Ok(()) => (now.phase, now.cold_at) = (Phase::Saved, None),
                Err(_) => now.cold_at = Some(again),
            }
        })?;
        if done.is_err() {
            names.due.insert((again, name.to_owned()));
        }
        done
    }

    /// Puts every Sprite to sleep and to disk, until the limit: the host is about to leave. Gives how many
    /// are not saved.
    pub async fn rest(self: &Arc<Self>, limit: Duration) -> usize {
        let until = tokio::time::Instant::now() + limit;
        let awake: Vec<String> = self.names().by_lease.values().cloned().collect();
        let permits = Arc::new(tokio::sync::Semaphore::new(SAVES_AT_ONCE));
        let mut saves = tokio::task::JoinSet::new();
        for name in awake {
            let (theirs, permits) = (Arc::clone(self), Arc::clone(&permits));
            saves.spawn(async move {
                let _permit = permits.acquire().await;
                theirs.sleep(&name, Status::Cold).await.is_ok()
            });
        }
        let mut left = saves.len();
        while let Ok(Some(saved)) = tokio::time::timeout_at(until, saves.join_next()).await {
            left -= usize::from(saved.unwrap_or(false));
        }
        left
    }

    /// A VM is gone, and with it what it remembered.
    pub(super) async fn lost(&self, lease: Lease) {
        let name = {
            let mut names = self.names();
            let Some(name) = names.by_lease.get(&lease).cloned() else {
                // Its record is not known yet, or no longer; those of the latter kind are few.
                if names.lost_early.len() < 10_000 {
                    names.lost_early.insert(lease);
                }
                return;
            };
            let _ = names.set_vm(&name, None);
            name
        };
        let Ok(gate) = self.gate(&name) else { return };
        let _held = gate.lock().await;
        let (Ok(mut record), Ok(None)) = (self.record(&name), self.vm(&name)) else { return };
        tracing::warn!("the VM of {name:?} ended by itself; its memory is lost");
        lose_memory(&mut record);
        let key = Key(record.key);
        if let Err(error) = self.replace(record).await {
            tracing::error!("{name:?} has lost its memory, but {error}");
        }
        self.discard(key).await;
    }
}
