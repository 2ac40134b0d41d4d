//! A Worker: one physical host. It owns the host's slots and boots, and nothing is booted or woken without
//! its leave; it knows its pools, and it alone speaks with other workers.

mod orders;
mod tenants;

use std::collections::VecDeque;
use std::sync::Arc;

use crate::backend::{Backend, Context};
use crate::policy::{Begin, PoolKey, PoolPolicy, Prefers, SpritePolicy};
use crate::pool::{Place, Pool};
use crate::protocol::{
    ActorId, Cause, For, Key, Making, Observation, Outcome, Released, Request, Spill, StepIndex, ToPool,
    ToRefiller, ToSprite, ToWorker, WorkerId,
};
use crate::refiller::Refiller;
use crate::sprite::Sprite;
use crate::time::{Duration, WallClock};

use orders::{Make, Next, Orders};
use tenants::Tenants;

/// What a Worker is told about its host.
#[derive(Clone, Debug)]
pub struct WorkerConfig {
    /// Its place in the fleet.
    pub id: WorkerId,
    /// VMs that it can hold.
    pub slots: u32,
    /// Boots that it can run at once.
    pub boots: u32,
    /// What its pools do.
    pub pool: Arc<PoolPolicy>,
    /// How its Sprites live once they are assigned.
    pub sprite: SpritePolicy,
    /// The tenants that have a pool from the beginning, where pools are kept per tenant.
    pub tenants: Vec<Key>,
    /// The next worker of its region's ring, which its requests may spill to.
    pub neighbour: Option<ActorId>,
    /// The civil time of t = 0.
    pub epoch: WallClock,
}

/// Who gets the slot of a ready Sprite that makes room.
#[derive(Clone, Copy, Debug)]
enum Heir {
    /// The request of another tenant.
    Make(Make),
    /// A sleeper that wakes for a request of its own key.
    Wake(Wake),
}

/// A sleeper that is to be woken for a request.
#[derive(Clone, Copy, Debug)]
struct Wake {
    pool: ActorId,
    sprite: ActorId,
    request: Request,
    step: StepIndex,
}

/// One physical host: its slots and boots, its pools, its neighbours.
#[derive(Debug)]
pub struct Worker {
    config: WorkerConfig,
    slots_free: u32,
    boots_free: u32,
    is_down: bool,
    /// The one pool, where Sprites are uniform.
    pool: Option<ActorId>,
    tenants: Tenants,
    orders: Orders,
    /// Who gets the slot that a Sprite is about to leave.
    displacing: VecDeque<Heir>,
    /// Sleepers for which nothing makes room yet, but a boot that is under way may.
    hopeful: Vec<Wake>,
    /// Every Sprite there is.
    sprites: Vec<ActorId>,
    /// Those without a VM.
    retired: Vec<ActorId>,
    /// Whether the depth policy looks at how many Sprites are in use; else nobody counts them.
    counts_in_use: bool,
}

impl Worker {
    /// A host without VMs or pools; they come with [`ToWorker::Begin`].
    pub fn new(config: WorkerConfig) -> Self {
        let counts_in_use = config.pool.depth.controller(config.epoch).needs_in_use();
        Self {
            slots_free: config.slots,
            boots_free: config.boots,
            is_down: false,
            pool: None,
            tenants: Tenants::default(),
            orders: Orders::default(),
            displacing: VecDeque::new(),
            hopeful: Vec::new(),
            sprites: Vec::new(),
            retired: Vec::new(),
            counts_in_use,
            config,
        }
    }

    // Pools.

    fn begin(&mut self, cx: &mut Context<impl Backend>, begin: Begin) {
        match self.config.pool.key {
            PoolKey::Uniform => self.pool = Some(self.open_pool(cx, Key(0), begin)),
            PoolKey::Tenant => {
                for key in std::mem::take(&mut self.config.tenants) {
                    let pool = self.open_pool(cx, key, begin);
                    self.tenants.add(key, pool);
                }
            }
        }
    }

    fn open_pool(&mut self, cx: &mut Context<impl Backend>, key: Key, begin: Begin) -> ActorId {
        let (id, worker) = (self.config.id, cx.me());
        let refiller = Refiller::new(id, worker, &self.config.pool, &self.config.sprite, self.config.epoch);
        let refiller = cx.spawn(refiller);
        let (counts_in_use, boots) = (self.counts_in_use, self.config.boots);
        let place = Place { id, worker, key, counts_in_use, boots };
        let policy = Arc::clone(&self.config.pool);
        let pool = cx.spawn(Pool::new(place, refiller, policy, &self.config.sprite));
        if self.is_down {
            cx.send(pool, ToPool::WorkerDown);
        }
        cx.send(pool, ToPool::Begin(begin));
        pool
    }

