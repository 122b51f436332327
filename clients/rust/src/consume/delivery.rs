use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread;

use crate::consume::hand::{Answer, Hand, Ticket};
use crate::consume::{AckStatus, Nack};
use crate::{Error, Event, v1};

/// An event to be settled. Its deadline is extended for as long as it lives.
///
/// One that is dropped unsettled is given back: as a failure, for whoever dropped it may do so each time, but without
/// blame if the consumer is being shut down.
#[must_use = "acknowledge it, or give it back"]
pub struct Delivery {
    /// The event.
    pub event: Event,
    /// Which sending of the event it is, from 1.
    pub attempt: u32,
    ticket: Ticket,
    /// The program has it.
    begun: bool,
    /// A drop has nothing to do with it: a guard has, or it is settled.
    guarded: bool,
}

impl Delivery {
    /// Takes a delivery into the hand, unless its event is there.
    pub(crate) fn take(hand: &Arc<Hand>, delivery: v1::Delivery) -> Option<Self> {
        let event = delivery.event?;
        let ticket = hand.take(&event, delivery.ack_id, delivery.attempt)?;
        let attempt = u32::try_from(delivery.attempt).unwrap_or_default();
        Some(Delivery { event, attempt, ticket, begun: false, guarded: false })
    }

    /// Marks it as given to the program.
    pub(crate) fn begin(mut self) -> Self {
        self.ticket.begin();
        self.begun = true;
        self
    }

    /// Forgets it: the gateway sends it elsewhere.
    pub(crate) fn forget(mut self) {
        self.guarded = true;
        self.ticket.leave();
    }

    /// Leaves it to the guard that is returned to tell when the program no longer has it, and to settle it if the program
    /// doesn't.
    pub(crate) fn guard(mut self) -> (Self, Guard) {
        self.guarded = true;
        let guard = Guard(Some(self.ticket.clone()));
        (self, guard)
    }

    /// Acknowledges it: the event isn't sent to this subscription again. The acknowledgement is on its way at once, with
    /// others; await the result to know that the gateway has it.
    pub fn ack(mut self) -> Confirmation {
        self.settle(None)
    }

    /// Gives it back.
    pub fn nack(mut self, nack: impl Into<Nack>) -> Confirmation {
        self.settle(Some(nack.into()))
    }

    fn settle(&mut self, nack: Option<Nack>) -> Confirmation {
        let finished = self.begun && !self.guarded;
        self.guarded = true; // a drop has nothing more to do
        Confirmation(self.ticket.settle(nack, self.begun, finished))
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        if !self.guarded {
            self.ticket.settle(Some(dropped(&self.ticket, self.begun)), self.begun, self.begun);
        }
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("event", &self.event)
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}

fn dropped(ticket: &Ticket, begun: bool) -> Nack {
    if !begun || ticket.draining() {
        Nack::release().because("the consumer was shut down")
    } else if thread::panicking() {
        Nack::failure("the handler panicked")
    } else {
        Nack::failure("the delivery was dropped unsettled")
    }
}

/// Settles a delivery that was begun, if nothing else does.
pub(crate) struct Guard(Option<Ticket>);

impl Guard {
    pub(crate) fn settle(mut self, nack: Option<Nack>) {
        if let Some(ticket) = self.0.take() {
            ticket.settle(nack, true, true);
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(ticket) = self.0.take() {
            ticket.settle(Some(dropped(&ticket, true)), true, true);
        }
    }
}

/// Resolves once the gateway has answered an acknowledgement or nack. Dropping it takes nothing back.
///
/// Its output is what the gateway said: `Acked` and `AlreadyAcked` are success, `Stale` and `Invalid` mean that nothing was
/// settled. It is an error only if the gateway can't be brought to answer. A lost connection isn't one: the call is
/// repeated until it is answered.
#[derive(Debug)]
pub struct Confirmation(Option<Answer>);

impl Future for Confirmation {
    type Output = Result<AckStatus, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(receiver) = &mut self.0 else {
            return Poll::Ready(Ok(AckStatus::AlreadyAcked));
        };
        let gone = |_| Err(Error::unavailable("the runtime was shut down before the gateway answered"));
        Pin::new(receiver).poll(cx).map(|answer| answer.unwrap_or_else(gone))
    }
}
