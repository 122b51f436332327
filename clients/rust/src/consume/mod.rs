//! Durable subscriptions: the gateway keeps the position, and sends each event until it is settled.
//!
//! What a consumer holds is in one place, its [`hand`](hand::Hand). A delivery is put into it when it arrives, and leaves it when
//! the gateway has confirmed its acknowledgement or nack. Two tasks look after it: one settles, the other extends
//! deadlines.

mod deliveries;
mod delivery;
mod extend;
mod hand;
mod handler;
mod nack;
mod options;
mod settle;

pub use deliveries::Deliveries;
pub use delivery::{Confirmation, Delivery};
pub use handler::Consume;
pub use nack::Nack;
pub use options::ConsumeOptions;

/// What became of an acknowledgement or nack: `Acked` and `AlreadyAcked` are success.
pub use crate::v1::ack_result::Status as AckStatus;
