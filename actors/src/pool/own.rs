//! What a Pool does for the key of a request that has a Sprite of its own: it waits for one that is falling
//! asleep, and ends one that nobody will ask for again.

use std::collections::BTreeMap;

use super::{Ending, Pool};
use crate::backend::{Backend, Context};
use crate::protocol::{ActorId, Cause, Key, Outcome, Request, StepIndex, ToSprite};

/// Requests by the Sprite that they wait for: each is idle and falls asleep.
pub(super) type Owed = BTreeMap<ActorId, Request>;

impl Pool {
    /// The Sprite cannot be used before it is asleep; then it is woken.
    pub(super) fn owe(&mut self, cx: &mut Context<impl Backend>, request: Request) {
        self.owed.insert(cx.sender(), request);
    }

    /// A Sprite is dormant: whoever waits for it gets it.
    pub(super) fn pay(&mut self, cx: &mut Context<impl Backend>) {
        if let Some(request) = self.owed.remove(&cx.sender()) {
            self.wake(cx, request, StepIndex::FIRST);
        }
    }

    /// A Sprite was lost: whoever waits for it has none any more, and begins anew.
    pub(super) fn cannot_pay(&mut self, cx: &mut Context<impl Backend>) {
        if let Some(request) = self.owed.remove(&cx.sender()) {
            let cause = if self.is_down { Cause::WorkerDown } else { Cause::BootsFail };
            let request = Request { missed: request.missed.or(Some(cause)), ..request };
            self.go_on(cx, request, StepIndex::FIRST, Ending { outcome: Outcome::Failed, cause });
        }
    }

    /// Ends every Sprite of a key that nobody uses.
    pub(super) fn forget_key(&mut self, cx: &mut Context<impl Backend>, key: Key) {
        while let Some((sprite, _)) = self.dormant.pop(key) {
            cx.send(sprite, ToSprite::Stop);
        }
    }
}
