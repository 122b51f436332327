use std::fmt;
use std::future::poll_fn;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::vec;

use futures_core::Stream;

use crate::link::Link;
use crate::pump::Pump;
use crate::saver::Saver;
use crate::{Client, Error, Event, Frame, Gap, SubscribeOptions, v1};

/// A stream of whole frames; see [`Client::subscribe_frames`].
#[must_use = "streams do nothing unless polled"]
pub struct Frames {
    pump: Pump,
    saver: Option<Arc<Saver>>,
    /// Of the frame that came last, until it is processed.
    cursor: String,
}

impl Frames {
    pub(crate) fn new(client: &Client, options: SubscribeOptions) -> Self {
        let request = options.request();
        let saver = options.cursors.map(|store| Saver::new(store, options.cursor_interval));
        let link = Link::new(client, request, options.hooks, saver.clone());
        Frames { pump: Pump::new(link), saver, cursor: String::new() }
    }

    /// The next frame; none after the end. Cancel-safe: nothing is lost when the future is dropped.
    ///
    /// # Errors
    ///
    /// See [`Subscription::next`]; but a gap is a frame.
    pub async fn next(&mut self) -> Option<Result<Frame, Error>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// Notes that the frame that came last is processed, without asking for the next one.
    pub fn processed(&mut self) {
        if let Some(link) = self.pump.link() {
            link.processed(&mem::take(&mut self.cursor));
        }
    }

    /// Leaves the stream and saves the position, up to the last frame that was processed.
    ///
    /// # Errors
    ///
    /// [`Error::CursorStore`].
    pub async fn close(self) -> Result<(), Error> {
        let Frames { pump, saver, .. } = self;
        drop(pump);
        match saver {
            Some(saver) => saver.flush().await,
            None => Ok(()),
        }
    }
}

impl Stream for Frames {
    type Item = Result<Frame, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.processed();
        let frame = ready!(self.pump.poll_frame(cx));
        if let Some(Ok(frame)) = &frame {
            self.cursor.clone_from(&frame.cursor);
        }
        Poll::Ready(frame)
    }
}

impl fmt::Debug for Frames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frames").finish_non_exhaustive()
    }
}

/// A stream of events, in log order, each once; see [`Client::subscribe`].
///
/// An event counts as processed when the stream is polled for the next one. Dropping the stream leaves the event that came
/// last unprocessed: it comes again with the next subscription that goes on from the saved position.
#[must_use = "streams do nothing unless polled"]
pub struct Subscription {
    frames: Frames,
    /// What is left of the frame that came last.
    deliveries: vec::IntoIter<v1::Delivery>,
    gap: Option<Gap>,
    /// Of the event that came last, until it is processed.
    cursor: String,
}

impl Subscription {
    pub(crate) fn new(frames: Frames) -> Self {
        Subscription { frames, deliveries: Vec::new().into_iter(), gap: None, cursor: String::new() }
    }

    /// The next event; none after the end. Cancel-safe: nothing is lost when the future is dropped, as in `select!`.
    ///
    /// It ends without an error only with [`end_at_head`](SubscribeOptions::end_at_head). Otherwise it goes on for ever, or ends
    /// after an error.
    ///
    /// # Errors
    ///
    /// [`Error::Call`] if a retry can't help, [`Error::CursorStore`]. With [`OnGap::Continue`](crate::OnGap::Continue) also
    /// [`Error::Gap`], which isn't the last.
    pub async fn next(&mut self) -> Option<Result<Event, Error>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// Notes that the event that came last is processed, without asking for the next one. Before leaving the stream, so that
    /// the event doesn't come again.
    pub fn processed(&mut self) {
        if self.cursor.is_empty() {
            return;
        }
        if let Some(link) = self.frames.pump.link() {
            link.processed(&self.cursor);
        }
        self.cursor.clear();
    }

    /// Leaves the stream and saves the position, up to the last event that was processed.
    ///
    /// # Errors
    ///
    /// [`Error::CursorStore`].
    pub async fn close(self) -> Result<(), Error> {
        self.frames.close().await
    }

    /// The next event of the frame that came last, or its gap.
    fn take(&mut self) -> Option<Result<Event, Error>> {
        for delivery in self.deliveries.by_ref() {
            if let Some(event) = delivery.event {
                self.cursor.push_str(&event.cursor);
                return Some(Ok(event));
            }
        }
        self.gap.take().map(|gap| Err(Error::Gap(gap)))
    }
}

impl Stream for Subscription {
    type Item = Result<Event, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.processed();
        loop {
            if let Some(item) = self.take() {
                return Poll::Ready(Some(item));
            }
            let Some(frame) = ready!(Pin::new(&mut self.frames).poll_next(cx)) else {
                return Poll::Ready(None);
            };
            match frame {
                Ok(mut frame) => {
                    self.deliveries = mem::take(&mut frame.deliveries).into_iter();
                    self.gap = frame.gap;
                }
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").finish_non_exhaustive()
    }
}
