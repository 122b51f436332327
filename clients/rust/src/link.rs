use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tonic::Streaming;

use crate::backoff::jitter;
use crate::options::positive;
use crate::saver::Saver;
use crate::transport::{Dialer, Transport};
use crate::v1::SubscribeRequest;
use crate::v1::subscribe_request::Start;
use crate::{Client, Error, ErrorReason, Frame, Hooks};

/// Assumed of a gateway that doesn't announce a heartbeat.
const DEFAULT_HEARTBEAT: Duration = Duration::from_secs(15);
/// How long connecting may take; the gateway sends its first frame at once.
const FIRST_FRAME_PATIENCE: Duration = Duration::from_secs(20);

/// One subscription's stream, across its connections.
pub(crate) struct Link {
    dialer: Arc<Dialer>,
    /// What the subscription's calls travel by. Whoever watches it learns when it is replaced, and when a stream is open.
    transport: watch::Sender<Transport>,
    request: SubscribeRequest,
    hooks: Arc<dyn Hooks>,
    saver: Option<Arc<Saver>>,
    loaded: bool,
    /// Everything up to here is processed; empty if that isn't known.
    cursor: String,
    open: Option<Open>,
    /// A first frame came, on any connection.
    connected: bool,
    /// In a row.
    failures: u32,
    /// That a gateway going away has asked for.
    pause: Duration,
}

/// An open stream.
struct Open {
    frames: Streaming<Frame>,
    /// How long to wait for each frame.
    patience: Duration,
    /// A second frame came: the failures before don't count any more. They still do after the first one, or a stream that
    /// always dies at the same event would be retried at full speed.
    proven: bool,
}

impl Link {
    pub(crate) fn new(
        client: &Client,
        request: SubscribeRequest,
        hooks: Arc<dyn Hooks>,
        saver: Option<Arc<Saver>>,
    ) -> Self {
        Link {
            dialer: Arc::clone(&client.dialer),
            transport: watch::Sender::new(client.transport.clone()),
            request,
            hooks,
            saver,
            loaded: false,
            cursor: String::new(),
            open: None,
            connected: false,
            failures: 0,
            pause: Duration::ZERO,
        }
    }

    pub(crate) fn transport(&self) -> watch::Receiver<Transport> {
        self.transport.subscribe()
    }

    /// Notes that everything up to a cursor is processed.
    pub(crate) fn processed(&mut self, cursor: &str) {
        if cursor.is_empty() {
            return;
        }
        self.cursor.clear();
        self.cursor.push_str(cursor);
        if let Some(saver) = &self.saver {
            saver.note(cursor);
        }
    }

    /// The next frame, over as many connections as that takes; none at the head, if it was asked to end there. What can't be
    /// helped by another connection is an error. The last position is saved before the end, of either kind.
    pub(crate) async fn next(&mut self) -> Result<Option<Frame>, Error> {
        let result = self.receive().await;
        if !matches!(result, Ok(Some(_))) {
            self.open = None;
            if let Some(saver) = &self.saver {
                let flushed = saver.flush().await;
                return result.and_then(|end| flushed.map(|()| end));
            }
        }
        result
    }

    async fn receive(&mut self) -> Result<Option<Frame>, Error> {
        self.load().await?;
        loop {
            if let Some(saver) = &self.saver {
                saver.failed()?;
            }
            let result = match &mut self.open {
                Some(open) => open.receive().await,
                None => self.connect().await.map(Some),
            };
            match result {
                Ok(Some(frame)) => {
                    self.note(&frame);
                    return Ok(Some(frame));
                }
                Ok(None) if self.request.end_at_head => return Ok(None),
                Ok(None) => {
                    let end = Error::unavailable("the stream ended without a reason");
                    self.retreat(&end).await;
                }
                Err(Lost::Silent) => {
                    let silent = "no frame came in time, so the connection is taken for dead";
                    // What made it deaf, perhaps a proxy that answers pings for a dead gateway, may stay so for as long as it
                    // lives.
                    self.transport.send_replace(self.dialer.dial());
                    self.retreat(&Error::unavailable(silent)).await;
                }
                Err(Lost::Failed(error)) if self.recoverable(&error) => self.retreat(&error).await,
                Err(Lost::Failed(error)) => return Err(error),
            }
        }
    }

    async fn load(&mut self) -> Result<(), Error> {
        if self.loaded {
            return Ok(());
        }
        if let Some(saver) = &self.saver {
            self.cursor = saver.load().await?.unwrap_or_default();
        }
        self.loaded = true;
        Ok(())
    }

    /// Opens a stream and returns its first frame.
    async fn connect(&mut self) -> Result<Frame, Lost> {
        if !self.cursor.is_empty() {
            self.request.start = Some(Start::After(self.cursor.clone()));
        }
        let mut events = self.transport.borrow().clone().events();
        let first = async {
            let mut frames = events.subscribe(self.request.clone()).await?.into_inner();
            let first = frames.message().await?;
            Ok::<_, Error>((frames, first))
        };
        let (frames, first) = timeout(FIRST_FRAME_PATIENCE, first).await.map_err(|_| Lost::Silent)??;
        let first = first.ok_or_else(|| Error::unavailable("the stream ended before its first frame"))?;
        let heartbeat = positive(first.heartbeat_interval).unwrap_or(DEFAULT_HEARTBEAT);
        self.open = Some(Open { frames, patience: heartbeat.mul_f64(2.5), proven: false });
        self.connected = true;
        self.transport.send_modify(|_| ());
        self.hooks.connected(&first);
        Ok(first)
    }

    fn note(&mut self, frame: &Frame) {
        self.hooks.frame(frame);
        if let Some(away) = &frame.going_away {
            self.pause = positive(away.retry_delay).unwrap_or_default();
        }
    }

    /// Whether connecting again can help.
    fn recoverable(&self, error: &Error) -> bool {
        match error.reason() {
            // The gateway may not yet know that the stream before is lost. At the first try it is simply so.
            ErrorReason::TooManyStreams | ErrorReason::RateLimited => self.connected,
            _ => error.retryable(),
        }
    }

    /// Waits before the next connection.
    async fn retreat(&mut self, error: &Error) {
        if self.open.take().is_some_and(|open| open.proven) {
            self.failures = 0;
        }
        self.failures = self.failures.saturating_add(1);
        let delay = std::mem::take(&mut self.pause) + jitter(self.failures);
        self.hooks.disconnected(error, delay);
        sleep(delay).await;
    }
}

/// How a stream, or the way to it, was lost.
enum Lost {
    Failed(Error),
    /// Nothing came for too long.
    Silent,
}

impl From<Error> for Lost {
    fn from(error: Error) -> Self {
        Lost::Failed(error)
    }
}

impl Open {
    async fn receive(&mut self) -> Result<Option<Frame>, Lost> {
        match timeout(self.patience, self.frames.message()).await {
            Ok(Ok(frame)) => {
                self.proven |= frame.is_some();
                Ok(frame)
            }
            Ok(Err(status)) => Err(Lost::Failed(status.into())),
            Err(_) => Err(Lost::Silent),
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if let Some(saver) = &self.saver {
            saver.flush_on_drop();
        }
    }
}
