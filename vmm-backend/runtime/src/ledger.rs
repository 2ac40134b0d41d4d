//! What the runtime knows about its actors without understanding them: which Sprite has which VM, which
//! requests have not ended, what the books were told. It is taken from observations, and is needed when an
//! actor's own state is lost: so that every request still ends once, no VM is left behind, and the books
//! balance.

use std::collections::{BTreeMap, VecDeque};

use actors::protocol::{Cause, Target};
use actors::{ActorId, Duration, Observation, Outcome, Request, State, Time, WorkerId};

/// So many times within [`LIVES_WITHIN`] a Worker is made anew; then it is left down.
const LIVES_MAX: usize = 5;
const LIVES_WITHIN: Duration = Duration::from_secs(10);

/// One actor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) root: ActorId,
    pub(crate) life: u32,
    /// Of a Sprite: its VM and the state that it was last seen in.
    pub(crate) vm: Option<(u32, State)>,
}

/// An actor that the outside hosts, with all that descend from it: a Worker.
#[derive(Debug, Default)]
pub(crate) struct Root {
    /// How often it has been made anew.
    pub(crate) life: u32,
    /// It failed too often and is not made anew any more.
    pub(crate) dead: bool,
    pub(crate) worker: WorkerId,
    waiting: u32,
    /// VMs that are being made for requests.
    making: u32,
    target: Target,
    streak: u32,
    /// Pools that are empty, and why.
    empty: BTreeMap<ActorId, Cause>,
    down: bool,
    renewed: VecDeque<Time>,
}

/// See the [module](self).
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    actors: Vec<Entry>,
    roots: BTreeMap<u32, Root>,
    /// Requests that have arrived and not ended, with the root where they arrived.
    requests: BTreeMap<u64, (ActorId, Request)>,
    /// Ends of requests that had ended already.
    pub(crate) ended_twice: u64,
}

impl Ledger {
    /// The next address.
    pub(crate) fn next(&self) -> ActorId {
        ActorId(self.actors.len() as u32)
    }

    /// Enters an actor under the next address.
    pub(crate) fn enter(&mut self, root: ActorId, life: u32) {
        if self.next() == root {
            self.roots.insert(root.0, Root::default());
        }
        self.actors.push(Entry { root, life, vm: None });
    }

    pub(crate) fn entry(&self, actor: ActorId) -> Option<&Entry> {
        self.actors.get(actor.index())
    }

    /// The actor was made anew.
    pub(crate) fn set_life(&mut self, actor: ActorId, life: u32) {
        if let Some(entry) = self.actors.get_mut(actor.index()) {
            entry.life = life;
        }
    }

    pub(crate) fn root(&self, root: ActorId) -> Option<&Root> {
        self.roots.get(&root.0)
    }

    /// Whether this actor was given up, when its root was made anew. A root itself never is.
    pub(crate) fn is_given_up(&self, actor: ActorId) -> bool {
        let Some(entry) = self.entry(actor) else { return false };
        actor != entry.root && self.root(entry.root).is_some_and(|root| root.life != entry.life)
    }

    /// The Sprite's VM, if it has one.
    pub(crate) fn vm(&self, sprite: ActorId) -> Option<u32> {
        match self.entry(sprite)?.vm {
            Some((generation, state)) if !matches!(state, State::Stopped | State::Failed) => Some(generation),
            _ => None,
        }
    }

    /// Whether the Sprite has this VM and its user works.
    pub(crate) fn runs(&self, sprite: ActorId, generation: u32) -> bool {
        self.entry(sprite).is_some_and(|entry| entry.vm == Some((generation, State::Running)))
    }

    /// Whether a request has arrived and not ended.
    pub(crate) fn has_request(&self, id: u64) -> bool {
        self.requests.contains_key(&id)
    }

    /// The VMs there are.
    pub(crate) fn vms(&self) -> Vec<(ActorId, u32, State)> {
        let all = self.actors.iter().zip(0..);
        all.filter_map(|(entry, id)| match entry.vm {
            Some((generation, state)) if !matches!(state, State::Stopped | State::Failed) => {
                Some((ActorId(id), generation, state))
            }
            _ => None,
        })
        .collect()
    }