    /// The pool that serves this key, if there is one.
    fn pool_of(&self, key: Key) -> Option<ActorId> {
        self.pool.or_else(|| self.tenants.pool(key))
    }

    // Requests.

    fn request(&mut self, cx: &mut Context<impl Backend>, request: Request) {
        cx.observe(Observation::Arrived { worker: self.config.id, request });
        if self.is_down {
            return self.fail(cx, request);
        }
        let pool = match self.pool {
            Some(pool) => pool,
            None => self.tenant_pool(cx, request.key),
        };
        cx.send(pool, ToPool::Take(request));
    }

    /// A tenant that was not known before gets an empty pool.
    fn tenant_pool(&mut self, cx: &mut Context<impl Backend>, key: Key) -> ActorId {
        if let Some(pool) = self.tenants.asked(key, cx.now()) {
            return pool;
        }
        let pool = self.open_pool(cx, key, Begin::Empty);
        self.tenants.add(key, pool);
        self.tenants.asked(key, cx.now());
        pool
    }

    fn fail(&self, cx: &mut Context<impl Backend>, request: Request) {
        let (worker, cause) = (self.config.id, Some(Cause::WorkerDown));
        cx.observe(Observation::Ended { worker, request, outcome: Outcome::Failed, cause });
    }

    // Neighbours.

    fn spill_out(&mut self, cx: &mut Context<impl Backend>, mut spill: Spill) {
        match self.config.neighbour {
            Some(neighbour) if neighbour != cx.me() => {
                spill.hops -= 1;
                cx.send_after(neighbour, ToWorker::Ask(spill), hop(&spill));
            }
            _ => self.refuse(cx, cx.sender(), spill.request, spill.step, Cause::NothingToSpillTo),
        }
    }

    fn ask(&mut self, cx: &mut Context<impl Backend>, spill: Spill) {
        match self.pool_of(spill.request.key) {
            Some(pool) if !self.is_down => cx.send(pool, ToPool::TakeSpilled(spill)),
            _ => self.pass_on(cx, spill),
        }
    }

    /// To the next worker of the ring, or back to where it came from.
    fn pass_on(&mut self, cx: &mut Context<impl Backend>, mut spill: Spill) {
        let next = self.config.neighbour.filter(|&next| next != spill.origin && spill.hops > 0);
        match next {
            Some(next) => {
                spill.hops -= 1;
                cx.send_after(next, ToWorker::Ask(spill), hop(&spill));
            }
            None => cx.send_after(spill.origin, ToWorker::Unserved(spill), hop(&spill)),
        }
    }

    fn unserved(&mut self, cx: &mut Context<impl Backend>, spill: Spill) {
        match self.pool_of(spill.request.key) {
            Some(pool) if !self.is_down => {
                self.refuse(cx, pool, spill.request, spill.step, Cause::NothingToSpillTo);
            }
            _ => self.fail(cx, spill.request),
        }
    }

    fn refuse(
        &self,
        cx: &mut Context<impl Backend>,
        pool: ActorId,
        request: Request,
        step: StepIndex,
        cause: Cause,
    ) {
        cx.send(pool, ToPool::Refused { request, step, cause, sprite: None });
    }

    // Slots and boots.

    fn make(&mut self, cx: &mut Context<impl Backend>, make: Make) {
        if self.is_down {
            self.refuse_heir(cx, Heir::Make(make), Cause::WorkerDown);
        } else if self.slots_free > 0 {
            self.slots_free -= 1;
            self.with_slot(cx, make);
        } else {
            self.displace(cx, make);
        }
    }

    /// The host is full: another tenant's idle Sprite makes room, the one longest without a request, or
    /// nobody.
    fn displace(&mut self, cx: &mut Context<impl Backend>, make: Make) {
        match self.tenants.pop_displaceable(make.request.key) {
            Some(victim) => {
                self.displacing.push_back(Heir::Make(make));
                cx.send(victim, ToPool::Yield);
            }
            None => self.refuse_heir(cx, Heir::Make(make), self.lacks()),
        }
    }

    fn with_slot(&mut self, cx: &mut Context<impl Backend>, make: Make) {
        match make.making {
            Making::Create => {
                self.boot(cx, make.pool, For::Request(make.request, make.step), Making::Create);
            }
            Making::Boot => self.orders.add_make(make),
        }
    }

