//! Where the actors live: ractor actors on one tokio runtime that has no thread of its own. Whoever brings a
//! message drives the runtime until every message has been handled, on its own thread.
//!
//! ```text
//!   any thread:  post(message) ─▶ drive() ─▶ Worker ─▶ Pool ─▶ Sprite ─▶ perform ─▶ back in the same thread
//! ```
//!
//! So a request goes from its arrival to its operation, and the operation's end to its observation, without a
//! change of threads. That is the point: waking another thread takes 10 to 30 us here, a message between
//! actors a third of one.
//!
//! Ordering: one thread drives at a time, and messages between two actors arrive in the order in which they
//! were sent. Nothing is lost between two drivers: who posts counts the message first and then tries to
//! drive; who has driven lets go first and then looks at the count.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering, fence};
use std::sync::{Mutex, MutexGuard, RwLock};
use std::task::{Context, Poll};

use actors::{ActorId, Message};
use ractor::ActorRef;
use tokio::runtime::Runtime;

use super::shared::lock;

/// One message on its way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Envelope {
    pub(crate) to: ActorId,
    pub(crate) from: ActorId,
    pub(crate) message: Message,
    pub(crate) guard: Guard,
}

/// What must still hold when a message is delivered; else it is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guard {
    /// Nothing.
    None,
    /// The timer is armed as it was.
    Armed(u64),
    /// The Sprite still has the same VM.
    Generation(u32),
    /// The same, and its user works.
    Running(u32),
}

/// See the [module](self).
pub(crate) struct Executor {
    /// Whoever holds it drives. `None` once the executor is closed.
    pub(crate) runtime: Mutex<Option<Runtime>>,
    refs: RwLock<Vec<ActorRef<Envelope>>>,
    unhandled: AtomicUsize,
}

impl Executor {
    pub(crate) fn new() -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        Ok(Self {
            runtime: Mutex::new(Some(runtime)),
            refs: RwLock::new(Vec::new()),
            unhandled: AtomicUsize::new(0),
        })
    }

    /// Gives an actor the next address.
    pub(crate) fn register(&self, actor: ActorRef<Envelope>) {
        self.refs.write().unwrap_or_else(std::sync::PoisonError::into_inner).push(actor);
    }

    /// Puts a message into an actor's mailbox. Somebody has to drive afterwards.
    pub(crate) fn post(&self, envelope: Envelope) {
        self.unhandled.fetch_add(1, Ordering::SeqCst);
        let refs = self.refs.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let sent = refs.get(envelope.to.index()).is_some_and(|actor| actor.cast(envelope).is_ok());
        if !sent {
            self.handled();
        }
    }

    /// A message has been handled, or dropped.
    pub(crate) fn handled(&self) {
        self.unhandled.fetch_sub(1, Ordering::SeqCst);
    }

    /// Whether every message has been handled. Only whoever drives can rely on it.
    pub(crate) fn is_settled(&self) -> bool {
        self.unhandled.load(Ordering::SeqCst) == 0
    }

    /// The right to drive, if nobody has it.
    pub(crate) fn try_take(&self) -> Option<MutexGuard<'_, Option<Runtime>>> {
        fence(Ordering::SeqCst);
        match self.runtime.try_lock() {
            Ok(runtime) => Some(runtime),
            Err(std::sync::TryLockError::Poisoned(runtime)) => Some(runtime.into_inner()),
            Err(std::sync::TryLockError::WouldBlock) => None,
        }
    }

    /// The right to drive, as soon as nobody has it.
    pub(crate) fn take(&self) -> MutexGuard<'_, Option<Runtime>> {
        lock(&self.runtime)
    }

    /// Handles messages until none is left.
    pub(crate) fn settle(&self, runtime: &Runtime) {
        runtime.block_on(Settled(self));
    }

    /// Whether something came while nobody could drive; asked after letting go.
    pub(crate) fn came_late(&self) -> bool {
        fence(Ordering::SeqCst);
        !self.is_settled()
    }
}

/// Ready when every message has been handled.
struct Settled<'a>(&'a Executor);

impl Future for Settled<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.0.is_settled() {
            return Poll::Ready(());
        }
        // Asked again after the actors that have messages have had their turn.
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
