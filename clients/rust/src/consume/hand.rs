use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::AbortHandle;

use crate::consume::{AckStatus, Nack};
use crate::{Error, Event};

/// The deliveries that a consumer holds: they wait to be begun, are with the program, or are being settled.
///
/// An event that is sent again while it is in hand, because its stream was lost or its deadline missed, isn't handled twice:
/// its newer ack id replaces the older one.
pub(crate) struct Hand {
    state: Mutex<State>,
    settlements: mpsc::UnboundedSender<Settlement>,
    /// Told whenever the state has changed in a way that somebody may wait for.
    changed: Notify,
    extender: OnceLock<AbortHandle>,
}

#[derive(Default)]
struct State {
    held: HashMap<Key, Held>,
    serial: u64,
    /// How many connections were lost.
    lost: u64,
    /// With the program.
    running: usize,
    /// Waits for fewer to be.
    waiter: Option<Waker>,
    draining: bool,
    /// What made settling impossible.
    failed: Option<Error>,
}

/// Source and id of an event.
type Key = Arc<(String, String)>;

struct Held {
    ack_id: Arc<str>,
    attempt: i32,
    /// `State::lost` when it arrived.
    connection: u64,
    /// Tells this stay in the hand from a later one of the same event.
    serial: u64,
    phase: Phase,
}