    /// Begins what slots and boots allow: requests first, then orders for requests that wait, then the
    /// refill. Asked after every message that may have changed one of them.
    fn dispatch(&mut self, cx: &mut Context<impl Backend>) {
        while self.boots_free > 0 && !self.is_down {
            let (pool, purpose) = match self.orders.pop(self.slots_free > 0) {
                Some(Next::Make(make)) => (make.pool, For::Request(make.request, make.step)),
                Some(Next::Refill(pool)) => {
                    self.slots_free -= 1;
                    (pool, For::Pool)
                }
                None => return,
            };
            self.boots_free -= 1;
            self.boot(cx, pool, purpose, Making::Boot);
        }
    }

    /// What holds up who waits for a boot. Slots that are kept for VMs which themselves wait for a boot would
    /// be free if there were more boots.
    fn lacks(&self) -> Cause {
        if self.slots_free == 0 && !self.orders.has_makes() { Cause::SlotsFull } else { Cause::BootSlots }
    }

    /// Tells each Refiller what its orders wait for, where that has changed.
    fn tell_what_orders_wait_for(&mut self, cx: &mut Context<impl Backend>) {
        let cause = self.lacks();
        self.orders.news(cause, |refiller, cause| cx.send(refiller, ToRefiller::OrdersWait(cause)));
    }

    fn boot(&mut self, cx: &mut Context<impl Backend>, pool: ActorId, purpose: For, making: Making) {
        let sprite = self.sprite_without_vm(cx);
        cx.send(sprite, ToSprite::Boot { pool, purpose, making });
    }

    fn adopt(&mut self, cx: &mut Context<impl Backend>, key: Key) {
        let pool = match self.pool {
            Some(pool) => pool,
            None => self.tenant_pool(cx, key),
        };
        let sprite = self.sprite_without_vm(cx);
        cx.send(sprite, ToSprite::Adopt { pool, key });
    }

    fn sprite_without_vm(&mut self, cx: &mut Context<impl Backend>) -> ActorId {
        match self.retired.pop() {
            Some(sprite) => sprite,
            None => self.another_sprite(cx),
        }
    }

    fn another_sprite(&mut self, cx: &mut Context<impl Backend>) -> ActorId {
        let (policy, tells_end) = (self.config.sprite, self.counts_in_use);
        let sprite = cx.spawn(Sprite::new(self.config.id, cx.me(), policy, tells_end));
        self.sprites.push(sprite);
        sprite
    }

    fn released(&mut self, cx: &mut Context<impl Backend>, released: Released) {
        if matches!(released, Released::SlotAndActor | Released::Actor) {
            self.retired.push(cx.sender());
        }
        if matches!(released, Released::SlotAndActor | Released::Slot) {
            self.slot_is_free(cx);
        }
    }

    /// A slot is free: whoever waits for another tenant's Sprite to leave gets it.
    fn slot_is_free(&mut self, cx: &mut Context<impl Backend>) {
        match self.displacing.pop_front() {
            Some(heir) if self.is_down => {
                self.slots_free += 1;
                self.refuse_heir(cx, heir, Cause::WorkerDown);
            }
            Some(Heir::Make(make)) => self.with_slot(cx, make),
            Some(Heir::Wake(Wake { sprite, request, .. })) => cx.send(sprite, ToSprite::Wake { request }),
            None => self.slots_free += 1,
        }
    }

    fn refuse_heir(&self, cx: &mut Context<impl Backend>, heir: Heir, cause: Cause) {
        let (pool, request, step, sprite) = match heir {
            Heir::Make(Make { pool, request, step, .. }) => (pool, request, step, None),
            Heir::Wake(Wake { pool, sprite, request, step }) => (pool, request, step, Some(sprite)),
        };
        cx.send(pool, ToPool::Refused { request, step, cause, sprite });
    }

    /// There is nothing left that could make room.
    fn nothing_to_yield(&mut self, cx: &mut Context<impl Backend>) {
        match self.displacing.pop_back() {
            Some(Heir::Make(make)) => self.make(cx, make),
            Some(Heir::Wake(wake)) if self.boots_free < self.config.boots => self.hopeful.push(wake),
            Some(heir) => self.refuse_heir(cx, heir, Cause::SlotsFull),
            None => {}
        }
    }

    /// A boot has ended, and its Sprite is ready or gives its slot back: whoever hopes for that asks again.
    fn boot_ended(&mut self, cx: &mut Context<impl Backend>) {
        self.boots_free += 1;
        for wake in std::mem::take(&mut self.hopeful) {
            self.ask_for_room(cx, wake);
        }
    }

