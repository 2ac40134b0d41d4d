//! The Sprites of a host: their records in the store and their VMs behind the host, always changed in this
//! order: a VM is taken, the record is on disk, whoever asked is told.
//!
//! ```text
//!   use ─▶ InUse ─ last use over ─▶ Ending ─▶ Idle ─ idle_after ─▶ Warm ─ cold_after ─▶ Saved
//!            ▲                                  │                   │                     │
//!            └──────────── next use: the same memory ◀──────────────┴─────────────────────┘
//! ```
//!
//! A name is a key: each use asks the actors for the key, which give it its own Sprite in any state. Before a
//! saved memory is woken its record says that it runs, so that no memory is ever woken twice.

mod life;
mod names;

use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use actors::{Key, Outcome};
use tokio::sync::Notify;

use crate::host::{Began, Host, Lease};
use crate::store::{Access, Applied, Change, Contents, Life, Record, Store, StoreError, Writer};

pub use life::Used;
use names::{Names, Vm, lose_memory};
pub use names::{Status, Totals};

/// Key numbers that are taken from the store at a time. Those that a crash leaves unused are never used.
const KEYS_AT_ONCE: u32 = 4_096;

/// What whoever creates a Sprite asks for.
#[derive(Clone, Debug, Default)]
pub struct New {
    /// Its name.
    pub name: String,
    /// Who may reach it.
    pub access: Access,
    /// Its labels.
    pub labels: Vec<String>,
    /// How long to wait for capacity where the policy turns the request away; `None`: not at all.
    pub patience: Option<Duration>,
}

/// What of a Sprite can be changed; what is left out stays as it is.
#[derive(Clone, Debug, Default)]
pub struct Edit {
    /// Who may reach it.
    pub access: Option<Access>,
    /// Its labels.
    pub labels: Option<Vec<String>>,
}

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpriteError {
    /// There is no Sprite of this name.
    #[error("there is no sprite of this name")]
    Unknown,
    /// There is one already, or another create of it is under way.
    #[error("a sprite of this name exists")]
    Exists,
    /// As many names as may be are taken.
    #[error("this host keeps at most {0} sprites")]
    Names(u32),
    /// The pool is empty and its policy turned the request away.
    #[error("no sprite is ready now")]
    Rejected,
    /// No VM could be made or started.
    #[error("no sprite could be started; the host's status says why")]
    Failed,
    /// The record cannot be written.
    #[error("the record cannot be written: {0}")]
    Store(String),
    /// The guest does not answer.
    #[error("the guest does not answer: {0}")]
    Guest(String),
    /// It cannot sleep, since it is in use.
    #[error("the sprite is in use, and cannot sleep before its requests are over")]
    InUse,
    /// It cannot do that now, or its memory cannot be saved.
    #[error("the sprite cannot do that now: {0}")]
    Busy(String),
}

/// A page of a list.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The Sprites, in the order of names.
    pub records: Vec<(Record, Status)>,
    /// Whether there are more.
    pub more: bool,
}

/// How long the parts of a create took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stages {
    /// From the request to a running Sprite.
    pub start: Duration,
    /// From there until the record was on disk.
    pub record: Duration,
}

/// See the [module](self).
pub struct Sprites {
    host: Arc<dyn Host>,
    store: Writer,
    names_max: u32,
    cold_after: Duration,
    names: Mutex<Names>,
    /// Told when something is due earlier than before.
    due_changed: Notify,
    keys: tokio::sync::Mutex<Keys>,
    /// Creates that wait for capacity, first come first served: who holds it asks.
    queue: tokio::sync::Mutex<()>,
}

struct Keys {
    next: u32,
    /// The store knows that those below may be in use.
    reserved: u32,
}

/// A name that is taken while its create is under way.
struct Claim<'a> {
    sprites: &'a Sprites,
    name: &'a str,
    kept: bool,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        if !self.kept {
            self.sprites.names().all.remove(self.name);
        }
    }
}

/// Milliseconds since 1970, and never before `since`: the clock may have been set back.
fn now_ms(since: i64) -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or(i64::MAX).max(since)
}

/// What a host that comes back finds: memories that were saved and can be woken; whatever else ran has lost
/// its own.
fn recover(contents: &mut Contents, host: &dyn Host) -> Vec<Change> {
    let mut changes = Vec::new();
    for record in &mut contents.records {
        let key = Key(record.key);
        let lost = match (&record.life, &record.seal) {
            (Life::Cold, _) => false,
            (Life::Saved, Some(seal)) => match host.adopt(key, seal) {
                Ok(()) => false,
                Err(error) => {
                    tracing::error!("the memory of {:?} is lost: {error}", record.name);
                    true
                }
            },
            (Life::Running | Life::Saved, _) => true,
        };
        if lost {
            host.discard(key);
            lose_memory(record);
            record.revision += 1;
            changes.push(Change::Replace(record.clone()));
        }
    }
    let saved = contents.records.iter().filter(|record| record.life == Life::Saved);
    host.discard_others(&saved.map(|record| Key(record.key)).collect());
    changes
}

