use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use tokio::time::timeout;

use crate::consume::extend::extend;
use crate::consume::hand::Hand;
use crate::consume::settle::Settler;
use crate::consume::{ConsumeOptions, Delivery};
use crate::link::Link;
use crate::pump::Pump;
use crate::{Client, Error, Frame, Gap, Hooks};

/// A stream of a durable subscription's deliveries; see [`Client::deliveries`].
///
/// It never ends by itself but with an error: it reconnects as a [`Subscription`](crate::Subscription) does. No more than
/// [`concurrency`](ConsumeOptions::concurrency) unsettled deliveries are with the program, so one that gathers a batch
/// needs at least as many. An event that the gateway sends again while it is unsettled here isn't yielded again.
///
/// [Close](Self::close) it to shut down gracefully. Dropping it gives back what wasn't yielded; the gateway then
/// counts what was, and isn't settled yet, as failed.
#[must_use = "streams do nothing unless polled"]
pub struct Deliveries {
    pump: Pump,
    pub(crate) hand: Arc<Hand>,
    pub(crate) hooks: Arc<dyn Hooks>,
    /// Arrived and not yielded.
    waiting: VecDeque<Delivery>,
    /// The connections that were lost before these arrived.
    lost: u64,
    gap: Option<Gap>,
    concurrency: usize,
    drain_timeout: Duration,
}

/// What is given back may come again, for the gateway divides it among all that take. It is then given back again, after
/// ever longer waits as long as handlers run, and so often at the end.
const RELEASES: usize = 10;
const FIRST_WAIT: Duration = Duration::from_millis(10);
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// A handler that blocks its thread can't be cut.
const CUT_WAIT: Duration = Duration::from_millis(100);

impl Deliveries {
    pub(crate) fn new(client: &Client, options: ConsumeOptions) -> Self {
        let (hand, queue) = Hand::new();
        let hooks = Watch { hooks: Arc::clone(&options.hooks), hand: Arc::clone(&hand) };
        let link = Link::new(client, options.request(), Arc::new(hooks), None);
        let settler = Settler {
            subscription: options.subscription().to_owned(),
            transport: link.transport(),
            queue,
            hooks: Arc::clone(&options.hooks),
        };
        tokio::spawn(settler.run());
        extend(options.subscription(), link.transport(), &hand);
        Deliveries {
            pump: Pump::new(link),
            hand,
            hooks: options.hooks,
            waiting: VecDeque::new(),
            lost: 0,
            gap: None,
            concurrency: options.concurrency,
            drain_timeout: options.drain_timeout,
        }
    }

    /// The next delivery. Cancel-safe: nothing is lost when the future is dropped, as in `select!`.
    ///
    /// # Errors
    ///
    /// [`Error::Call`] if a retry can't help; it is the last item. [`Error::Gap`] if events were lost to the hard retention limit
    /// before the subscription was done with them; it isn't the last.
    pub async fn next(&mut self) -> Option<Result<Delivery, Error>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// Shuts down gracefully: takes no more, gives back what wasn't yielded, waits until what was yielded is settled, for at
    /// most the [drain timeout](ConsumeOptions::drain_timeout), and until the gateway has confirmed it.
    ///
    /// # Errors
    ///
    /// [`Error::Drain`] if that took too long.
    pub async fn close(self) -> Result<(), Error> {
        let hand = Arc::clone(&self.hand);
        self.drain(async { hand.none_running().await }).await
    }

    /// `close`, where all that was yielded is settled once `handlers` has ended. It is dropped when it takes too long.
    pub(crate) async fn drain(mut self, handlers: impl Future<Output = ()>) -> Result<(), Error> {
        self.hand.drain();
        let limit = self.drain_timeout;
        // The stream stays open, or what is being handled would count as lost.
        let in_time = timeout(limit, self.give_back_while(handlers)).await.is_ok();
        let cut = if in_time { 0 } else { self.hand.running() };
        if cut > 0 {
            // Handlers that were cut give back what they had, once the runtime has dropped them.
            _ = timeout(CUT_WAIT, self.hand.none_running()).await;
        }
        let confirmed = timeout(limit, self.give_back()).await.is_ok();
        match if confirmed { cut } else { self.hand.held() } {
            0 => Ok(()),
            unsettled => Err(Error::Drain(unsettled)),
        }
    }

