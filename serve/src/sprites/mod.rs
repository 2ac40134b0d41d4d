//! The Sprites of a host: their records in the store and their VMs behind the host, always changed in this
//! order: a VM is taken, the record is on disk, whoever asked is told.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use actors::{Key, Outcome};

use crate::host::{Began, Host, Lease, Losses, Visit};
use crate::store::{Access, Applied, Change, Contents, Life, Record, Store, StoreError, Writer};

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
}

/// A page of a list.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The Sprites, in the order of names.
    pub records: Vec<Record>,
    /// Whether there are more.
    pub more: bool,
}

/// Sprites by their state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// They have a VM.
    pub running: usize,
    /// They have none.
    pub cold: usize,
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
    names: Mutex<Names>,
    keys: tokio::sync::Mutex<Keys>,
    /// Creates that wait for capacity, first come first served: who holds it asks.
    queue: tokio::sync::Mutex<()>,
}

struct Keys {
    next: u32,
    /// The store knows that those below may be in use.
    reserved: u32,
}

#[derive(Default)]
struct Names {
    /// `None`: its create is under way.
    all: BTreeMap<String, Option<Entry>>,
    by_lease: BTreeMap<Lease, String>,
    /// VMs that were lost before their record was known.
    lost_early: BTreeSet<Lease>,
    creating: usize,
}

struct Entry {
    record: Record,
    lease: Option<Lease>,
    /// Held while the record or the VM changes.
    gate: Arc<tokio::sync::Mutex<()>>,
}

/// A name that is taken while its create is under way.
struct Claim<'a> {
    sprites: &'a Sprites,
    name: &'a str,
    kept: bool,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let mut names = self.sprites.names();
        names.creating -= 1;
        if !self.kept {
            names.all.remove(self.name);
        }
    }
}

/// Milliseconds since 1970, and never before `since`: the clock may have been set back.
fn now_ms(since: i64) -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or(i64::MAX).max(since)
}

/// What a host that comes back finds: whatever ran has lost its VM and its memory.
fn recover(contents: &mut Contents) -> Vec<Change> {
    let ran = contents.records.iter_mut().filter(|record| record.life == Life::Running);
    ran.map(|record| {
        lose_memory(record);
        Change::Replace(record.clone())
    })
    .collect()
}

fn lose_memory(record: &mut Record) {
    record.life = Life::Cold;
    record.revision += 1;
    record.memory_lost_ms = Some(now_ms(record.created_ms));
}

