//! The thin ractor actor around each boxed actor, and the one that supervises them all. It has no behaviour:
//! a message that ractor delivers is handed to [`super::delivery`]. A panic of the boxed actor never reaches
//! ractor.

use std::sync::Arc;

use actors::{ActorId, AnyActor};
use ractor::{ActorCell, ActorProcessingErr, ActorRef, ActorRuntime, SpawnErr, SupervisionEvent};

use super::delivery::deliver;
use super::executor::Envelope;
use super::shared::Shared;

/// Makes the actor anew after its state was lost.
pub(crate) type Maker = Box<dyn Fn() -> AnyActor + Send>;

/// One boxed actor and what its shell knows about it.
pub(crate) struct Boxed {
    pub(crate) id: ActorId,
    /// The actor that the outside hosts and that this one descends from; itself, if it is one.
    pub(crate) root: ActorId,
    /// How often the root had been made anew when this actor was made.
    pub(crate) life: u32,
    /// `None` once it has been given up.
    pub(crate) actor: Option<AnyActor>,
    /// For a root: how to make it anew.
    pub(crate) maker: Option<Maker>,
    pub(crate) shared: Arc<Shared>,
}

/// Hosts one boxed actor under the next address. Sound within a handler, which cannot wait: the mailbox is
/// there at once, and the actor's own task begins when whoever drives comes to it. The caller must be within
/// the executor's runtime.
pub(crate) fn host(boxed: Boxed) {
    let shared = Arc::clone(&boxed.shared);
    let spawned = ActorRuntime::spawn_linked_instant(None, Shell, boxed, shared.supervisor.clone());
    let (actor, _started) = spawned.expect("only an actor with a name can fail to be made");
    shared.executor.register(actor);
}

/// Starts the one that supervises all others.
pub(crate) async fn supervisor() -> Result<ActorCell, SpawnErr> {
    let (supervisor, _ended) = ActorRuntime::spawn(None, Supervisor, ()).await?;
    Ok(supervisor.get_cell())
}

pub(crate) struct Shell;

impl ractor::Actor for Shell {
    type Msg = Envelope;
    type State = Boxed;
    type Arguments = Boxed;

    async fn pre_start(&self, _me: ActorRef<Envelope>, boxed: Boxed) -> Result<Boxed, ActorProcessingErr> {
        Ok(boxed)
    }

    async fn handle(
        &self,
        _me: ActorRef<Envelope>,
        envelope: Envelope,
        boxed: &mut Boxed,
    ) -> Result<(), ActorProcessingErr> {
        deliver(boxed, envelope);
        boxed.shared.executor.handled();
        Ok(())
    }
}

/// Whom all shells are linked to. By default a supervisor stops with the first of its children; this one goes
/// on.
pub(crate) struct Supervisor;

impl ractor::Actor for Supervisor {
    type Msg = ();
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _me: ActorRef<()>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _me: ActorRef<()>,
        _event: SupervisionEvent,
        (): &mut (),
    ) -> Result<(), ActorProcessingErr> {
        Ok(())
    }
}