    /// The sleeper's own pool is to give a ready Sprite up for it.
    fn ask_for_room(&mut self, cx: &mut Context<impl Backend>, wake: Wake) {
        cx.send(wake.pool, ToPool::Yield);
        self.displacing.push_back(Heir::Wake(wake));
    }

    fn wake(&mut self, cx: &mut Context<impl Backend>, wake: Wake) {
        let Wake { sprite, request, .. } = wake;
        if self.is_down {
            self.refuse_heir(cx, Heir::Wake(wake), Cause::WorkerDown);
        } else if self.slots_free > 0 {
            self.slots_free -= 1;
            cx.send(sprite, ToSprite::Wake { request });
        } else if self.config.sprite.prefers == Prefers::Own {
            self.ask_for_room(cx, wake);
        } else {
            self.refuse_heir(cx, Heir::Wake(wake), Cause::SlotsFull);
        }
    }

    // Faults.

    fn crash(&mut self, cx: &mut Context<impl Backend>) {
        if self.is_down {
            return;
        }
        self.is_down = true;
        cx.observe(Observation::Host { worker: self.config.id, up: false });
        for &pool in self.pool.iter().chain(self.tenants.pools()) {
            cx.send(pool, ToPool::WorkerDown);
        }
        // Orders for pools are forgotten; their Refillers know.
        let makes = std::mem::take(&mut self.orders).into_makes();
        self.slots_free += makes.len() as u32;
        let makes = makes.into_iter().map(Heir::Make);
        let hopeful = std::mem::take(&mut self.hopeful).into_iter().map(Heir::Wake);
        for heir in makes.chain(std::mem::take(&mut self.displacing)).chain(hopeful) {
            self.refuse_heir(cx, heir, Cause::WorkerDown);
        }
        for &sprite in &self.sprites {
            cx.send(sprite, ToSprite::Lost);
        }
    }

    fn recover(&mut self, cx: &mut Context<impl Backend>) {
        if !self.is_down {
            return;
        }
        self.is_down = false;
        cx.observe(Observation::Host { worker: self.config.id, up: true });
        for &pool in self.pool.iter().chain(self.tenants.pools()) {
            cx.send(pool, ToPool::WorkerUp);
        }
    }
}

fn hop(spill: &Spill) -> Duration {
    Duration::from_micros(u64::from(spill.hop_us))
}

impl Worker {
    /// Handles one message.
    pub(crate) fn handle(&mut self, cx: &mut Context<impl Backend>, message: ToWorker) {
        match message {
            ToWorker::Begin(begin) => self.begin(cx, begin),
            ToWorker::Request(request) => self.request(cx, request),
            ToWorker::Ask(spill) => self.ask(cx, spill),
            ToWorker::Declined(spill) => self.pass_on(cx, spill),
            ToWorker::Unserved(spill) => self.unserved(cx, spill),
            // An order that crosses a crash is forgotten like those before it.
            ToWorker::Order { .. } if self.is_down => {}
            ToWorker::Order { pool, urgent, spare } => self.orders.add(cx.sender(), pool, urgent, spare),
            ToWorker::Cancel { count } => {
                let count = self.orders.cancel(cx.sender(), count);
                cx.send(cx.sender(), ToRefiller::Cancelled { count });
            }
            ToWorker::Make { request, step, making } => {
                self.make(cx, Make { pool: cx.sender(), request, step, making });
            }
            ToWorker::WakeFor { sprite, request, step } => {
                let pool = cx.sender();
                self.wake(cx, Wake { pool, sprite, request, step });
            }
            ToWorker::SpillOut(spill) => self.spill_out(cx, spill),
            ToWorker::Spare { key, ready } => self.tenants.set_spare(key, ready),
            ToWorker::NothingToYield => self.nothing_to_yield(cx),
            ToWorker::BootEnded(Making::Boot) => self.boot_ended(cx),
            ToWorker::BootEnded(Making::Create) => {}
            ToWorker::Released(released) => self.released(cx, released),
            ToWorker::Crash => self.crash(cx),
            ToWorker::Recover => self.recover(cx),
            ToWorker::Adopt { key } => self.adopt(cx, key),
            ToWorker::Forget { key } => {
                if let Some(pool) = self.pool_of(key) {
                    cx.send(pool, ToPool::Forget { key });
                }
            }
        }
        self.dispatch(cx);
        self.tell_what_orders_wait_for(cx);
    }
}