impl Sprites {
    /// Reads the store. Sprites that ran when the host ended have lost their memory: they are cold, and say
    /// so.
    ///
    /// # Errors
    /// A store that cannot be read or written.
    pub fn open(
        mut store: Box<dyn Store>,
        host: Arc<dyn Host>,
        names_max: u32,
        observe_write: impl Fn(usize, Duration) + Send + 'static,
    ) -> Result<Self, StoreError> {
        let mut contents = store.load()?;
        let mut changes = recover(&mut contents);
        let highest = contents.records.iter().map(|record| record.key.saturating_add(1)).max().unwrap_or(0);
        let next = contents.next_key.max(highest);
        changes.push(Change::Keys(next.saturating_add(KEYS_AT_ONCE)));
        let lost = changes.len() - 1;
        store.apply(&changes)?;
        if lost > 0 {
            tracing::warn!(
                "{lost} sprites ran when the host ended; their memory is lost, \
                 and they begin anew when they are used"
            );
        }
        let entry =
            |record: Record| (record.name.clone(), Some(Entry { record, lease: None, gate: Arc::default() }));
        let names = Names { all: contents.records.into_iter().map(entry).collect(), ..Names::default() };
        let store = Writer::start(store, observe_write).map_err(|_| StoreError::Closed)?;
        let keys = Keys { next, reserved: next.saturating_add(KEYS_AT_ONCE) };
        Ok(Self {
            host,
            store,
            names_max,
            names: Mutex::new(names),
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
    pub fn get(&self, name: &str) -> Result<Record, SpriteError> {
        let names = self.names();
        names
            .all
            .get(name)
            .and_then(Option::as_ref)
            .map(|entry| entry.record.clone())
            .ok_or(SpriteError::Unknown)
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
        let mut records: Vec<Record> = all
            .filter_map(|(_, entry)| entry.as_ref())
            .take(count + 1)
            .map(|entry| entry.record.clone())
            .collect();
        let more = records.len() > count;
        records.truncate(count);
        Page { records, more }
    }

    /// Sprites by their state.
    pub fn totals(&self) -> Totals {
        let names = self.names();
        let running = names.by_lease.len();
        Totals { running, cold: names.all.len() - names.creating - running }
    }

    // Changing.

    /// Takes a fresh Sprite for a new name.
    ///
    /// # Errors
    /// A name that is taken, a request that the policy turned away or a fault ended, a record that cannot be
    /// written: then no Sprite is kept.
    pub async fn create(&self, new: &New) -> Result<(Record, Outcome, Stages), SpriteError> {
        let mut claim = self.claim(&new.name)?;
        let begun = Instant::now();
        let key = self.take_key().await?;
        let (lease, outcome) = self.begin(key, new.patience).await?;
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
        };
        if let Err(error) = self.write(Change::Insert(record.clone()), SpriteError::Exists).await {
            self.host.end(lease);
            return Err(error);
        }
        claim.kept = true;
        let entry = Entry { record: record.clone(), lease: Some(lease), gate: Arc::default() };
        let lost_early = {
            let mut names = self.names();
            names.all.insert(new.name.clone(), Some(entry));
            names.by_lease.insert(lease, new.name.clone());
            names.lost_early.remove(&lease)
        };
        drop(claim);
        if lost_early {
            self.lost(lease).await;
        }
        let stages = Stages { start: started - begun, record: started.elapsed() };
        Ok((record, outcome, stages))
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
        names.creating += 1;
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
    pub async fn update(&self, name: &str, edit: &Edit) -> Result<Record, SpriteError> {
        let gate = self.gate(name)?;
        let _held = gate.lock().await;
        let mut record = self.get(name)?;
        record.access = edit.access.unwrap_or(record.access);
        if let Some(labels) = &edit.labels {
            record.labels.clone_from(labels);
        }
        record.updated_ms = now_ms(record.updated_ms);
        self.replace(record).await
    }

    /// Writes the record's next revision, and lets it be seen. Its gate is held.
    async fn replace(&self, mut record: Record) -> Result<Record, SpriteError> {
        record.revision += 1;
        self.write(Change::Replace(record.clone()), SpriteError::Unknown).await?;
        if let Some(Some(entry)) = self.names().all.get_mut(&record.name) {
            entry.record = record.clone();
        }
        Ok(record)
    }

    /// Removes the name, then ends its VM.
    ///
    /// # Errors
    /// An unknown name; a record that cannot be removed: then all stays as it is.
    pub async fn delete(&self, name: &str) -> Result<(), SpriteError> {
        let gate = self.gate(name)?;
        let _held = gate.lock().await;
        let record = self.get(name)?;
        let remove = Change::Remove { name: name.to_owned(), revision: record.revision };
        self.write(remove, SpriteError::Unknown).await?;
        let lease = {
            let mut names = self.names();
            let lease = names.all.remove(name).flatten().and_then(|entry| entry.lease);
            if let Some(lease) = lease {
                names.by_lease.remove(&lease);
            }
            lease
        };
        if let Some(lease) = lease {
            self.host.end(lease);
        }
        Ok(())
    }

    fn gate(&self, name: &str) -> Result<Arc<tokio::sync::Mutex<()>>, SpriteError> {
        let names = self.names();
        let entry = names.all.get(name).and_then(Option::as_ref).ok_or(SpriteError::Unknown)?;
        Ok(Arc::clone(&entry.gate))
    }

    fn lease(&self, name: &str) -> Result<Option<Lease>, SpriteError> {
        let names = self.names();
        let entry = names.all.get(name).and_then(Option::as_ref).ok_or(SpriteError::Unknown)?;
        Ok(entry.lease)
    }

    // Use.

    /// Has the guest of a Sprite answer one request. A Sprite without a VM begins anew first.
    ///
    /// # Errors
    /// An unknown name; no VM for it; a guest that does not answer.
    pub async fn visit(&self, name: &str) -> Result<(Visit, Record), SpriteError> {
        let lease = match self.lease(name)? {
            Some(lease) => lease,
            None => self.begin_anew(name).await?,
        };
        let host = Arc::clone(&self.host);
        let visited = tokio::task::spawn_blocking(move || host.visit(lease)).await;
        let visit = visited.map_err(|error| SpriteError::Guest(error.to_string()))?;
        Ok((visit.map_err(|error| SpriteError::Guest(error.to_string()))?, self.get(name)?))
    }

    async fn begin_anew(&self, name: &str) -> Result<Lease, SpriteError> {
        let gate = self.gate(name)?;
        let _held = gate.lock().await;
        if let Some(lease) = self.lease(name)? {
            return Ok(lease);
        }
        let mut record = self.get(name)?;
        let (lease, _) = self.begin(Key(record.key), None).await?;
        record.life = Life::Running;
        record.beginnings += 1;
        record.last_running_ms = Some(now_ms(record.last_running_ms.unwrap_or(record.created_ms)));
        if let Err(error) = self.replace(record).await {
            self.host.end(lease);
            return Err(error);
        }
        let mut names = self.names();
        if names.lost_early.remove(&lease) {
            return Err(SpriteError::Failed);
        }
        if let Some(Some(entry)) = names.all.get_mut(name) {
            entry.lease = Some(lease);
            names.by_lease.insert(lease, name.to_owned());
        }
        Ok(lease)
    }

    // Losses.

    /// Takes note of VMs that end by themselves, until the host is closed.
    pub async fn watch(&self, mut losses: Losses) {
        while let Some(lease) = losses.recv().await {
            self.lost(lease).await;
        }
    }

    async fn lost(&self, lease: Lease) {
        let name = {
            let mut names = self.names();
            let Some(name) = names.by_lease.remove(&lease) else {
                // Its record is not known yet, or no longer; those of the latter kind are few.
                if names.lost_early.len() < 10_000 {
                    names.lost_early.insert(lease);
                }
                return;
            };
            if let Some(Some(entry)) = names.all.get_mut(&name) {
                entry.lease = None;
            }
            name
        };
        let Ok(gate) = self.gate(&name) else { return };
        let _held = gate.lock().await;
        let Ok(mut record) = self.get(&name) else { return };
        if self.lease(&name) != Ok(None) {
            return;
        }
        tracing::warn!("the VM of {name:?} ended by itself; its memory is lost");
        lose_memory(&mut record);
        record.revision -= 1;
        if let Err(error) = self.replace(record).await {
            tracing::error!("{name:?} has lost its memory, but {error}");
        }
    }
}

fn random_id() -> String {
    let (high, low) = (getrandom::u64().unwrap_or_default(), getrandom::u64().unwrap_or_default());
    format!("sprite-{high:016x}{low:016x}")
}