impl Sprites {
    /// Reads the store. Sprites that slept on disk when the host ended sleep on; those that were awake or
    /// warm have lost their memory: they are cold, and say so.
    ///
    /// # Errors
    /// A store that cannot be read or written.
    pub fn open(
        mut store: Box<dyn Store>,
        host: Arc<dyn Host>,
        names_max: u32,
        cold_after: Duration,
        observe_write: impl Fn(usize, Duration) + Send + 'static,
    ) -> Result<Self, StoreError> {
        let mut contents = store.load()?;
        let mut changes = recover(&mut contents, &*host);
        let highest = contents.records.iter().map(|record| record.key.saturating_add(1)).max().unwrap_or(0);
        let next = contents.next_key.max(highest);
        changes.push(Change::Keys(next.saturating_add(KEYS_AT_ONCE)));
        let lost = changes.len() - 1;
        store.apply(&changes)?;
        if lost > 0 {
            tracing::warn!(
                "{lost} sprites were awake or warm when the host ended; their memory is lost, \
                 and they begin anew when they are used"
            );
        }
        let mut names = Names::default();
        contents.records.into_iter().for_each(|record| names.insert(record));
        let store = Writer::start(store, observe_write).map_err(|_| StoreError::Closed)?;
        let keys = Keys { next, reserved: next.saturating_add(KEYS_AT_ONCE) };
        Ok(Self {
            host,
            store,
            names_max,
            cold_after,
            names: Mutex::new(names),
            due_changed: Notify::new(),
            keys: tokio::sync::Mutex::new(keys),
            queue: tokio::sync::Mutex::default(),
        })
    }

    fn names(&self) -> MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // Reading.

    /// One Sprite.
    ///
    /// # Errors
    /// [`SpriteError::Unknown`].
    pub fn get(&self, name: &str) -> Result<(Record, Status), SpriteError> {
        let names = self.names();
        names.entry(name).map(|entry| (entry.record.clone(), entry.status()))
    }

    fn record(&self, name: &str) -> Result<Record, SpriteError> {
        self.get(name).map(|(record, _)| record)
    }

    fn vm(&self, name: &str) -> Result<Option<Vm>, SpriteError> {
        self.names().entry(name).map(|entry| entry.vm)
    }

    /// Sprites whose names begin so and come after `after`, in the order of names.
    pub fn list(&self, prefix: &str, after: Option<&str>, count: usize) -> Page {
        let names = self.names();
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let all = names.all.range::<str, _>((from, Bound::Unbounded));
        let all = all.take_while(|(name, _)| name.starts_with(prefix));
        let mut records: Vec<_> = all
            .filter_map(|(_, entry)| entry.as_ref())
            .take(count + 1)
            .map(|entry| (entry.record.clone(), entry.status()))
            .collect();
        let more = records.len() > count;
        records.truncate(count);
        Page { records, more }
    }

    /// Sprites by their status.
    pub fn totals(&self) -> Totals {
        self.names().totals
    }

    // Changing.

    /// Takes a fresh Sprite for a new name.
    ///
    /// # Errors
    /// A name that is taken, a request that the policy turned away or a fault ended, a record that cannot be
    /// written: then no Sprite is kept.
    pub async fn create(self: &Arc<Self>, new: &New) -> Result<(Record, Status, Stages), SpriteError> {
        let mut claim = self.claim(&new.name)?;
        let begun = Instant::now();
        let key = self.take_key().await?;
        let (lease, _) = self.begin(key, new.patience).await?;
        let started = Instant::now();
        let now = now_ms(0);
        let record = Record {
            name: new.name.clone(),
            id: random_id(),
            key: key.0,
            revision: 1,
            access: new.access,
            labels: new.labels.clone(),
            life: Life::Running,
            beginnings: 1,
            memory_lost_ms: None,
            created_ms: now,
            updated_ms: now,
            last_running_ms: Some(now),
            seal: None,
            last_warming_ms: None,
        };
        if let Err(error) = self.write(Change::Insert(record.clone()), SpriteError::Exists).await {
            self.give_up(lease, key);
            return Err(error);
        }
        claim.kept = true;
        let lost_early = {
            let mut names = self.names();
            names.insert(record.clone());
            names.set_vm(&new.name, Some(Vm::in_use(lease, 1)))?;
            names.lost_early.remove(&lease)
        };
        drop(claim);
        // What was created is idle until somebody uses it.
        drop(Used::new(self, lease));
        if lost_early {
            self.lost(lease).await;
        }
        let stages = Stages { start: started - begun, record: started.elapsed() };
        let (record, status) = self.get(&new.name)?;
        Ok((record, status, stages))
    }

