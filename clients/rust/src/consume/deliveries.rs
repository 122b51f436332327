use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::Stream;
use tokio::time::timeout;

use crate::consume::extend::extend;
use crate::consume::hand::Hand;
use crate::consume::settle::Settler;
use crate::consume::{ConsumeOptions, Delivery};
use crate::link::Link;
use crate::pump::Pump;
use crate::{Client, Error, Frame, Gap};

/// A stream of a durable subscription's deliveries; see [`Client::deliveries`].
///
/// It never ends by itself but with an error: it reconnects as a [`Subscription`](crate::Subscription) does. At most twice the
/// [concurrency](ConsumeOptions::concurrency) of deliveries are unsettled at any time, those in the program included.
/// An event that the gateway sends again while it is unsettled here isn't yielded again.
///
/// [Close](Self::close) it to shut down gracefully. Dropping it gives back what wasn't yielded; the gateway then
/// counts what was, and isn't settled yet, as failed.
#[must_use = "streams do nothing unless polled"]
pub struct Deliveries {
    pump: Pump,
    pub(crate) hand: Arc<Hand>,
    /// Arrived and not yielded.
    waiting: VecDeque<Delivery>,
    gap: Option<Gap>,
    drain_timeout: Duration,
}

impl Deliveries {
    pub(crate) fn new(client: &Client, options: &ConsumeOptions) -> Self {
        let link = Link::new(client, options.request(), Arc::clone(&options.hooks), None);
        let (hand, queue) = Hand::new();
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
            waiting: VecDeque::new(),
            gap: None,
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
        self.waiting.clear();
        let limit = self.drain_timeout;
        // What still arrives is kept, or the gateway might send it again and again; the stream stays open, or what is
        // being handled would count as lost.
        let in_time = timeout(limit, self.hold_while(handlers)).await.is_ok();
        let cut = if in_time { 0 } else { self.hand.running() };
        self.waiting.clear();
        let confirmed = timeout(limit, self.hand.none_settling()).await.is_ok();
        match if confirmed { cut } else { self.hand.held() } {
            0 => Ok(()),
            unsettled => Err(Error::Drain(unsettled)),
        }
    }

    /// Takes what arrives without yielding it.
    async fn hold_while(&mut self, handlers: impl Future<Output = ()>) {
        let mut handlers = pin!(handlers);
        poll_fn(|cx| {
            while let Poll::Ready(Some(Ok(()))) = self.poll_arrival(cx) {}
            handlers.as_mut().poll(cx)
        })
        .await;
    }

    fn poll_arrival(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<(), Error>>> {
        let frame = ready!(self.pump.poll_frame(cx));
        Poll::Ready(frame.map(|frame| frame.map(|frame| self.take(frame))))
    }

    fn take(&mut self, frame: Frame) {
        let hand = &self.hand;
        self.waiting.extend(
            frame
                .deliveries
                .into_iter()
                .filter_map(|d| Delivery::take(hand, d)),
        );
        self.gap = frame.gap.or(self.gap.take());
    }
}

impl Stream for Deliveries {
    type Item = Result<Delivery, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(gap) = self.gap.take() {
                return Poll::Ready(Some(Err(Error::Gap(gap))));
            }
            if let Some(delivery) = self.waiting.pop_front() {
                return Poll::Ready(Some(Ok(delivery.begin())));
            }
            match ready!(self.poll_arrival(cx)) {
                Some(Ok(())) => {}
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
    }
}

impl fmt::Debug for Deliveries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deliveries")
            .field("waiting", &self.waiting.len())
            .finish_non_exhaustive()
    }
}