    /// Takes note. Whether the observation may pass: a request does not end twice.
    pub(crate) fn observe(&mut self, by: ActorId, observation: &Observation) -> bool {
        let root = self.entry(by).map_or(by, |entry| entry.root);
        match *observation {
            Observation::Arrived { worker, request } => {
                self.requests.insert(request.id, (root, request));
                self.with_root(root, |root| root.worker = worker);
            }
            Observation::Ended { request, .. } => {
                let first = self.requests.remove(&request.id).is_some();
                self.ended_twice += u64::from(!first);
                return first;
            }
            Observation::Sprite { sprite, generation, is, worker, .. } => {
                if let Some(entry) = self.actors.get_mut(sprite.index()) {
                    entry.vm = Some((generation, is));
                }
                self.with_root(root, |root| root.worker = worker);
            }
            Observation::Target { was, is, worker } => self.with_root(root, |root| {
                root.worker = worker;
                root.target.reorder_at =
                    (root.target.reorder_at + is.reorder_at).saturating_sub(was.reorder_at);
                root.target.depth = (root.target.depth + is.depth).saturating_sub(was.depth);
            }),
            Observation::Waiting { was, is, .. } => {
                self.with_root(root, |root| root.waiting = (root.waiting + is).saturating_sub(was));
            }
            Observation::Making { was, is, .. } => {
                self.with_root(root, |root| root.making = (root.making + is).saturating_sub(was));
            }
            Observation::BootsFailing { streak, .. } => self.with_root(root, |root| root.streak = streak),
            Observation::Host { up, .. } => self.with_root(root, |root| root.down = !up),
            Observation::Empty { pool, is, .. } => self.with_root(root, |root| {
                match is {
                    Some(cause) => root.empty.insert(pool, cause),
                    None => root.empty.remove(&pool),
                };
            }),
            Observation::Position { .. } | Observation::Refused { .. } => {}
        }
        true
    }

    fn with_root(&mut self, root: ActorId, change: impl FnOnce(&mut Root)) {
        if let Some(root) = self.roots.get_mut(&root.0) {
            change(root);
        }
    }

    /// Gives up a root's state and every actor under it. Gives what the books must be told, in order:
    /// requests fail, VMs are lost, nothing is aimed for and nobody waits.
    pub(crate) fn give_up(&mut self, id: ActorId, now: Time) -> Vec<(ActorId, Observation)> {
        let Some(root) = self.roots.get_mut(&id.0) else { return Vec::new() };
        root.life += 1;
        root.renewed.push_back(now);
        while root.renewed.front().is_some_and(|first| now.since(*first) > LIVES_WITHIN) {
            root.renewed.pop_front();
        }
        root.dead = root.renewed.len() > LIVES_MAX;
        let worker = root.worker;
        let mut told = Vec::new();
        if !root.down {
            told.push((id, Observation::Host { worker, up: false }));
        }
        if root.waiting > 0 {
            told.push((id, Observation::Waiting { worker, was: root.waiting, is: 0 }));
        }
        for (pool, was) in std::mem::take(&mut root.empty) {
            told.push((pool, Observation::Empty { worker, pool, was: Some(was), is: None }));
        }
        if root.making > 0 {
            told.push((id, Observation::Making { worker, was: root.making, is: 0 }));
        }
        let lost = self.requests.values().filter(|(at, _)| *at == id);
        told.extend(lost.map(|&(_, request)| {
            (
                id,
                Observation::Ended {
                    worker,
                    request,
                    outcome: Outcome::Failed,
                    cause: Some(Cause::WorkerDown),
                },
            )
        }));
        let sprites = self.vms().into_iter().filter(|(sprite, ..)| self.actors[sprite.index()].root == id);
        told.extend(sprites.map(|(sprite, generation, was)| {
            (sprite, Observation::Sprite { worker, sprite, generation, was, is: State::Failed })
        }));
        let Some(root) = self.roots.get(&id.0) else { return told };
        if root.streak > 0 {
            told.push((id, Observation::BootsFailing { worker, streak: 0 }));
        }
        if root.target != Target::default() {
            told.push((id, Observation::Target { worker, was: root.target, is: Target::default() }));
        }
        if !root.dead {
            told.push((id, Observation::Host { worker, up: true }));
        }
        told
    }
}
