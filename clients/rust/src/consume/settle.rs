use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::backoff::jitter;
use crate::consume::hand::Settlement;
use crate::consume::{AckStatus, Nack};
use crate::transport::Transport;
use crate::v1::{AckResult, AcknowledgeRequest, NackRequest};
use crate::{Error, ErrorReason, Hooks};

/// How long the first of a batch waits for others, at most. Much less than the 10 ms that it might: while a call is under
/// way the next batch gathers by itself.
const LINGER: Duration = Duration::from_millis(1);
const MAX_BATCH: usize = 1000;
/// How long a call may take; it is a write of some milliseconds.
const CALL_PATIENCE: Duration = Duration::from_secs(20);

/// Sends settlements in batches, one call at a time, and confirms each. It ends when nobody can settle any more.
pub(crate) struct Settler {
    pub(crate) subscription: String,
    pub(crate) transport: watch::Receiver<Transport>,
    pub(crate) queue: mpsc::UnboundedReceiver<Settlement>,
    pub(crate) hooks: Arc<dyn Hooks>,
}

/// What one call settles.
struct Batch {
    nack: Option<Nack>,
    settlements: Vec<Settlement>,
}

impl Settler {
    pub(crate) async fn run(mut self) {
        while let Some(first) = self.queue.recv().await {
            let gathered = self.gather(first).await;
            for batch in batches(gathered) {
                self.settle(batch).await;
            }
        }
    }

    /// Returns what is settled by now or soon; it doesn't wait when nothing more can come.
    async fn gather(&mut self, first: Settlement) -> Vec<Settlement> {
        let deadline = Instant::now() + LINGER;
        let mut gathered = vec![first];
        while gathered.len() < MAX_BATCH {
            match self.queue.try_recv() {
                Ok(settlement) => gathered.push(settlement),
                Err(_) if gathered[0].ticket.alone() => break,
                Err(_) => match timeout_at(deadline, self.queue.recv()).await {
                    Ok(Some(settlement)) => gathered.push(settlement),
                    _ => break,
                },
            }
        }
        gathered
    }

    async fn settle(&mut self, batch: Batch) {
        let outcome = self.call_until_answered(&batch).await;
        let mut answers = match &outcome {
            Ok(results) => results.iter(),
            Err(error) => {
                if let Some(settlement) = batch.settlements.first() {
                    settlement.ticket.fail(error.clone());
                }
                [].iter()
            }
        };
        for settlement in batch.settlements {
            let answer = match (answers.next(), &outcome) {
                (Some(result), _) => Ok(result.status()),
                (None, Err(error)) => Err(error.clone()),
                (None, Ok(_)) => {
                    Err(tonic::Status::data_loss("the gateway gave fewer results than ids").into())
                }
            };
            self.confirm(settlement, answer);
        }
    }

    fn confirm(&self, settlement: Settlement, answer: Result<AckStatus, Error>) {
        settlement.ticket.leave();
        if settlement.begun {
            self.hooks.settled(settlement.ticket.event_id(), &answer);
        }
        _ = settlement.confirm.send(answer); // whoever doesn't wait for it has dropped the other end
    }

    /// Calls, again after each loss of the connection, until the gateway has answered.
    async fn call_until_answered(&mut self, batch: &Batch) -> Result<Vec<AckResult>, Error> {
        let mut failures = 0;
        loop {
            let transport = self.transport.borrow_and_update().clone();
            let result = tokio::select! {
                biased;
                result = timeout(CALL_PATIENCE, call(transport, &self.subscription, batch)) => result,
                // The call may be lost with the connection that was replaced.
                () = changed(&mut self.transport) => continue,
            };
            match result {
                Ok(Err(error)) if !repeatable(&error) => return Err(error),
                Ok(Ok(results)) => return Ok(results),
                Ok(Err(_)) | Err(_) => failures += 1,
            }
            tokio::select! {
                () = sleep(jitter(failures)) => {}
                () = changed(&mut self.transport) => {}
            }
        }
    }
}

/// Acknowledgements first, then the nacks that are the same in one call.
fn batches(settlements: Vec<Settlement>) -> Vec<Batch> {
    let mut batches = vec![Batch { nack: None, settlements: Vec::new() }];
    for mut settlement in settlements {
        let nack = settlement.nack.take();
        match batches.iter_mut().find(|b| b.nack == nack) {
            Some(batch) => batch.settlements.push(settlement),
            None => batches.push(Batch { nack, settlements: vec![settlement] }),
        }
    }
    batches.retain(|b| !b.settlements.is_empty());
    batches
}

async fn call(transport: Transport, subscription: &str, batch: &Batch) -> Result<Vec<AckResult>, Error> {
    let ack_ids = batch.settlements.iter().map(|s| s.ticket.send(batch.nack.is_some())).collect();
    let (mut stub, subscription_id) = (transport.subscriptions(), subscription.to_owned());
    Ok(match &batch.nack {
        None => stub.acknowledge(AcknowledgeRequest { subscription_id, ack_ids }).await?.into_inner().results,
        Some(nack) => {
            let Nack { action, reason } = nack.clone();
            let request = NackRequest { subscription_id, ack_ids, reason, action };
            stub.nack(request).await?.into_inner().results
        }
    })
}

/// Whether settling again can help.
fn repeatable(error: &Error) -> bool {
    error.retryable() || matches!(error.reason(), ErrorReason::RateLimited | ErrorReason::Overloaded)
}

/// Returns when the transport was replaced or a stream is open again; never, if neither can happen any more.
async fn changed(transport: &mut watch::Receiver<Transport>) {
    if transport.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}
