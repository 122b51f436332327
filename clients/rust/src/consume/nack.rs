use std::fmt::Display;
use std::time::Duration;

use crate::options::wire_duration;
use crate::v1::nack_request::Action;

/// Gives a delivery back: what to do with it, and why.
///
/// Any error that can be displayed becomes [`Nack::failure`] with its text, so `?` works in a handler:
///
/// ```
/// # use straw_client::{Delivery, Nack};
/// # use std::time::Duration;
/// # struct Busy;
/// # async fn charge(event: &straw_client::Event) -> Result<Result<(), Busy>, std::io::Error> { Ok(Ok(())) }
/// async fn handle(delivery: Delivery) -> Result<(), Nack> {
///     charge(&delivery.event)
///         .await?
///         .map_err(|Busy| Nack::retry_after(Duration::from_secs(60)).because("the bank is busy"))
/// }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Nack {
    pub(crate) action: Option<Action>,
    pub(crate) reason: String,
}

/// What the gateway takes.
const MAX_REASON: usize = 1024;

impl Nack {
    /// A failure: send it again after the subscription's backoff, or dead-letter it once it has failed too often.
    pub fn failure(reason: impl Display) -> Self {
        Nack { action: None, reason: String::new() }.because(reason)
    }

    /// A failure too, but send it again after this long.
    #[must_use]
    pub fn retry_after(delay: Duration) -> Self {
        Nack { action: Some(Action::RetryDelay(wire_duration(delay))), reason: String::new() }
    }

    /// Dead-letter it now.
    #[must_use]
    pub fn dead_letter() -> Self {
        Nack { action: Some(Action::DeadLetter(true)), reason: String::new() }
    }

    /// Not a failure: send it again at once, to any consumer.
    #[must_use]
    pub fn release() -> Self {
        Nack { action: Some(Action::Release(true)), reason: String::new() }
    }

    /// Says why, for people; kept with a dead letter. Cut after 1,024 bytes.
    #[must_use]
    pub fn because(mut self, reason: impl Display) -> Self {
        // The alternate form of some errors tells their causes too.
        self.reason = format!("{reason:#}");
        let mut end = MAX_REASON.min(self.reason.len());
        while !self.reason.is_char_boundary(end) {
            end -= 1;
        }
        self.reason.truncate(end);
        self
    }
}

impl<E: Display> From<E> for Nack {
    fn from(error: E) -> Self {
        Nack::failure(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_a_failure_with_its_text() {
        let nack = Nack::from(std::io::Error::other("no disk"));
        assert_eq!(nack, Nack { action: None, reason: "no disk".into() });
    }

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let nack = Nack::dead_letter().because("é".repeat(600) + "x");
        assert_eq!(nack.reason, "é".repeat(512));
        assert_eq!(Nack::failure("x".to_owned() + &"é".repeat(600)).reason.len(), 1023);
    }
}
