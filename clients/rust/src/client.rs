use std::fmt;
use std::sync::Arc;

use tokio::io::AsyncRead;

use crate::connect::Builder;
use crate::transport::{Dialer, Transport};
use crate::v1::event_service_client::EventServiceClient;
use crate::v1::export_service_client::ExportServiceClient;
use crate::v1::gateway_service_client::GatewayServiceClient;
use crate::v1::subscription_service_client::SubscriptionServiceClient;
use crate::{
    Consume, ConsumeOptions, Deliveries, Delivery, Download, Error, Frames, Nack, SubscribeOptions,
    Subscription,
};

/// Calls one gateway. Cheap to clone, and one per program is enough: its calls share a connection.
#[derive(Clone)]
pub struct Client {
    pub(crate) dialer: Arc<Dialer>,
    pub(crate) transport: Transport,
}

impl Client {
    pub(crate) fn new(dialer: Dialer) -> Self {
        Client { transport: dialer.dial(), dialer: Arc::new(dialer) }
    }

    /// A client of the gateway at `address`, `host:port`: in plaintext to a loopback address, over TLS with the system's
    /// roots to any other. It does no I/O: a gateway that isn't there shows in the first call.
    ///
    /// # Errors
    ///
    /// As [`Builder::connect`].
    pub fn connect(address: impl Into<String>) -> Result<Self, Error> {
        Self::builder(address).connect()
    }

    /// Says how to connect to the gateway at `address`.
    pub fn builder(address: impl Into<String>) -> Builder {
        Builder::new(address)
    }

    /// Streams events in log order, each once, and reconnects by itself. The gateway is called when the stream is
    /// first polled.
    pub fn subscribe(&self, options: SubscribeOptions) -> Subscription {
        Subscription::new(self.subscribe_frames(options))
    }

    /// [`subscribe`](Self::subscribe) with whole frames: heartbeats, and how much is left to read
    /// ([`Frame::backlog`](crate::Frame::backlog); zero means caught up) are visible. A frame counts as processed when
    /// the stream is polled for the next one. A gap is a frame with `gap` set, not an error.
    pub fn subscribe_frames(&self, options: SubscribeOptions) -> Frames {
        Frames::new(self, options)
    }

    /// Consumes a durable subscription: runs `handler` with each event, several at once, and acknowledges the event when
    /// it returns `Ok`. Any error that can be displayed gives the event back, to be sent again later;
    /// a [`Nack`] says more exactly what to do with it.
    ///
    /// Await the result; see [`Consume`] for how it ends.
    pub fn consume<H, R, E>(&self, options: ConsumeOptions, handler: H) -> Consume<H>
    where
        H: Fn(Delivery) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Nack> + 'static,
    {
        Consume::new(Deliveries::new(self, options), handler)
    }

    /// Consumes a durable subscription as a stream: acknowledge each delivery, or give it back.
    pub fn deliveries(&self, options: ConsumeOptions) -> Deliveries {
        Deliveries::new(self, options)
    }

    /// Downloads an export's newest generation, from its first byte.
    ///
    /// # Errors
    ///
    /// [`Error::Call`] with reasons such as `EXPORT_NOT_FOUND`, `EXPORT_NOT_AVAILABLE`, `STORE_CORRUPT`.
    pub async fn download(&self, id: impl Into<String>) -> Result<Download, Error> {
        self.resume_download(id, tokio::io::empty()).await
    }

    /// Goes on with a download after what an earlier one has brought, which is read to its end and summed up, so that the
    /// checksum is that of the whole file.
    ///
    /// # Errors
    ///
    /// As [`download`](Self::download), and [`Error::Resume`] if reading fails.
    pub async fn resume_download(
        &self,
        id: impl Into<String>,
        so_far: impl AsyncRead + Send + Unpin,
    ) -> Result<Download, Error> {
        Download::begin(self.clone(), id.into(), so_far).await
    }

    /// The stub of `EventService`. Subscribe through the client's own method, which reconnects.
    #[must_use]
    pub fn events(&self) -> EventServiceClient<Transport> {
        self.transport.clone().events()
    }

    /// The stub of `SubscriptionService`, which manages durable subscriptions.
    #[must_use]
    pub fn subscriptions(&self) -> SubscriptionServiceClient<Transport> {
        self.transport.clone().subscriptions()
    }

    /// The stub of `ExportService`.
    #[must_use]
    pub fn exports(&self) -> ExportServiceClient<Transport> {
        self.transport.clone().exports()
    }

    /// The stub of `GatewayService`.
    #[must_use]
    pub fn gateway(&self) -> GatewayServiceClient<Transport> {
        self.transport.clone().gateway()
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("gateway", self.dialer.endpoint.uri()).finish_non_exhaustive()
    }
}
