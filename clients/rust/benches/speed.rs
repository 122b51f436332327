//! How fast the client is beside the bare generated stub, on the same frames of the same gateway, in rounds that take turns.
//! What counts are the ratios: both share the machine with the gateway.
//!
//! ```sh
//! cargo bench --bench speed
//! ```

#[path = "../tests/support/mod.rs"]
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use straw_client::v1::subscribe_request::Start as WireStart;
use straw_client::v1::{
    AcknowledgeRequest, CreateSubscriptionRequest, StartPosition, SubscribeRequest, Subscription,
    subscription,
};
use straw_client::{Client, ConsumeOptions, Delivery, Error, Nack, Start, SubscribeOptions};
use support::gateway::Gateway;
use tokio::sync::Notify;

const EVENTS: usize = 40_000;
const ROUNDS: usize = 7;
/// How often a round replays all events.
const PASSES: usize = 4;
/// Writers share the gateway's commits.
const WRITERS: usize = 32;
const OUTSTANDING: usize = 1000;
/// How long memory is watched.
const WATCH: Duration = Duration::from_secs(20);

#[tokio::main]
async fn main() -> Result<(), Error> {
    let gateway = Gateway::start();
    fill(&gateway);
    let client = support::client(&gateway.grpc);
    replay(&client).await?; // warms both sides up

    let mut replays = Rounds::default();
    for _ in 0..ROUNDS {
        replays.bare.push(cost(PASSES, || bare_replay(&client)).await?);
        replays.with.push(cost(PASSES, || replay(&client)).await?);
    }
    replays.report("replay");

    let mut durable = Rounds::default();
    for round in 0..ROUNDS {
        let (one, other) = (
            create(&client, &format!("bare-{round}")).await?,
            create(&client, &format!("with-{round}")).await?,
        );
        durable.bare.push(cost(1, || bare_consume(&client, &one)).await?);
        durable.with.push(cost(1, || consume(&client, &other)).await?);
    }
    durable.report("durable, with acks");

    let (begin, first) = (Instant::now(), resident());
    let (mut events, mut most) = (0, first);
    while begin.elapsed() < WATCH {
        events += replay(&client).await?;
        most = most.max(resident());
    }
    println!("memory over {events} events: {first} KiB before, {most} KiB at most");
    Ok(())
}

fn fill(gateway: &Gateway) {
    let share = EVENTS / WRITERS;
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            scope.spawn(move || gateway.post(writer * share + 1..=(writer + 1) * share));
        }
    });
}

/// What reading takes.
#[derive(Clone, Copy)]
struct Cost {
    /// Events a second.
    rate: f64,
    /// Time of this process on a processor, in nanoseconds an event; it says more than the rate on a busy machine.
    processor: f64,
}

#[allow(clippy::cast_precision_loss, reason = "they are counted in millions")]
async fn cost<R>(passes: usize, read: impl Fn() -> R) -> Result<Cost, Error>
where
    R: Future<Output = Result<usize, Error>>,
{
    let (begin, busy) = (Instant::now(), processor_time());
    for _ in 0..passes {
        assert_eq!(read().await?, EVENTS);
    }
    let events = (passes * EVENTS) as f64;
    let processor = (processor_time() - busy) as f64 / events;
    Ok(Cost { rate: events / begin.elapsed().as_secs_f64(), processor })
}

/// Of all threads so far, in nanoseconds; Linux tells.
fn processor_time() -> u64 {
    let threads = std::fs::read_dir("/proc/self/task").expect("this is Linux");
    let spent =
        threads.flatten().map(|t| std::fs::read_to_string(t.path().join("schedstat")).unwrap_or_default());
    spent.filter_map(|s| s.split_whitespace().next()?.parse::<u64>().ok()).sum()
}

async fn replay(client: &Client) -> Result<usize, Error> {
    let mut events = client.subscribe(SubscribeOptions::new().start(Start::Earliest).end_at_head(true));
    let mut count = 0;
    while let Some(event) = events.next().await {
        assert!(!event?.id.is_empty());
        count += 1;
    }
    Ok(count)
}

async fn bare_replay(client: &Client) -> Result<usize, Error> {
    let request = SubscribeRequest {
        start: Some(WireStart::StartPosition(StartPosition::Earliest.into())),
        end_at_head: true,
        ..SubscribeRequest::default()
    };
    let mut frames = client.events().subscribe(request).await?.into_inner();
    let mut count = 0;
    while let Some(frame) = frames.message().await? {
        for delivery in frame.deliveries {
            assert!(delivery.event.is_some_and(|e| !e.id.is_empty()));
            count += 1;
        }
    }
    Ok(count)
}

async fn create(client: &Client, id: &str) -> Result<String, Error> {
    let subscription = Subscription {
        id: id.into(),
        start: Some(subscription::Start::StartPosition(StartPosition::Earliest.into())),
        ..Subscription::default()
    };
    let request = CreateSubscriptionRequest { subscription: Some(subscription) };
    Ok(client.subscriptions().create_subscription(request).await?.into_inner().id)
}

async fn consume(client: &Client, id: &str) -> Result<usize, Error> {
    let (count, enough) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let (counter, all) = (Arc::clone(&count), Arc::clone(&enough));
    let handler = move |delivery: Delivery| {
        assert!(!delivery.event.id.is_empty());
        if counter.fetch_add(1, Ordering::Relaxed) + 1 == EVENTS {
            all.notify_one();
        }
        std::future::ready(Ok::<_, Nack>(()))
    };
    let options = ConsumeOptions::new(id).concurrency(OUTSTANDING / 2);
    client.consume(options, handler).with_graceful_shutdown(async move { enough.notified().await }).await?;
    Ok(count.load(Ordering::Relaxed))
}

/// Acknowledges each frame before it reads the next.
async fn bare_consume(client: &Client, id: &str) -> Result<usize, Error> {
    let max_outstanding = i32::try_from(OUTSTANDING).expect("it is small");
    let request =
        SubscribeRequest { subscription_id: id.into(), max_outstanding, ..SubscribeRequest::default() };
    let mut frames = client.events().subscribe(request).await?.into_inner();
    let (mut stub, mut count) = (client.subscriptions(), 0);
    while count < EVENTS {
        let frame = frames.message().await?.expect("it doesn't end");
        let ack_ids: Vec<String> = frame.deliveries.into_iter().map(|d| d.ack_id).collect();
        count += ack_ids.len();
        stub.acknowledge(AcknowledgeRequest { subscription_id: id.into(), ack_ids }).await?;
    }
    Ok(count)
}

#[derive(Default)]
struct Rounds {
    bare: Vec<Cost>,
    with: Vec<Cost>,
}

impl Rounds {
    fn report(&self, what: &str) {
        println!("{what}:");
        let of = |costs: &[Cost], what: fn(&Cost) -> f64| median(costs.iter().map(what));
        let [bare, with] = [&self.bare, &self.with].map(|c| (of(c, |c| c.rate), of(c, |c| c.processor)));
        println!("  client    {:8.0} events/s, {:6.0} ns of processor an event", with.0, with.1);
        println!("  bare stub {:8.0} events/s, {:6.0} ns of processor an event", bare.0, bare.1);
        let rounds = || self.with.iter().zip(&self.bare);
        let rate = median(rounds().map(|(w, b)| w.rate / b.rate));
        let processor = median(rounds().map(|(w, b)| b.processor / w.processor));
        println!(
            "  client to bare stub, median of {ROUNDS} rounds: {rate:.2} by rate, {processor:.2} by processor"
        );
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Resident memory in KiB; 0 where /proc isn't.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
    line.and_then(|l| l.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
