//! Consumes a durable subscription.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
use straw_client::{AckStatus, Client, ConsumeOptions, Delivery, Error, Frame, Gap, Hooks, Nack};
use tokio::time::sleep;

use crate::output::{Connections, say, say_end, say_gap};
use crate::{Fault, Stop};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Consume {
    subscription: String,
    concurrency: Option<usize>,
    #[serde(default)]
    work: u64,
    #[serde(default)]
    handler: HashMap<String, Action>,
    #[serde(default)]
    form: Form,
    #[serde(default)]
    stop_after: usize,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Form {
    #[default]
    Handler,
    Iterator,
}

/// What to do with an event.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Action {
    Ack,
    Fail,
    DeadLetter,
    Release,
    RetryDelay(u64),
    Hang,
}

impl Consume {
    /// Works on an event and returns what it is told to.
    async fn handle(&self, delivery: &Delivery, stop: &Stop) -> Result<(), Nack> {
        say(json!({"event": delivery.event.id, "attempt": delivery.attempt}));
        sleep(Duration::from_millis(self.work)).await;
        let action = self.handler.get(&delivery.event.id).or_else(|| self.handler.get("default"));
        match action.copied().unwrap_or(Action::Ack) {
            Action::Ack => Ok(()),
            Action::Fail => Err(Nack::failure("told to fail")),
            Action::DeadLetter => Err(Nack::dead_letter().because("told to dead-letter")),
            Action::Release => Err(Nack::release()),
            Action::RetryDelay(delay) => Err(Nack::retry_after(Duration::from_millis(delay))),
            Action::Hang => {
                stop.told().await;
                Err(Nack::release())
            }
        }
    }

    async fn iterate(&self, client: &Client, options: ConsumeOptions, stop: &Stop) -> Result<(), Error> {
        let mut deliveries = client.deliveries(options);
        let end = loop {
            let next = tokio::select! {
                () = stop.told() => break Ok(()),
                next = deliveries.next() => next,
            };
            let delivery = match next {
                Some(Ok(delivery)) => delivery,
                Some(Err(Error::Gap(gap))) => {
                    say_gap(&gap);
                    continue;
                }
                Some(Err(error)) => break Err(error),
                None => break Ok(()),
            };
            match self.handle(&delivery, stop).await {
                Ok(()) => delivery.ack(),
                Err(nack) => delivery.nack(nack),
            };
        };
        end.and(deliveries.close().await)
    }
}

/// Tells of connections, and of what was settled.
struct Settled {
    stop: Stop,
    confirmed: AtomicUsize,
    stop_after: usize,
}

impl Hooks for Settled {
    fn connected(&self, first: &Frame) {
        Connections.connected(first);
    }

    fn disconnected(&self, error: &Error, retry_in: Duration) {
        Connections.disconnected(error, retry_in);
    }

    fn gap(&self, gap: &Gap) {
        say_gap(gap);
    }

    fn settled(&self, event_id: &str, outcome: &Result<AckStatus, Error>) {
        let Ok(status) = outcome else {
            return; // it was not confirmed; the end says so
        };
        say(json!({"done": event_id, "status": status.as_str_name()}));
        if self.confirmed.fetch_add(1, Ordering::Relaxed) + 1 == self.stop_after {
            self.stop.now();
        }
    }
}

pub async fn run(consume: Consume, client: &Client, stop: &Stop) -> Result<(), Fault> {
    let hooks =
        Settled { stop: stop.clone(), confirmed: AtomicUsize::new(0), stop_after: consume.stop_after };
    let mut options = ConsumeOptions::new(&consume.subscription).hooks(hooks);
    if let Some(concurrency) = consume.concurrency {
        options = options.concurrency(concurrency);
    }
    let end = match consume.form {
        Form::Iterator => consume.iterate(client, options, stop).await,
        Form::Handler => {
            let (consume, told, stop) = (Arc::new(consume), stop.clone(), stop.clone());
            let handler = move |delivery: Delivery| {
                let (consume, stop) = (Arc::clone(&consume), stop.clone());
                async move { consume.handle(&delivery, &stop).await }
            };
            client.consume(options, handler).with_graceful_shutdown(async move { told.told().await }).await
        }
    };
    say_end(end);
    Ok(())
}
