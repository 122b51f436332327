//! The Rust client of Straw, the event gateway for Juicebox webhooks.
//!
//! ```no_run
//! use straw_client::{Client, FileCursor, Payload, Start, SubscribeOptions};
//!
//! # async fn run() -> Result<(), straw_client::Error> {
//! let client = Client::connect("127.0.0.1:9090")?;
//! let options = SubscribeOptions::new()
//!     .start(Start::Earliest)
//!     .cursor_store(FileCursor::new("position"));
//! let mut events = client.subscribe(options);
//! while let Some(event) = events.next().await {
//!     let event = event?;
//!     match event.payload {
//!         Some(Payload::AnalysisCompleted(analysis)) => println!("{}", analysis.analysis_id),
//!         Some(Payload::Unrecognized(why)) => println!("{}: {}", event.r#type, why.detail),
//!         _ => {}
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A [subscription](Client::subscribe) is endless: it reconnects when the gateway restarts, the network fails or the
//! stream falls silent, and goes on after the last event that was processed. An event counts as processed when
//! the stream is polled for the next one. A [durable subscription](Client::consume) leaves that to the gateway: its
//! events are shared among any number of processes, and each comes until it is acknowledged or dead-lettered.
//!
//! The crate never retries what a retry can't help, never hides a gap, and starts no task per event but for
//! handlers, which may run side by side. It knows nothing of the server but its messages.

mod backoff;
mod client;
mod connect;
mod consume;
mod cursor;
mod download;
mod error;
mod event;
mod hooks;
mod link;
mod options;
mod pump;
mod saver;
mod signature;
mod subscribe;
mod transport;

/// The messages and stubs of `straw.v1`, as generated.
pub mod v1 {
    // Written by protoc plugins: their style is not ours, and their services' modules document what they can.
    #![allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic, rustdoc::all)]
    include!("gen/straw/v1/straw.v1.rs");
}

pub use client::Client;
pub use connect::{Builder, DEFAULT_ADDRESS};
pub use consume::{AckStatus, Confirmation, Consume, ConsumeOptions, Deliveries, Delivery, Nack};
pub use cursor::{CursorStore, FileCursor};
pub use download::Download;
pub use error::{BoxError, Code, Error, Failure};
pub use event::{Event, Frame, Gap, Payload, types};
pub use hooks::Hooks;
pub use options::{OnGap, Start, SubscribeOptions};
pub use signature::{SIGNATURE_HEADER, verify_signature};
pub use subscribe::{Frames, Subscription};
#[cfg(feature = "tls")]
pub use tonic::transport::{Certificate, ClientTlsConfig, Identity};
pub use transport::Transport;
pub use v1::ErrorReason;