impl Held {
    /// Whether an event comes anew because of a seek, and not because the delivery of it that is here was lost: attempts then
    /// begin from 1 on the same stream. What was not begun is only renewed by it.
    fn sought(&self, attempt: i32, connection: u64) -> bool {
        self.phase != Phase::Waiting && self.connection == connection && attempt <= self.attempt
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Phase {
    /// To be begun.
    Waiting,
    /// With the program.
    Running,
    /// Its settlement waits to be sent, or is an acknowledgement that may have been.
    Settling,
    /// A nack was sent: another sending of the event may be its result.
    Nacked,
}

impl Phase {
    /// Whether it is still to be settled.
    fn open(self) -> bool {
        matches!(self, Phase::Waiting | Phase::Running)
    }
}

/// One delivery's stay in the hand.
#[derive(Clone)]
pub(crate) struct Ticket {
    hand: Arc<Hand>,
    key: Key,
    serial: u64,
    /// As it came; the hand may know a newer one.
    ack_id: Arc<str>,
    settled: Arc<AtomicBool>,
}

/// What to settle, and whom to tell how that ended.
pub(crate) struct Settlement {
    pub(crate) ticket: Ticket,
    /// None to acknowledge.
    pub(crate) nack: Option<Nack>,
    pub(crate) confirm: oneshot::Sender<Result<AckStatus, Error>>,
    /// The program had it.
    pub(crate) begun: bool,
}

/// What the gateway makes of a settlement.
pub(crate) type Answer = oneshot::Receiver<Result<AckStatus, Error>>;

impl Hand {
    pub(crate) fn new() -> (Arc<Self>, mpsc::UnboundedReceiver<Settlement>) {
        let (settlements, queue) = mpsc::unbounded_channel();
        let hand =
            Hand { state: Mutex::default(), settlements, changed: Notify::new(), extender: OnceLock::new() };
        (Arc::new(hand), queue)
    }

    /// Ends a task with the hand.
    pub(crate) fn keep(&self, extender: AbortHandle) {
        if let Err(second) = self.extender.set(extender) {
            second.abort();
        }
    }

    /// Takes a delivery, unless its event is in hand.
    pub(crate) fn take(self: &Arc<Self>, event: &Event, ack_id: String, attempt: i32) -> Option<Ticket> {
        let (key, ack_id) = (Arc::new((event.source.clone(), event.id.clone())), Arc::from(ack_id));
        let mut state = self.state();
        let connection = state.lost;
        if let Some(held) = state.held.get_mut(&key)
            && held.phase != Phase::Nacked
            && !held.sought(attempt, connection)
        {
            (held.ack_id, held.attempt, held.connection) = (ack_id, attempt, connection);
            return None;
        }
        state.serial += 1;
        let serial = state.serial;
        let held = Held { ack_id: Arc::clone(&ack_id), attempt, connection, serial, phase: Phase::Waiting };
        state.held.insert(Arc::clone(&key), held);
        drop(state);
        Some(Ticket { hand: Arc::clone(self), key, serial, ack_id, settled: Arc::default() })
    }

    /// Notes that the connection was lost, and with it what was not begun: that is the gateway's again.
    pub(crate) fn lose_connection(&self) {
        self.state().lost += 1;
    }

    pub(crate) fn lost_connections(&self) -> u64 {
        self.state().lost
    }

    /// Ready when the program has fewer deliveries than `limit`.
    pub(crate) fn poll_room(&self, cx: &Context<'_>, limit: usize) -> Poll<()> {
        let mut state = self.state();
        if state.running < limit {
            return Poll::Ready(());
        }
        state.waiter = Some(cx.waker().clone());
        Poll::Pending
    }

    /// The ack ids of what is to be settled, for their deadlines to be extended.
    pub(crate) fn open_ack_ids(&self) -> Vec<String> {
        let state = self.state();
        state.held.values().filter(|h| h.phase.open()).map(|h| h.ack_id.to_string()).collect()
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
        self.until(|state| state.held.values().all(|h| h.phase.open()).then_some(())).await;
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
        let mut state = self.hand.state();
        state.running += 1;
        if let Some(held) = self.held(&mut state) {
            held.phase = Phase::Running;
        }
    }

    /// Queues the settlement; only the first one counts, and none is returned for another. `begun` tells that the program had the
    /// delivery, `finished` that it no longer has it.
    pub(crate) fn settle(&self, nack: Option<Nack>, begun: bool, finished: bool) -> Option<Answer> {
        let mut state = self.hand.state();
        if finished {
            state.running -= 1;
            if let Some(waiter) = state.waiter.take() {
                waiter.wake();
            }
        }
        let answer = (!self.settled.swap(true, Ordering::Relaxed)).then(|| {
            // If its place was taken after a seek, the gateway says that it is stale.
            if let Some(held) = self.held(&mut state) {
                held.phase = Phase::Settling;
            }
            let (confirm, answer) = oneshot::channel();
            // Under the lock, so that whoever sees that nothing runs finds all settlements in the queue. Its other end is open for
            // as long as its runtime goes on.
            _ = self.hand.settlements.send(Settlement { ticket: self.clone(), nack, confirm, begun });
            answer
        });
        drop(state);
        self.hand.changed.notify_waiters();
        answer
    }

    /// The newest ack id, to be sent with an acknowledgement or a nack.
    pub(crate) fn send(&self, nack: bool) -> String {
        let mut state = self.hand.state();
        match self.held(&mut state) {
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
        if self.held(&mut state).is_some() {
            state.held.remove(&self.key);
        }
        drop(state);
        self.hand.changed.notify_waiters();
    }

    fn held<'a>(&self, state: &'a mut State) -> Option<&'a mut Held> {
        state.held.get_mut(&self.key).filter(|h| h.serial == self.serial)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> Event {
        Event { source: "juicebox".into(), id: "evt-1".into(), ..Event::default() }
    }

    #[test]
    fn an_event_in_hand_is_renewed_and_not_taken_again() {
        let (hand, _queue) = Hand::new();
        let ticket = hand.take(&event(), "first".into(), 1).unwrap();
        ticket.begin();
        assert!(hand.take(&event(), "second".into(), 2).is_none(), "its deadline was missed");
        hand.lose_connection();
        assert!(
            hand.take(&event(), "third".into(), 1).is_none(),
            "a crashed gateway has forgotten an attempt"
        );
        assert!(hand.take(&event(), "fourth".into(), 2).is_none());
        assert_eq!(hand.open_ack_ids(), ["fourth"]);
        assert_eq!(ticket.send(false), "fourth");
        ticket.leave();
        assert!(hand.take(&event(), "fifth".into(), 3).is_some());
    }

    #[test]
    fn what_a_seek_or_a_nack_sends_is_taken_again() {
        let (hand, _queue) = Hand::new();
        let before = hand.take(&event(), "first".into(), 2).unwrap();
        assert!(hand.take(&event(), "second".into(), 1).is_none(), "what was not begun is renewed");
        before.begin();
        let sought = hand.take(&event(), "third".into(), 1).unwrap();
        assert_eq!((before.send(false), sought.send(true)), ("first".into(), "third".into()));
        assert!(hand.take(&event(), "fourth".into(), 2).is_some(), "the nack may have come to pass");
        sought.leave();
        assert_eq!(hand.held(), 1, "a later stay is none of its business");
    }

    #[test]
    fn only_the_first_settlement_counts() {
        let (hand, mut queue) = Hand::new();
        let ticket = hand.take(&event(), "first".into(), 1).unwrap();
        ticket.begin();
        assert!(ticket.settle(None, true, false).is_some());
        assert!(ticket.settle(Some(Nack::release()), true, true).is_none());
        assert_eq!(queue.try_recv().unwrap().nack, None);
        assert!(queue.try_recv().is_err());
        assert_eq!((hand.running(), hand.open_ack_ids()), (0, Vec::new()));
    }
}