    fn claim<'a>(&'a self, name: &'a str) -> Result<Claim<'a>, SpriteError> {
        let mut names = self.names();
        if names.all.contains_key(name) {
            return Err(SpriteError::Exists);
        }
        if names.all.len() >= self.names_max as usize {
            return Err(SpriteError::Names(self.names_max));
        }
        names.all.insert(name.to_owned(), None);
        Ok(Claim { sprites: self, name, kept: false })
    }

    async fn take_key(&self) -> Result<Key, SpriteError> {
        let mut keys = self.keys.lock().await;
        if keys.next == keys.reserved {
            let reserved = keys.reserved.checked_add(KEYS_AT_ONCE);
            let reserved = reserved.ok_or(SpriteError::Store("every key number has been used".to_owned()))?;
            self.write(Change::Keys(reserved), SpriteError::Failed).await?;
            keys.reserved = reserved;
        }
        let key = Key(keys.next);
        keys.next += 1;
        Ok(key)
    }

    async fn write(&self, change: Change, on_conflict: SpriteError) -> Result<(), SpriteError> {
        match self.store.apply(change).await {
            Ok(Applied::Done) => Ok(()),
            Ok(Applied::Conflict) => Err(on_conflict),
            Err(why) => Err(SpriteError::Store(why)),
        }
    }

    /// One request to the actors; or as many as it takes, one at a time and in turn with others that wait for
    /// capacity.
    async fn begin(&self, key: Key, patience: Option<Duration>) -> Result<(Lease, Outcome), SpriteError> {
        let Some(patience) = patience else { return self.ask(key).await };
        let until = Instant::now() + patience;
        // Whoever waits already comes first.
        if let Ok(_turn) = self.queue.try_lock() {
            match self.ask(key).await {
                Err(SpriteError::Rejected) => {}
                other => return other,
            }
        }
        let Ok(_turn) = tokio::time::timeout(patience, self.queue.lock()).await else {
            return Err(SpriteError::Rejected);
        };
        loop {
            match self.ask(key).await {
                Err(SpriteError::Rejected) if Instant::now() < until => self.host.room().await,
                other => return other,
            }
        }
    }

    async fn ask(&self, key: Key) -> Result<(Lease, Outcome), SpriteError> {
        match self.host.begin(key).await {
            Ok(Began::Running { lease, outcome }) => Ok((lease, outcome)),
            Ok(Began::Rejected) => Err(SpriteError::Rejected),
            Ok(Began::Failed) | Err(_) => Err(SpriteError::Failed),
        }
    }

    /// Changes settings.
    ///
    /// # Errors
    /// An unknown name; a record that cannot be written.
    pub async fn update(&self, name: &str, edit: &Edit) -> Result<(Record, Status), SpriteError> {
        let gate = self.gate(name)?;
        let _held = gate.lock().await;
        let mut record = self.record(name)?;
        record.access = edit.access.unwrap_or(record.access);
        if let Some(labels) = &edit.labels {
            record.labels.clone_from(labels);
        }
        record.updated_ms = now_ms(record.updated_ms);
        self.replace(record).await?;
        self.get(name)
    }

    /// Writes the record's next revision, and lets it be seen. Its gate is held.
    async fn replace(&self, mut record: Record) -> Result<(), SpriteError> {
        record.revision += 1;
        self.write(Change::Replace(record.clone()), SpriteError::Unknown).await?;
        let name = record.name.clone();
        self.names().change(&name, |entry| entry.record = record)
    }

    /// Removes the name, then ends its VM.
    ///
    /// # Errors
    /// An unknown name; a record that cannot be removed: then all stays as it is.
    pub async fn delete(&self, name: &str) -> Result<(), SpriteError> {
        let gate = self.gate(name)?;
        let _held = gate.lock().await;
        let record = self.record(name)?;
        let remove = Change::Remove { name: name.to_owned(), revision: record.revision };
        self.write(remove, SpriteError::Unknown).await?;
        let vm = self.names().remove(name).and_then(|entry| entry.vm);
        self.end_vm(vm, Key(record.key));
        self.discard(Key(record.key)).await;
        Ok(())
    }

    fn gate(&self, name: &str) -> Result<Arc<tokio::sync::Mutex<()>>, SpriteError> {
        self.names().entry(name).map(|entry| Arc::clone(&entry.gate))
    }
}

fn random_id() -> String {
    let (high, low) = (getrandom::u64().unwrap_or_default(), getrandom::u64().unwrap_or_default());
    format!("sprite-{high:016x}{low:016x}")
}