    /// Releases what was not begun, for as long as handlers run.
    async fn give_back_while(&mut self, handlers: impl Future<Output = ()>) {
        let mut handlers = pin!(handlers);
        let mut wait = FIRST_WAIT;
        loop {
            self.waiting.clear();
            if timeout(wait, self.hold_while(handlers.as_mut())).await.is_ok() {
                return;
            }
            wait = LONGEST_WAIT.min(2 * wait);
        }
    }

    /// Releases what was not begun, until no more comes, and waits for the gateway to confirm that and all else.
    async fn give_back(&mut self) {
        let hand = Arc::clone(&self.hand);
        for _ in 0..RELEASES {
            self.waiting.clear();
            self.hold_while(pin!(hand.none_settling())).await;
            _ = timeout(FIRST_WAIT, self.hold_while(pin!(std::future::pending()))).await;
            if self.waiting.is_empty() {
                break;
            }
        }
        self.waiting.clear();
        hand.none_settling().await;
    }

    /// Takes what arrives without yielding it.
    async fn hold_while<F: Future<Output = ()>>(&mut self, mut handlers: Pin<&mut F>) {
        poll_fn(|cx| {
            _ = self.poll_arrivals(cx);
            handlers.as_mut().poll(cx)
        })
        .await;
    }

    /// Takes what has arrived; ready when no more will.
    fn poll_arrivals(&mut self, cx: &mut Context<'_>) -> Poll<Option<Error>> {
        let end = loop {
            match self.pump.poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => self.take(frame),
                Poll::Ready(Some(Err(error))) => break Poll::Ready(Some(error)),
                Poll::Ready(None) => break Poll::Ready(None),
                Poll::Pending => break Poll::Pending,
            }
        };
        if end.is_ready() {
            self.hand.lose_connection();
        }
        self.forget_lost();
        end
    }

    fn take(&mut self, frame: Frame) {
        self.forget_lost();
        let hand = &self.hand;
        self.waiting.extend(frame.deliveries.into_iter().filter_map(|d| Delivery::take(hand, d)));
        self.gap = frame.gap.or(self.gap.take());
    }

    /// Forgets what arrived over a connection that was lost since.
    fn forget_lost(&mut self) {
        let lost = self.hand.lost_connections();
        if lost != self.lost {
            self.lost = lost;
            self.waiting.drain(..).for_each(Delivery::forget);
        }
    }
}

impl Stream for Deliveries {
    type Item = Result<Delivery, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Poll::Ready(end) = self.poll_arrivals(cx) {
            return Poll::Ready(end.map(Err));
        }
        if let Some(gap) = self.gap.take() {
            return Poll::Ready(Some(Err(Error::Gap(gap))));
        }
        if self.waiting.is_empty() || self.hand.poll_room(cx, self.concurrency).is_pending() {
            return Poll::Pending;
        }
        Poll::Ready(self.waiting.pop_front().map(|delivery| Ok(delivery.begin())))
    }
}

impl fmt::Debug for Deliveries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deliveries").field("waiting", &self.waiting.len()).finish_non_exhaustive()
    }
}

/// Tells a hand of lost connections.
struct Watch {
    hooks: Arc<dyn Hooks>,
    hand: Arc<Hand>,
}

impl Hooks for Watch {
    fn connected(&self, first: &Frame) {
        self.hooks.connected(first);
    }

    fn disconnected(&self, error: &Error, retry_in: Duration) {
        self.hand.lose_connection();
        self.hooks.disconnected(error, retry_in);
    }

    fn frame(&self, frame: &Frame) {
        self.hooks.frame(frame);
    }
}
