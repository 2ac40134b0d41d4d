//! A Worker: one physical host. It owns the host's slots and boots, and nothing is booted or woken without its leave;
//! it knows its pools, and it alone speaks with other workers.

mod orders;
mod tenants;

use std::collections::VecDeque;
use std::sync::Arc;

use crate::backend::{Backend, Context};
use crate::policy::{PoolKey, PoolPolicy, SpritePolicy};
use crate::pool::{Place, Pool};
use crate::protocol::{ActorId, For, Key, Message, Observation, Outcome, Request, Spill, WorkerId};
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

/// One physical host: its slots and boots, its pools, its neighbours. What every request and every boot touches comes
/// first: a fleet of thousands does not fit into the processor's nearest cache.
#[derive(Debug)]
#[repr(C)]
pub struct Worker {
    slots_free: u32,
    boots_free: u32,
    down: bool,
    /// The one pool, where Sprites are uniform.
    pool: Option<ActorId>,
    orders: Orders,
    /// Sprites without a VM.
    retired: Vec<ActorId>,
    id: WorkerId,
    rest: Box<Rest>,
}

/// What few requests need.
#[derive(Debug)]
struct Rest {
    config: WorkerConfig,
    /// Whether the depth policy looks at how many Sprites are in use; else nobody counts them.
    counts_in_use: bool,
    tenants: Tenants,
    /// Requests whose slot another tenant's Sprite is about to leave.
    displacing: VecDeque<Make>,
    /// Every Sprite there is.
    sprites: Vec<ActorId>,
}

impl Worker {
    /// A host without VMs or pools; they come with [`Message::Begin`].
    pub fn new(config: WorkerConfig) -> Self {
        let counts_in_use = config.pool.depth.controller(config.epoch).needs_in_use();
        Self {
            slots_free: config.slots,
            boots_free: config.boots,
            down: false,
            pool: None,
            orders: Orders::default(),
            retired: Vec::new(),
            id: config.id,
            rest: Box::new(Rest {
                config,
                counts_in_use,
                tenants: Tenants::default(),
                displacing: VecDeque::new(),
                sprites: Vec::new(),
            }),
        }
    }

    // Pools.

    fn begin(&mut self, cx: &mut Context<impl Backend>, full: bool) {
        match self.rest.config.pool.key {
            PoolKey::Uniform => self.pool = Some(self.open_pool(cx, Key(0), full)),
            PoolKey::Tenant => {
                for key in std::mem::take(&mut self.rest.config.tenants) {
                    let pool = self.open_pool(cx, key, full);
                    self.rest.tenants.add(key, pool);
                }
            }
        }
    }

    fn open_pool(&mut self, cx: &mut Context<impl Backend>, key: Key, full: bool) -> ActorId {
        let (id, worker) = (self.id, cx.me());
        let refiller = Refiller::new(
            id,
            worker,
            &self.rest.config.pool,
            &self.rest.config.sprite,
            self.rest.config.epoch,
        );
        let refiller = cx.spawn(refiller);
        let place = Place { id, worker, key, counts_in_use: self.rest.counts_in_use };
        let (policy, asleep_max) = (Arc::clone(&self.rest.config.pool), self.rest.config.sprite.asleep);
        let pool = cx.spawn(Pool::new(place, refiller, policy, asleep_max));
        if self.down {
            cx.send(pool, Message::Down(true));
        }
        cx.send(pool, Message::Begin { full });
        pool
    }

    /// The pool that serves this key, if there is one.
    fn pool_of(&self, key: Key) -> Option<ActorId> {
        self.pool.or_else(|| self.rest.tenants.pool(key))
    }

    // Requests.

    fn request(&mut self, cx: &mut Context<impl Backend>, request: Request) {
        cx.observe(Observation::Arrived { worker: self.id, request });
        if self.down {
            return self.fail(cx, request);
        }
        let pool = match self.pool {
            Some(pool) => pool,
            None => self.tenant_pool(cx, request.key),
        };
        cx.send(pool, Message::Take(request));
    }

    /// A tenant that was not known before gets an empty pool.
    fn tenant_pool(&mut self, cx: &mut Context<impl Backend>, key: Key) -> ActorId {
        if let Some(pool) = self.rest.tenants.asked(key, cx.now()) {
            return pool;
        }
        let pool = self.open_pool(cx, key, false);
        self.rest.tenants.add(key, pool);
        self.rest.tenants.asked(key, cx.now());
        pool
    }

