//! Machines that tell the books which VM is started for which key; all else they pass on.

use std::sync::Arc;
use std::sync::mpsc::Receiver;

use actors::protocol::{End, Operation};
use actors::{ActorId, Duration, OperationKind, Time};
use runtime::{Lost, Machines, Script};

use super::books::Books;
use super::contract::Lease;

/// See the [module](self).
pub(crate) struct Watched<M> {
    pub(crate) machines: Arc<M>,
    pub(crate) books: Books,
}

impl<M> Watched<M> {
    fn note(&self, sprite: ActorId, operation: &Operation) {
        if let (OperationKind::Start, Some(request)) = (operation.kind, operation.request) {
            self.books.starts(request.key, Lease { sprite, generation: operation.generation });
        }
    }
}

impl<M: Machines> Machines for Watched<M> {
    fn perform(&self, sprite: ActorId, operation: &Operation) -> End {
        self.note(sprite, operation);
        self.machines.perform(sprite, operation)
    }

    fn losses(&self) -> Option<Receiver<Lost>> {
        self.machines.losses()
    }

    fn script(&self) -> Option<&dyn Script> {
        self.machines.script().map(|_| self as &dyn Script)
    }
}

impl<M: Machines> Script for Watched<M> {
    fn answer(&self, now: Time, sprite: ActorId, operation: &Operation) -> (Duration, End) {
        self.note(sprite, operation);
        match self.machines.script() {
            Some(script) => script.answer(now, sprite, operation),
            None => (Duration::ZERO, self.machines.perform(sprite, operation)),
        }
    }
}
