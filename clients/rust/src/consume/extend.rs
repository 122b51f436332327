use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::Error;
use crate::backoff::jitter;
use crate::consume::hand::Hand;
use crate::options::positive;
use crate::transport::Transport;
use crate::v1::{ExtendDeadlineRequest, GetSubscriptionRequest};

/// The gateway's default.
const ACK_DEADLINE: Duration = Duration::from_secs(30);

/// Extends the deadlines of what is in hand and to be settled, every third of the subscription's `ack_deadline`.
pub(crate) struct Extender {
    pub(crate) subscription: String,
    pub(crate) transport: watch::Receiver<Transport>,
    pub(crate) hand: Weak<Hand>,
}

impl Extender {
    pub(crate) async fn run(self) {
        let interval = self.ack_deadline().await / 3;
        let mut failures = 0;
        while let Some(ack_ids) = self.hand.upgrade().map(|hand| hand.open_ack_ids()) {
            let extended =
                ack_ids.is_empty() || timeout(interval, self.extend(ack_ids)).await.is_ok_and(|r| r.is_ok());
            failures = if extended { 0 } else { failures + 1 };
            sleep(if extended { interval } else { interval.min(jitter(failures)) }).await;
        }
    }

    async fn extend(&self, ack_ids: Vec<String>) -> Result<(), Error> {
        let request = ExtendDeadlineRequest { subscription_id: self.subscription.clone(), ack_ids };
        let mut stub = self.transport.borrow().clone().subscriptions();
        stub.extend_deadline(request).await?;
        Ok(())
    }

    /// Asks until it is answered. A refusal ends the stream too, so whatever is returned then makes no difference.
    async fn ack_deadline(&self) -> Duration {
        let mut failures = 0;
        loop {
            let request = GetSubscriptionRequest { id: self.subscription.clone() };
            let mut stub = self.transport.borrow().clone().subscriptions();
            match timeout(ACK_DEADLINE, stub.get_subscription(request)).await {
                Ok(Ok(answer)) => return positive(answer.into_inner().ack_deadline).unwrap_or(ACK_DEADLINE),
                Ok(Err(status)) if !Error::from(status.clone()).retryable() => return ACK_DEADLINE,
                _ => failures += 1,
            }
            sleep(jitter(failures)).await;
        }
    }
}

/// Begins to extend the deadlines of what is in a hand, for as long as that lives.
pub(crate) fn extend(subscription: &str, transport: watch::Receiver<Transport>, hand: &Arc<Hand>) {
    let extender = Extender { subscription: subscription.to_owned(), transport, hand: Arc::downgrade(hand) };
    hand.keep(tokio::spawn(extender.run()).abort_handle());
}
