//! A real gateway, and a proxy that misbehaves.

// Each test program uses a part of it.
#![allow(dead_code, unreachable_pub)]

pub mod gateway;
pub mod proxy;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use straw_client::{Client, Error, Event, Frame, Hooks};
use tokio::time::timeout;

/// Bounds what any healthy test waits for.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits for something that must happen.
pub async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(PATIENCE, what).await.expect("it took a minute")
}

/// Asks again and again until a condition holds.
pub async fn eventually<F, R>(what: &str, condition: F)
where
    F: Fn() -> R,
    R: Future<Output = bool>,
{
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !condition().await {
        assert!(tokio::time::Instant::now() < deadline, "after a minute it is still not so: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub fn client(address: &str) -> Client {
    Client::connect(address).expect("the address is good")
}

/// The ids of events with these numbers.
pub fn ids(numbers: impl IntoIterator<Item = usize>) -> Vec<String> {
    numbers.into_iter().map(|n| format!("evt-{n}")).collect()
}

/// Reads so many events and returns their ids.
pub async fn read(events: &mut straw_client::Subscription, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    while ids.len() < count {
        let event: Event = soon(events.next()).await.expect("it doesn't end").expect("it doesn't fail");
        ids.push(event.id);
    }
    ids
}

/// Notes what a stream does.
#[derive(Clone, Default)]
pub struct Record(Arc<Mutex<Vec<String>>>);

impl Record {
    pub fn add(&self, line: impl Into<String>) {
        self.0.lock().unwrap().push(line.into());
    }

    pub fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    pub fn count(&self, start: &str) -> usize {
        self.lines().iter().filter(|l| l.starts_with(start)).count()
    }

    pub async fn has(&self, start: &str, count: usize) {
        eventually(&format!("{count} × {start:?} in a record"), || async { self.count(start) >= count })
            .await;
    }
}

impl Hooks for Record {
    fn connected(&self, _: &Frame) {
        self.add("connected");
    }

    fn disconnected(&self, error: &Error, _: Duration) {
        self.add(format!("disconnected: {error}"));
    }

    fn settled(&self, event_id: &str, outcome: &Result<straw_client::AckStatus, Error>) {
        match outcome {
            Ok(status) => self.add(format!("settled {} {event_id}", status.as_str_name())),
            Err(error) => self.add(format!("unsettled {event_id}: {error}")),
        }
    }
}
