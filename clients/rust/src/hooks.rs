use std::time::Duration;

use crate::{AckStatus, Error, Frame, Gap};

/// Told what a stream does, for logs and metrics.
///
/// Each method does nothing unless it is implemented. They are called from the task that polls the stream (`settled`: from
/// the one that acknowledges), one at a time, and should return soon.
pub trait Hooks: Send + Sync + 'static {
    /// The first frame of a connection came.
    fn connected(&self, first: &Frame) {
        _ = first;
    }

    /// A connection was lost, or couldn't be made; the next is tried after `retry_in`.
    fn disconnected(&self, error: &Error, retry_in: Duration) {
        _ = (error, retry_in);
    }

    /// A frame came, the first included; its events are yet to be delivered.
    fn frame(&self, frame: &Frame) {
        _ = frame;
    }

    /// [`consume`](crate::Client::consume) only: events were lost to the hard retention limit before this durable
    /// subscription was done with them.
    fn gap(&self, gap: &Gap) {
        _ = gap;
    }

    /// Durable only: the gateway has answered an acknowledgement or nack, or can't be brought to. Of the statuses
    /// `Acked` and `AlreadyAcked` are success; `Stale` and `Invalid` mean that nothing was settled.
    fn settled(&self, event_id: &str, outcome: &Result<AckStatus, Error>) {
        _ = (event_id, outcome);
    }
}

/// Hooks that do nothing.
pub(crate) struct Silent;

impl Hooks for Silent {}
