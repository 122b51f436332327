use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::AbortHandle;

use crate::consume::{AckStatus, Nack};
use crate::{Error, Event};

/// The deliveries that a consumer holds: they wait for a handler, are handled, or are being settled.
///
/// An event that is sent again while it is in hand, because its stream was lost or its deadline missed, isn't handled twice:
/// its newer ack id replaces the older one.
pub(crate) struct Hand {
    state: Mutex<State>,
    settlements: mpsc::UnboundedSender<Settlement>,
    /// Told whenever a delivery was settled, or settling failed.
    changed: Notify,
    extender: OnceLock<AbortHandle>,
}

#[derive(Default)]
struct State {
    held: HashMap<Key, Held>,
    serial: u64,
    /// Given to the program and not settled by it.
    running: usize,
    draining: bool,
    /// What made settling impossible.
    failed: Option<Error>,
}

/// Source and id of an event.
type Key = Arc<(String, String)>;

struct Held {
    ack_id: Arc<str>,
    /// Tells this stay in the hand from a later one of the same event.
    serial: u64,
    phase: Phase,
}

#[derive(Clone, Copy, PartialEq)]
enum Phase {
    /// To be settled.
    Open,
    /// Its settlement waits to be sent, or is an acknowledgement that may have been.
    Settling,
    /// A nack was sent: another sending of the event may be its result.
    Nacked,
}

/// One delivery's stay in the hand.
#[derive(Clone)]
pub(crate) struct Ticket {
    hand: Arc<Hand>,
    key: Key,
    serial: u64,
    /// As it came; the hand may know a newer one.
    ack_id: Arc<str>,
}

/// What to settle, and whom to tell how that ended.
pub(crate) struct Settlement {
    pub(crate) ticket: Ticket,
    /// None to acknowledge.
    pub(crate) nack: Option<Nack>,
    pub(crate) confirm: oneshot::Sender<Result<AckStatus, Error>>,
}

impl Hand {
    pub(crate) fn new() -> (Arc<Self>, mpsc::UnboundedReceiver<Settlement>) {
        let (settlements, queue) = mpsc::unbounded_channel();
        let hand = Hand {
            state: Mutex::default(),
            settlements,
            changed: Notify::new(),
            extender: OnceLock::new(),
        };
        (Arc::new(hand), queue)
    }

    /// Ends a task with the hand.
    pub(crate) fn keep(&self, extender: AbortHandle) {
        if let Err(second) = self.extender.set(extender) {
            second.abort();
        }
    }

    /// Takes a delivery, unless its event is in hand.
    pub(crate) fn take(self: &Arc<Self>, event: &Event, ack_id: String) -> Option<Ticket> {
        let (key, ack_id) = (
            Arc::new((event.source.clone(), event.id.clone())),
            Arc::from(ack_id),
        );
        let mut state = self.state();
        if let Some(held) = state.held.get_mut(&key) {
            if held.phase != Phase::Nacked {
                held.ack_id = ack_id;
                return None;
            }
        }
        state.serial += 1;
        let serial = state.serial;
        let held = Held {
            ack_id: Arc::clone(&ack_id),
            serial,
            phase: Phase::Open,
        };
        state.held.insert(Arc::clone(&key), held);
        drop(state);
        Some(Ticket {
            hand: Arc::clone(self),
            key,
            serial,
            ack_id,
        })
    }

    /// The ack ids of what is to be settled, for their deadlines to be extended.
    pub(crate) fn open_ack_ids(&self) -> Vec<String> {
        let state = self.state();
        state
            .held
            .values()
            .filter(|h| h.phase == Phase::Open)
            .map(|h| h.ack_id.to_string())
            .collect()
    }

    pub(crate) fn held(&self) -> usize {
        self.state().held.len()
    }

    pub(crate) fn running(&self) -> usize {
        self.state().running
    }

    /// From now on what is dropped unsettled is not at fault.
    pub(crate) fn drain(&self) {
        self.state().draining = true;
    }

    pub(crate) fn draining(&self) -> bool {
        self.state().draining
    }

    /// Notes that settling has become impossible.
    pub(crate) fn fail(&self, error: Error) {
        self.state().failed.get_or_insert(error);
        self.changed.notify_waiters();
    }

    /// Returns once settling has become impossible.
    pub(crate) async fn failed(&self) -> Error {
        self.until(|state| state.failed.clone()).await
    }

    /// Returns once the program has settled all that it was given.
    pub(crate) async fn none_running(&self) {
        self.until(|state| (state.running == 0).then_some(())).await;
    }

    /// Returns once all that was settled is confirmed.
    pub(crate) async fn none_settling(&self) {
        self.until(|state| state.held.values().all(|h| h.phase == Phase::Open).then_some(()))
            .await;
    }

    async fn until<T>(&self, condition: impl Fn(&State) -> Option<T>) -> T {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if let Some(found) = condition(&self.state()) {
                return found;
            }
            changed.await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Hand {
    fn drop(&mut self) {
        if let Some(extender) = self.extender.get() {
            extender.abort();
        }
    }
}

impl Ticket {
    /// Notes that the program has the delivery.
    pub(crate) fn begin(&self) {
        self.hand.state().running += 1;
    }

    /// Queues the settlement; `begun` tells whether `begin` was called. Only the first one of a stay counts, and none is
    /// returned for another.
    pub(crate) fn settle(
        &self,
        nack: Option<Nack>,
        begun: bool,
    ) -> Option<oneshot::Receiver<Result<AckStatus, Error>>> {
        let mut state = self.hand.state();
        let held = state
            .held
            .get_mut(&self.key)
            .filter(|h| h.serial == self.serial && h.phase == Phase::Open)?;
        held.phase = Phase::Settling;
        state.running -= usize::from(begun);
        let (confirm, confirmation) = oneshot::channel();
        // Under the lock, so that whoever sees that none is running finds all settlements in the queue. It is open for as long
        // as its task runs, which ends last.
        _ = self.hand.settlements.send(Settlement {
            ticket: self.clone(),
            nack,
            confirm,
        });
        drop(state);
        self.hand.changed.notify_waiters();
        Some(confirmation)
    }

    /// The newest ack id, to be sent with an acknowledgement or a nack.
    pub(crate) fn send(&self, nack: bool) -> String {
        let mut state = self.hand.state();
        match state.held.get_mut(&self.key).filter(|h| h.serial == self.serial) {
            Some(held) => {
                if nack {
                    held.phase = Phase::Nacked;
                }
                held.ack_id.to_string()
            }
            None => self.ack_id.to_string(),
        }
    }

    /// Ends the stay.
    pub(crate) fn leave(&self) {
        let mut state = self.hand.state();
        if state.held.get(&self.key).is_some_and(|h| h.serial == self.serial) {
            state.held.remove(&self.key);
        }
        drop(state);
        self.hand.changed.notify_waiters();
    }

    /// Whether the program has nothing more to settle, for now.
    pub(crate) fn alone(&self) -> bool {
        self.hand.state().running == 0
    }

    pub(crate) fn fail(&self, error: Error) {
        self.hand.fail(error);
    }

    pub(crate) fn event_id(&self) -> &str {
        &self.key.1
    }

    pub(crate) fn draining(&self) -> bool {
        self.hand.draining()
    }
}