    fn fail(&self, cx: &mut Context<impl Backend>, request: Request) {
        cx.observe(Observation::Ended { worker: self.id, request, outcome: Outcome::Failed });
    }

    // Neighbours.

    fn spill_out(&mut self, cx: &mut Context<impl Backend>, mut spill: Spill) {
        match self.rest.config.neighbour {
            Some(neighbour) if neighbour != cx.me() => {
                spill.hops -= 1;
                cx.send_after(neighbour, Message::Ask(spill), hop(&spill));
            }
            _ => self.refuse(cx, cx.sender(), spill.request, spill.step),
        }
    }

    fn ask(&mut self, cx: &mut Context<impl Backend>, spill: Spill) {
        match self.pool_of(spill.request.key) {
            Some(pool) if !self.down => cx.send(pool, Message::TakeSpilled(spill)),
            _ => self.pass_on(cx, spill),
        }
    }

    /// To the next worker of the ring, or back to where it came from.
    fn pass_on(&mut self, cx: &mut Context<impl Backend>, mut spill: Spill) {
        let next = self.rest.config.neighbour.filter(|&next| next != spill.origin && spill.hops > 0);
        match next {
            Some(next) => {
                spill.hops -= 1;
                cx.send_after(next, Message::Ask(spill), hop(&spill));
            }
            None => cx.send_after(spill.origin, Message::Unserved(spill), hop(&spill)),
        }
    }

    fn unserved(&mut self, cx: &mut Context<impl Backend>, spill: Spill) {
        match self.pool_of(spill.request.key) {
            Some(pool) if !self.down => self.refuse(cx, pool, spill.request, spill.step),
            _ => self.fail(cx, spill.request),
        }
    }

    fn refuse(&self, cx: &mut Context<impl Backend>, pool: ActorId, request: Request, step: u8) {
        cx.send(pool, Message::Refused { request, step, sprite: None });
    }

    // Slots and boots.

    fn make(&mut self, cx: &mut Context<impl Backend>, make: Make) {
        if self.down {
            self.refuse(cx, make.pool, make.request, make.step);
        } else if self.slots_free > 0 {
            self.slots_free -= 1;
            self.with_slot(cx, make);
        } else {
            self.displace(cx, make);
        }
    }

    /// The host is full: another tenant's idle Sprite makes room, the one longest without a request, or nobody.
    fn displace(&mut self, cx: &mut Context<impl Backend>, make: Make) {
        match self.rest.tenants.pop_displaceable(make.request.key) {
            Some(victim) => {
                self.rest.displacing.push_back(make);
                cx.send(victim, Message::Yield);
            }
            None => self.refuse(cx, make.pool, make.request, make.step),
        }
    }

    fn with_slot(&mut self, cx: &mut Context<impl Backend>, make: Make) {
        if make.create {
            self.boot(cx, make.pool, For::Request(make.request, make.step), true);
        } else {
            self.orders.add_make(make);
        }
    }

    /// Begins what slots and boots allow: requests first, then orders for requests that wait, then the refill. Asked after
    /// every message that may have changed one of them.
    fn dispatch(&mut self, cx: &mut Context<impl Backend>) {
        while self.boots_free > 0 && !self.down {
            let (pool, purpose) = match self.orders.pop(self.slots_free > 0) {
                Some(Next::Make(make)) => (make.pool, For::Request(make.request, make.step)),
                Some(Next::Refill(pool)) => {
                    self.slots_free -= 1;
                    (pool, For::Pool)
                }
                None => return,
            };
            self.boots_free -= 1;
            self.boot(cx, pool, purpose, false);
        }
    }

    fn boot(&mut self, cx: &mut Context<impl Backend>, pool: ActorId, purpose: For, create: bool) {
        let sprite = match self.retired.pop() {
            Some(sprite) => sprite,
            None => self.another_sprite(cx),
        };
        cx.send(sprite, Message::Boot { pool, purpose, create });
    }

