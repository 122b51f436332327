use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use tokio::task::JoinSet;

use crate::Error;
use crate::consume::{Deliveries, Delivery, Nack};

/// A durable consumer with a handler; see [`Client::consume`](crate::Client::consume). Await it to run it.
///
/// It ends with an error that a retry can't help, or by a [graceful shutdown](Self::with_graceful_shutdown); either way what is
/// being handled is brought to its end. Dropping the future instead cuts the handlers, whose events come again.
///
/// Handlers run as tasks of their own. One that panics fails its event, not the consumer.
#[must_use = "it does nothing unless awaited"]
pub struct Consume<H> {
    deliveries: Deliveries,
    handler: H,
    shutdown: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl<H> Consume<H> {
    pub(crate) fn new(deliveries: Deliveries, handler: H) -> Self {
        Consume { deliveries, handler, shutdown: Box::pin(std::future::pending()) }
    }

    /// Shuts down when `signal` resolves: takes no more, gives back what wasn't begun, lets handlers end, for at most
    /// the [drain timeout](crate::ConsumeOptions::drain_timeout), and waits until the gateway has confirmed the last acknowledgements.
    pub fn with_graceful_shutdown(mut self, signal: impl Future<Output = ()> + Send + 'static) -> Self {
        self.shutdown = Box::pin(signal);
        self
    }
}

impl<H, R, E> IntoFuture for Consume<H>
where
    H: Fn(Delivery) -> R + Send + Sync + 'static,
    R: Future<Output = Result<(), E>> + Send + 'static,
    E: Into<Nack> + 'static,
{
    type Output = Result<(), Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(run(self))
    }
}

async fn run<H, R, E>(consume: Consume<H>) -> Result<(), Error>
where
    H: Fn(Delivery) -> R + Send + Sync + 'static,
    R: Future<Output = Result<(), E>> + Send + 'static,
    E: Into<Nack> + 'static,
{
    let Consume { mut deliveries, handler, mut shutdown } = consume;
    let (hand, hooks) = (Arc::clone(&deliveries.hand), Arc::clone(&deliveries.hooks));
    let handler = Arc::new(handler);
    let mut handlers = JoinSet::new();
    let end = loop {
        tokio::select! {
            biased;
            () = &mut shutdown => break Ok(()),
            error = hand.failed() => break Err(error),
            Some(_) = handlers.join_next() => {}
            next = deliveries.next() => match next {
                Some(Ok(delivery)) => {
                    handlers.spawn(handle(Arc::clone(&handler), delivery));
                }
                Some(Err(Error::Gap(gap))) => hooks.gap(&gap),
                Some(Err(error)) => break Err(error),
                None => break Ok(()),
            },
        }
    };
    // Owned by the future: the handlers are cut when that is dropped.
    let drained = deliveries.drain(async move { while handlers.join_next().await.is_some() {} }).await;
    end.and(drained)
}

async fn handle<H, R, E>(handler: Arc<H>, delivery: Delivery)
where
    H: Fn(Delivery) -> R,
    R: Future<Output = Result<(), E>>,
    E: Into<Nack>,
{
    let (delivery, guard) = delivery.guard();
    let result = handler(delivery).await;
    guard.settle(result.err().map(Into::into));
}

impl<H> fmt::Debug for Consume<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consume").field("deliveries", &self.deliveries).finish_non_exhaustive()
    }
}
