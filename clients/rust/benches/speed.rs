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

    let (mut bare, mut with) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        bare.push(rate(bare_replay(&client)).await?);
        with.push(rate(replay(&client)).await?);
    }
    report("replay", &mut bare, &mut with);

    let (mut bare, mut with) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let (one, other) = (
            create(&client, &format!("bare-{round}")).await?,
            create(&client, &format!("with-{round}")).await?,
        );
        bare.push(rate(bare_consume(&client, one)).await?);
        with.push(rate(consume(&client, other)).await?);
    }
    report("durable, with acks", &mut bare, &mut with);

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

/// Events a second.
#[allow(clippy::cast_precision_loss, reason = "they are counted in thousands")]
async fn rate(read: impl Future<Output = Result<usize, Error>>) -> Result<f64, Error> {
    let begin = Instant::now();
    let events = read.await?;
    assert_eq!(events, EVENTS);
    Ok(events as f64 / begin.elapsed().as_secs_f64())
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

async fn consume(client: &Client, id: String) -> Result<usize, Error> {
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
async fn bare_consume(client: &Client, id: String) -> Result<usize, Error> {
    let max_outstanding = i32::try_from(OUTSTANDING).expect("it is small");
    let request =
        SubscribeRequest { subscription_id: id.clone(), max_outstanding, ..SubscribeRequest::default() };
    let mut frames = client.events().subscribe(request).await?.into_inner();
    let (mut stub, mut count) = (client.subscriptions(), 0);
    while count < EVENTS {
        let frame = frames.message().await?.expect("it doesn't end");
        let ack_ids: Vec<String> = frame.deliveries.into_iter().map(|d| d.ack_id).collect();
        count += ack_ids.len();
        stub.acknowledge(AcknowledgeRequest { subscription_id: id.clone(), ack_ids }).await?;
    }
    Ok(count)
}

fn report(what: &str, bare: &mut [f64], with: &mut [f64]) {
    let mut ratios: Vec<f64> = with.iter().zip(bare.iter()).map(|(w, b)| w / b).collect();
    let (bare, with, ratio) = (median(bare), median(with), median(&mut ratios));
    let (least, most) = (ratios[0], ratios[ratios.len() - 1]);
    println!("{what}: {with:.0} events/s, bare stub {bare:.0}, ratio {ratio:.2} ({least:.2} to {most:.2})");
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Resident memory in KiB; 0 where /proc isn't.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
    line.and_then(|l| l.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
