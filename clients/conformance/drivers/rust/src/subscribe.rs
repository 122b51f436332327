//! Follows a stream in cursor mode.

use std::time::{Duration, SystemTime};

use serde::Deserialize;
use straw_client::{Client, Error, FileCursor, OnGap, Start, SubscribeOptions, Subscription};
use tokio::time::sleep;

use crate::output::{Connections, describe, say, say_end, say_gap};
use crate::{Fault, Stop};

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
#[derive(Default)]
pub struct Subscribe {
    types: Vec<String>,
    filter: String,
    start: Option<From>,
    on_gap: Option<Gap>,
    include_raw: bool,
    end_at_head: bool,
    heartbeat: Option<u64>,
    max_deliveries: Option<u32>,
    cursor_file: Option<String>,
    cursor_interval: Option<u64>,
    stop_after: usize,
    leave_at: usize,
    delay: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum From {
    Earliest,
    Latest,
    After(String),
    Time(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Gap {
    Fail,
    Continue,
}

impl Subscribe {
    fn options(&self) -> Result<SubscribeOptions, Fault> {
        let mut options = SubscribeOptions::new()
            .types(self.types.clone())
            .filter(self.filter.clone())
            .include_raw(self.include_raw)
            .end_at_head(self.end_at_head)
            .hooks(Connections);
        if let Some(from) = &self.start {
            options = options.start(match from {
                From::Earliest => Start::Earliest,
                From::Latest => Start::Latest,
                From::After(cursor) => Start::After(cursor.clone()),
                From::Time(text) => Start::At(SystemTime::try_from(text.parse::<prost_types::Timestamp>()?)?),
            });
        }
        if let Some(gap) = &self.on_gap {
            options = options.on_gap(match gap {
                Gap::Fail => OnGap::Fail,
                Gap::Continue => OnGap::Continue,
            });
        }
        if let Some(interval) = self.heartbeat {
            options = options.heartbeat_interval(Duration::from_millis(interval));
        }
        if let Some(count) = self.max_deliveries {
            options = options.max_deliveries(count);
        }
        if let Some(path) = &self.cursor_file {
            options = options.cursor_store(FileCursor::new(path));
        }
        if let Some(interval) = self.cursor_interval {
            options = options.cursor_interval(Duration::from_millis(interval));
        }
        Ok(options)
    }

    /// Reads until the stream ends or is to be left.
    async fn follow(&self, events: &mut Subscription, stop: &Stop) -> Result<(), Error> {
        let mut count = 0;
        loop {
            let next = tokio::select! {
                () = stop.told() => return Ok(()),
                next = events.next() => next,
            };
            let event = match next {
                Some(Ok(event)) => event,
                Some(Err(Error::Gap(gap))) => {
                    say_gap(&gap);
                    continue;
                }
                Some(Err(error)) => return Err(error),
                None => return Ok(()),
            };
            say(describe(&event));
            count += 1;
            if count == self.leave_at {
                return Ok(());
            }
            sleep(Duration::from_millis(self.delay)).await;
            if count == self.stop_after {
                events.processed();
                return Ok(());
            }
        }
    }
}

pub async fn run(subscribe: Subscribe, client: &Client, stop: &Stop) -> Result<(), Fault> {
    let mut events = client.subscribe(subscribe.options()?);
    let end = subscribe.follow(&mut events, stop).await;
    let closed = events.close().await;
    say_end(end.and(closed));
    Ok(())
}
