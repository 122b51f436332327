use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crate::link::Link;
use crate::{Error, Frame};

type Wait = Pin<Box<dyn Future<Output = (Box<Link>, Result<Option<Frame>, Error>)> + Send>>;

/// Polls a link. A wait that is given up goes on with the next poll, so that nothing is lost when a caller's future is dropped.
pub(crate) enum Pump {
    Idle(Box<Link>),
    Waiting(Wait),
    Ended,
}

impl Pump {
    pub(crate) fn new(link: Link) -> Self {
        Pump::Idle(Box::new(link))
    }

    /// The link, when it isn't waited for.
    pub(crate) fn link(&mut self) -> Option<&mut Link> {
        match self {
            Pump::Idle(link) => Some(link),
            _ => None,
        }
    }

    /// The next frame; none after the end, of which an error is the last sign.
    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame, Error>>> {
        if let Pump::Idle(_) = self {
            let Pump::Idle(mut link) = std::mem::replace(self, Pump::Ended) else { unreachable!() };
            *self = Pump::Waiting(Box::pin(async move {
                let result = link.next().await;
                (link, result)
            }));
        }
        let Pump::Waiting(wait) = self else {
            return Poll::Ready(None);
        };
        let (link, result) = ready!(wait.as_mut().poll(cx));
        *self = match result {
            Ok(Some(_)) => Pump::Idle(link),
            _ => Pump::Ended,
        };
        Poll::Ready(result.transpose())
    }
}
