use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::Hooks;
use crate::hooks::Silent;
use crate::options::wire_duration;
use crate::v1::SubscribeRequest;

/// Which durable subscription to consume, and how.
#[derive(Clone)]
#[must_use]
pub struct ConsumeOptions {
    request: SubscribeRequest,
    pub(crate) concurrency: usize,
    pub(crate) drain_timeout: Duration,
    pub(crate) hooks: Arc<dyn Hooks>,
}

const CONCURRENCY: usize = 16;
const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);
/// Most deliveries in the client, whatever the concurrency.
const MAX_OUTSTANDING: usize = 1000;

impl ConsumeOptions {
    /// Consume the subscription with this id. It must exist: see [`Client::subscriptions`](crate::Client::subscriptions).
    pub fn new(subscription: impl Into<String>) -> Self {
        ConsumeOptions {
            request: SubscribeRequest { subscription_id: subscription.into(), ..SubscribeRequest::default() },
            concurrency: CONCURRENCY,
            drain_timeout: DRAIN_TIMEOUT,
            hooks: Arc::new(Silent),
        }
    }

    /// How many handlers run at once: at least 1, default 16. The gateway sends twice as many deliveries ahead, at most 1,000.
    pub fn concurrency(mut self, handlers: usize) -> Self {
        self.concurrency = handlers.clamp(1, MAX_OUTSTANDING);
        self
    }

    /// How long a shutdown waits for handlers to end, and then for the gateway to confirm. Default 30 s.
    pub fn drain_timeout(mut self, timeout: Duration) -> Self {
        self.drain_timeout = timeout;
        self
    }

    /// How often the gateway sends a frame at least: 1 s to 60 s, default 15 s. After two and a half missed ones the
    /// consumer reconnects.
    pub fn heartbeat_interval(mut self, interval: Duration) -> Self {
        self.request.heartbeat_interval = Some(wire_duration(interval));
        self
    }

    /// Fill [`Event::raw`](crate::Event::raw) with the webhook's body.
    pub fn include_raw(mut self, include: bool) -> Self {
        self.request.include_raw = include;
        self
    }

    /// Told what the consumer does.
    pub fn hooks(mut self, hooks: impl Hooks) -> Self {
        self.hooks = Arc::new(hooks);
        self
    }

    pub(crate) fn subscription(&self) -> &str {
        &self.request.subscription_id
    }

    pub(crate) fn request(&self) -> SubscribeRequest {
        let outstanding = (2 * self.concurrency).min(MAX_OUTSTANDING);
        SubscribeRequest {
            max_outstanding: i32::try_from(outstanding).expect("it is at most 1,000"),
            ..self.request.clone()
        }
    }
}

impl fmt::Debug for ConsumeOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsumeOptions")
            .field("request", &self.request())
            .field("concurrency", &self.concurrency)
            .field("drain_timeout", &self.drain_timeout)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twice_the_concurrency_is_sent_ahead() {
        for (concurrency, want) in [(0, 2), (1, 2), (16, 32), (500, 1000), (501, 1000), (9999, 1000)] {
            let request = ConsumeOptions::new("billing").concurrency(concurrency).request();
            assert_eq!(request.max_outstanding, want, "{concurrency}");
        }
        assert_eq!(ConsumeOptions::new("billing").request().max_outstanding, 32);
    }
}