    #[inline(never)]
    fn another_sprite(&mut self, cx: &mut Context<impl Backend>) -> ActorId {
        let (policy, tells_end) = (self.rest.config.sprite, self.rest.counts_in_use);
        let sprite = cx.spawn(Sprite::new(self.id, cx.me(), policy, tells_end));
        self.rest.sprites.push(sprite);
        sprite
    }

    fn released(&mut self, cx: &mut Context<impl Backend>, slot: bool, retired: bool) {
        if retired {
            self.retired.push(cx.sender());
        }
        if !slot {
            return;
        }
        match self.rest.displacing.pop_front() {
            Some(make) if self.down => {
                self.slots_free += 1;
                self.refuse(cx, make.pool, make.request, make.step);
            }
            Some(make) => self.with_slot(cx, make),
            None => self.slots_free += 1,
        }
    }

    fn wake(&mut self, cx: &mut Context<impl Backend>, sprite: ActorId, request: Request, step: u8) {
        if self.slots_free > 0 && !self.down {
            self.slots_free -= 1;
            cx.send(sprite, Message::Wake { request });
        } else {
            cx.send(cx.sender(), Message::Refused { request, step, sprite: Some(sprite) });
        }
    }

    // Faults.

    fn crash(&mut self, cx: &mut Context<impl Backend>) {
        if self.down {
            return;
        }
        self.down = true;
        cx.observe(Observation::Host { worker: self.id, up: false });
        for &pool in self.pool.iter().chain(self.rest.tenants.pools()) {
            cx.send(pool, Message::Down(true));
        }
        // Orders for pools are forgotten; their Refillers know.
        let makes = std::mem::take(&mut self.orders).into_makes();
        self.slots_free += makes.len() as u32;
        for make in makes.into_iter().chain(self.rest.displacing.drain(..)) {
            cx.send(make.pool, Message::Refused { request: make.request, step: make.step, sprite: None });
        }
        for &sprite in &self.rest.sprites {
            cx.send(sprite, Message::Lost);
        }
    }

    fn recover(&mut self, cx: &mut Context<impl Backend>) {
        if !self.down {
            return;
        }
        self.down = false;
        cx.observe(Observation::Host { worker: self.id, up: true });
        for &pool in self.pool.iter().chain(self.rest.tenants.pools()) {
            cx.send(pool, Message::Down(false));
        }
    }
}

fn hop(spill: &Spill) -> Duration {
    Duration::from_micros(u64::from(spill.hop_us))
}

impl Worker {
    /// Handles one message.
    #[inline(never)]
    pub(crate) fn handle(&mut self, cx: &mut Context<impl Backend>, message: &Message) {
        match *message {
            Message::Request(request) => return self.request(cx, request),
            // An order that crosses a crash is forgotten like those before it.
            Message::Order { .. } if self.down => return,
            Message::Order { pool, urgent, spare } => self.orders.add(cx.sender(), pool, urgent, spare),
            Message::BootEnded { create: false } => self.boots_free += 1,
            Message::Released { slot, retired } => self.released(cx, slot, retired),
            _ => self.handle_rare(cx, message),
        }
        self.dispatch(cx);
    }

    /// What does not come with every request. Apart, so that what does stays together in the processor's cache.
    #[inline(never)]
    fn handle_rare(&mut self, cx: &mut Context<impl Backend>, message: &Message) {
        match *message {
            Message::Begin { full } => self.begin(cx, full),
            Message::Ask(spill) => self.ask(cx, spill),
            Message::Declined(spill) => self.pass_on(cx, spill),
            Message::Unserved(spill) => self.unserved(cx, spill),
            Message::Cancel { count } => {
                let count = self.orders.cancel(cx.sender(), count);
                cx.send(cx.sender(), Message::Cancelled { count });
            }
            Message::Make { request, step, create } => {
                self.make(cx, Make { pool: cx.sender(), request, step, create });
            }
            Message::WakeFor { sprite, request, step } => self.wake(cx, sprite, request, step),
            Message::SpillOut(spill) => self.spill_out(cx, spill),
            Message::Spare { key, ready } => self.rest.tenants.set_spare(key, ready),
            Message::NothingToYield => {
                if let Some(make) = self.rest.displacing.pop_back() {
                    self.make(cx, make);
                }
            }
            Message::Crash => self.crash(cx),
            Message::Recover => self.recover(cx),
            _ => {}
        }
    }
}
